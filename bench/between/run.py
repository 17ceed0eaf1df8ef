#!/usr/bin/env python3
"""What moves between players costs: one tab-separated line per comparison.

budget, name, ours, theirs, ratio, limit, `met` or `missed` (`-` where there is no limit). What reaches the disk is a
median of five runs that take turns; instructions are counted by callgrind. Never fails on a figure.
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "core"))
from run import FLAGS, instructions, row  # noqa: E402

COUNTED = ["--instr-atstart=no"]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "between"
    subprocess.run(["g++", "-O2", "-DNDEBUG", *FLAGS, str(HERE / "between.cpp"), "-o", str(program), "-pthread"],
                   check=True)

    def says(*arguments):
        return float(subprocess.run([str(program), *map(str, arguments)], check=True, capture_output=True,
                                    text=True).stdout)

    def each(what, more=1000):
        few = 100
        return (instructions(program, what, few + more, options=COUNTED)
                - instructions(program, what, few, options=COUNTED)) / more

    ways = {"post one": [], "post many": [], "transact": [], "saves": []}
    for _ in range(5):
        for way, rates in ways.items():
            with tempfile.TemporaryDirectory(dir=folder) as data:
                rates.append(says(*way.split(), data))
    rate = {way: statistics.median(rates) for way, rates in ways.items()}
    row("posts a second, each durable; to one record against one to each of 200", rate["post one"], rate["post many"],
        None)
    row("trades a second, each durable, against a save of each of both", rate["transact"], rate["saves"], None)
    row("polls of the receiver's server until a gift of another server is handled", says("latency"), 1, None)
    row("instructions of a trade, against a save of each of both", each("trade"), each("two"), None)
    row("instructions of a save with a gift, and of the save that handles it, against two plain saves", each("send"),
        each("two"), None)
    row("instructions of a save of a record that stands in one board, against one in none", each("ranked"), each("save"),
        None)
    row("instructions of top(100); a million records against a thousand", instructions(program, "top", 1_000_000,
        options=COUNTED), instructions(program, "top", 1_000, options=COUNTED), None)
    row("microseconds of top(100) of a million records", statistics.median(says("top", 1_000_000) for _ in range(3)), 1,
        None)


if __name__ == "__main__":
    main()
