#!/usr/bin/env python3
"""What many open sessions cost: one tab-separated line per comparison.

budget, name, ours, theirs, ratio, limit, `met` or `missed` (`-` where there is no limit). Where nothing is compared,
`theirs` is 1. Instructions are counted by callgrind. Never fails on a figure.
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "core"))
from run import FLAGS, instructions, row  # noqa: E402

SIZES = (1_000, 10_000, 100_000)
COUNTED = ["--instr-atstart=no"]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "sessions"
    subprocess.run(["g++", "-O2", "-DNDEBUG", *FLAGS, str(HERE / "sessions.cpp"), "-o", str(program), "-pthread"],
                   check=True)

    def says(*arguments):
        return subprocess.run([str(program), *map(str, arguments)], check=True, capture_output=True,
                              text=True).stdout.split()

    for size in SIZES:
        row(f"bytes of a session beside its data; {size:,} open", float(says("bytes", size)[0]), 224, 1.0)
    idle = {size: instructions(program, "poll", size, options=COUNTED) / 100 for size in SIZES}
    for size in SIZES:
        row(f"instructions of a poll with nothing due; {size:,} idle sessions against 1,000", idle[size], idle[1_000], 1.0)
    for what, name in (("autosave", "an autosave of each"), ("renew", "a renewal of each")):
        each = {size: instructions(program, what, size, options=COUNTED) / size for size in SIZES}
        for size in SIZES:
            row(f"instructions a session of {name}; {size:,} sessions against 1,000", each[size], each[1_000], None)
    pair = {how: (instructions(program, how, 2000, options=COUNTED) - instructions(program, how, 1000, options=COUNTED))
            / 1000 for how in ("confined", "shared", "ref")}
    for how, name in (("confined", "one thread"), ("shared", "access::Shared"), ("ref", "a SessionRef")):
        row(f"instructions of one edit and one view; {name}", pair[how], pair["confined"], None)
    # Not in /tmp, which may be memory: what is waited for is the disk the tree lies on.
    longest = {"stall": [], "wait": []}
    for _ in range(5):
        for how, times in longest.items():
            with tempfile.TemporaryDirectory(dir=folder) as data:
                times.append(float(says(how, data)[0]))
    row("longest call of the game's thread while 1,000 sessions autosave, us; through a Host against the store's poll",
        statistics.median(longest["stall"]), statistics.median(longest["wait"]), None)
    calls, polls = says("handover", 0)
    row("calls of the backend from a load that asks to its session; against request, save, acquire", float(calls), 3, 1.5)
    row("polls of both servers that this takes", float(polls), 1, None)


if __name__ == "__main__":
    main()
