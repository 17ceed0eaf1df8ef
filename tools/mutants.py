#!/usr/bin/env python3
"""Takes the lines that keep a promise out, one at a time, and shows that a test or the simulation
goes red for each. tools/mutants.toml is the list.

    mutants.py [NAME…] [--list] [--jobs N] [--cxx g++] [--out build/mutants]

A mutant is one header of its own before all others; the tree stays as it is. Before that each test
is seen to be green without it. Fails if a mutant survives, if its text is not there once, or if it
does not compile.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENTS = {"sqlite": "-lsqlite3", "postgres": "-lpq", "redis": "-lhiredis", "etcd": "-lcurl"}
LIST = "tools/mutants.toml"
KEYS = {"promise", "file", "find", "put", "red"}
LONGEST_RUN = 120  # seconds; what hangs is red too


class Wrong(Exception):
    """What keeps a mutant from showing anything."""


@dataclass(frozen=True)
class Mutant:
    name: str
    promise: int
    file: str  # below include/persist/
    find: str
    put: str
    red: tuple  # of what must fail

    def applied(self, root=ROOT):
        """The header as the mutant has it."""
        path = pathlib.Path(root) / "include/persist" / self.file
        if not path.is_file():
            raise Wrong(f"there is no header {self.file}")
        text = path.read_text(encoding="utf-8")
        count = text.count(self.find)
        if count != 1:
            raise Wrong(f"its text is in {self.file} {count} times, and must be there once")
        if self.put == self.find:
            raise Wrong("it changes nothing")
        return text.replace(self.find, self.put)


def read_list(root=ROOT):
    """All mutants, by name. Raises `Wrong` for one that is not as the head of the list says."""
    with open(pathlib.Path(root) / LIST, "rb") as file:
        table = tomllib.load(file)
    mutants = {}
    for name, entry in table.items():
        if not set(entry) <= KEYS or not KEYS - {"put"} <= set(entry):
            raise Wrong(f"{name}: has {sorted(entry)}, and not {sorted(KEYS)}")
        if not entry["red"]:
            raise Wrong(f"{name}: names nothing that goes red")
        mutants[name] = Mutant(name, entry["promise"], entry["file"], entry["find"],
                               entry.get("put", ""), tuple(entry["red"]))
    return mutants


def stale(mutants, root=ROOT):
    """A line for each mutant whose text is not where it should be, or that names no test."""
    lines = []
    for mutant in mutants:
        try:
            mutant.applied(root)
        except Wrong as why:
            lines.append(f"{LIST}: {mutant.name}: {why}")
        lines += [f"{LIST}: {mutant.name}: there is no {target}" for target in mutant.red
                  if evenings(target) is None and not (pathlib.Path(root) / target).is_file()]
    return lines


def evenings(target):
    """How many evenings of the simulation a target is, or None for a test file."""
    found = re.fullmatch(r"simulate (\d+)", target)
    return int(found[1]) if found else None


class Bench:
    """Builds and runs targets, with or without a mutant."""

    def __init__(self, out, compiler):
        self.out = pathlib.Path(out).resolve()
        self.compiler = compiler
        self.launcher = ["ccache"] if shutil.which("ccache") else []

    def place(self, mutant):
        """An empty folder for what is made."""
        folder = self.out / (mutant.name if mutant else "control")
        if mutant:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        if mutant:
            header = folder / "include/persist" / mutant.file
            header.parent.mkdir(parents=True)
            header.write_text(mutant.applied(), encoding="utf-8")
        return folder

    def build(self, target, folder):
        """The program of a target, or the words of a static assertion that says no."""
        simulates = evenings(target) is not None
        source = "tools/simulate/main.cpp" if simulates else target
        program = folder / source.replace("/", "_").removesuffix(".cpp")
        includes = [f"-I{folder / 'include'}", f"-I{ROOT / 'include'}", f"-I{ROOT / 'test'}",
                    f"-I{ROOT / 'tools'}", f"-I{ROOT / 'example'}"]
        flags = ["-O2"] if simulates else [
            "-O0", f'-DPERSIST_SOURCE_DIR="{ROOT}"', f'-DPERSIST_BINARY_DIR="{folder}"']
        compiled = subprocess.run(
            [*self.launcher, self.compiler, "-std=c++20", *flags, *includes, "-c", ROOT / source,
             "-o", f"{program}.o"], capture_output=True, text=True, check=False)
        if compiled.returncode != 0:
            refused = re.search(r"(static assertion failed|static_assert failed).*", compiled.stderr)
            if refused:
                return None, refused[0]
            raise Wrong(f"{source} does not compile:\n" + compiled.stderr[:2000])
        libraries = [] if simulates else ["-lgtest", "-lgtest_main"]
        libraries += [library for name, library in CLIENTS.items() if name in target]
        subprocess.run([self.compiler, f"{program}.o", "-o", program, *libraries, "-lpthread"],
                       check=True)
        return program, ""

    def run(self, target, mutant=None):
        """Whether the target is red, and in which words."""
        folder = self.place(mutant)
        program, words = self.build(target, folder)
        if program is None:
            return True, words
        count = evenings(target)
        command = [program] if count is None else [program, "--seeds", str(count)]
        try:
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                                 timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired:
            return True, "does not end"
        if ran.returncode == 0:
            return False, "green"
        if count is not None:
            broken = re.search(r"(\d+) broke a promise", ran.stdout)
            return True, f"{broken[1]} of {count} evenings" if broken else "died"
        failed = re.findall(r"^\[  FAILED  \] (\S+?\.\S+)(?:, where| \()", ran.stdout, re.MULTILINE)
        cases = sorted(set(failed))
        if not cases:
            return True, f"died with {ran.returncode}"
        more = f" and {len(cases) - 2} more" if len(cases) > 2 else ""
        return True, ", ".join(cases[:2]) + more


def control(bench, targets, pool):
    """Everything is green without a mutant, or red says nothing."""
    green = True
    for target, (is_red, words) in zip(targets, pool.map(bench.run, targets)):
        if is_red:
            print(f"{target}: red without a mutant: {words}", flush=True)
            green = False
    return green


def try_one(bench, mutant):
    """What each of its targets says."""
    said = []
    for target in mutant.red:
        try:
            is_red, words = bench.run(target, mutant)
        except Wrong as why:
            is_red, words = False, str(why)
        said.append((target, is_red, words))
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--jobs", type=int, default=1, help="how many are tried at a time")
    parser.add_argument("--cxx", default="g++")
    parser.add_argument("--out", default=str(ROOT / "build/mutants"))
    told = parser.parse_args()
    every = read_list()
    unknown = [name for name in told.names if name not in every]
    if unknown:
        sys.exit(f"mutants: there is no mutant {unknown[0]}; --list says what there is")
    chosen = [every[name] for name in told.names] if told.names else list(every.values())
    if told.list:
        for mutant in chosen:
            print(f"{mutant.promise:2} {mutant.name:34} {mutant.file:30} {', '.join(mutant.red)}")
        return 0
    if wrong := stale(chosen):
        sys.exit("\n".join(wrong))
    bench = Bench(told.out, told.cxx)
    survived = []
    with concurrent.futures.ThreadPoolExecutor(told.jobs) as pool:
        targets = sorted({target for mutant in chosen for target in mutant.red})
        if not control(bench, targets, pool):
            return 1
        for mutant, said in zip(chosen, pool.map(lambda each: try_one(bench, each), chosen)):
            for target, is_red, words in said:
                print(f"{mutant.name:34} {'red  ' if is_red else 'GREEN'} {target}: {words}",
                      flush=True)
            if not all(is_red for _, is_red, _ in said):
                survived.append(mutant.name)
    print(f"mutants: {len(chosen)} tried, {len(survived)} survived" +
          (": " + ", ".join(survived) if survived else ""))
    return 1 if survived else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"mutants: {wrong}")
