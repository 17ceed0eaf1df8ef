#!/usr/bin/env python3
"""The core's budget: one tab-separated line per comparison.

budget, name, ours, theirs, ratio, limit, `met` or `missed` (`-` where there is no limit). Instructions are counted by
callgrind, as the difference of two runs; times are medians of runs that take turns. Never fails on a figure.
"""
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FLAGS = ["-std=c++20", f"-I{ROOT / 'include'}", f"-I{ROOT / 'bench'}"]


def row(name, ours, theirs, limit):
    ratio = ours / theirs
    verdict = "-" if limit is None else "met" if ratio <= limit else "missed"
    shown = "-" if limit is None else f"{limit:.2f}"
    print("budget", name, f"{ours:.6g}", f"{theirs:.6g}", f"{ratio:.3f}", shown, verdict, sep="\t", flush=True)


def build(compiler, source, to, *flags):
    subprocess.run([compiler, "-O2", "-DNDEBUG", *FLAGS, *flags, str(HERE / source), "-o", str(to), "-pthread",
                    *(["-lleveldb"] if "-DPERSIST_BENCH_LEVELDB" in flags else [])], check=True)


def instructions(program, *arguments):
    out = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program),
                          *map(str, arguments)], check=True, capture_output=True, text=True).stderr
    return next(int(line.split()[-1]) for line in out.splitlines() if "Collected" in line)


def cycles(folder):
    for compiler in ("g++", "clang++"):
        for profile, flags, limit in (("small", [], 1.05), ("medium", ["-DBENCH_MEDIUM"], 1.00)):
            counts = {}
            for form in ("store", "hand"):
                program = folder / f"cycle_{form}"
                build(compiler, f"cycle_{form}.cpp", program, *flags)
                counts[form] = (instructions(program, 700) - instructions(program, 200)) / 500
            row(f"instructions of load, edit, save, release; {profile}, {compiler}", counts["store"], counts["hand"], limit)


def idle(folder):
    program = folder / "idle"
    build("g++", "idle.cpp", program)
    lines = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        name, size = line.split("\t")
        row(f"bytes of an idle session beside its data; {name}", float(size), {"confined": 224, "shared": 240}[name], 1.0)
    program = folder / "idle_poll"
    build("g++", "idle_poll.cpp", program)
    cost = {n: (instructions(program, n, 110) - instructions(program, n, 10)) / 100 for n in (1000, 20000)}
    row("instructions of a poll with nothing due; 20,000 idle sessions against 1,000", cost[20000], cost[1000], 1.0)


def disk(folder):
    program = folder / "disk"
    has_leveldb = pathlib.Path("/usr/include/leveldb/db.h").exists()
    build("g++", "disk.cpp", program, *(["-DPERSIST_BENCH_LEVELDB"] if has_leveldb else []))
    limits = {"one_save": ("File: one durable save against a raw append with fdatasync, p50 us", 1.25),
              "thousand_saves": ("File: 1,000 saves of one poll against LevelDB's synced batch, p50 us", 0.33)}
    with tempfile.TemporaryDirectory(dir=folder) as data:
        out = subprocess.run([str(program), data], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        name, ours, theirs = line.split("\t")
        row(limits[name][0], float(ours), float(theirs), limits[name][1])
    if not has_leveldb:
        print("bench: LevelDB is not installed: its comparison is left out", file=sys.stderr)


def seconds(compiler, source, *flags):
    began = time.monotonic()
    subprocess.run([compiler, *FLAGS, *flags, "-c", str(HERE / source), "-o", "/dev/null"], check=True)
    return time.monotonic() - began


def compile_time():
    for compiler in ("g++", "clang++"):
        times = {name: [] for name in ("std", "include", "medium -O0", "medium -O2")}
        for _ in range(3):
            times["std"].append(seconds(compiler, "compile_std.cpp"))
            times["include"].append(seconds(compiler, "compile_include.cpp"))
            times["medium -O0"].append(seconds(compiler, "compile_medium.cpp"))
            times["medium -O2"].append(seconds(compiler, "compile_medium.cpp", "-O2"))
        middle = {name: statistics.median(all_of) for name, all_of in times.items()}
        row(f"seconds to compile the include against its standard headers; {compiler}", middle["include"], middle["std"], 1.25)
        for level in ("medium -O0", "medium -O2"):
            row(f"seconds to compile a store of the {level} against its standard headers; {compiler}", middle[level],
                middle["std"], None)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for tool in ("valgrind", "clang++", "g++"):
        if shutil.which(tool) is None:
            sys.exit(f"bench: {tool} is missing")
    cycles(folder)
    idle(folder)
    disk(folder)
    compile_time()


if __name__ == "__main__":
    main()
