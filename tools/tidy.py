#!/usr/bin/env python3
"""Runs clang-tidy on one unit per folder of test/: the one that reaches the most own headers.

    tidy.py BUILD_DIR [--jobs N]      BUILD_DIR holds compile_commands.json
"""

import argparse
import concurrent.futures
import pathlib
import subprocess
import sys

import headers

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLANG_TIDY = "clang-tidy-16"
NO_UNITS = {"support", "reject", "consumer"}


def units():
    tree = headers.Tree(ROOT)

    def reach(path):
        own = [i.name for i in headers.includes(path.read_text(encoding="utf-8")) if i.own]
        reached = set().union(*(tree.reached_from(n.removeprefix("persist/")) for n in own))
        return len(reached), path.as_posix()

    test = ROOT / "test"
    folders = [folder for folder in sorted(test.iterdir())
               if folder.is_dir() and folder.name not in NO_UNITS]
    candidates = [list(test.glob("*.cpp")), *(list(folder.rglob("*.cpp")) for folder in folders)]
    return [max(files, key=reach) for files in candidates if files]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build_dir")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()

    def run(unit):
        command = [CLANG_TIDY, "--quiet", "-p", options.build_dir, str(unit)]
        return subprocess.run(command, cwd=ROOT, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for unit, result in zip(chosen := units(), pool.map(run, chosen)):
            print(f"tidy: {unit.relative_to(ROOT)}: {'findings' if result.returncode else 'clean'}",
                  flush=True)
            if result.returncode:
                failed += 1
                print(result.stdout or result.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
