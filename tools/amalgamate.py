#!/usr/bin/env python3
"""Makes the single header: single_include/persist/persist.hpp of all that include/persist/persist.hpp
reaches, single_include/persist/testing.hpp of the headers in testing/ and observe/, and each adapter
under its own name, on top of the first.

    amalgamate.py                 write all
    amalgamate.py --check         fail if they are not what would be written
    amalgamate.py --forward DIR   write a tree of one-line headers that stand for include/ and forward
                                  to them, so that tests can be built against them
"""

import argparse
import collections
import pathlib
import sys

import headers

BANNER = """\
// persist: player data for game servers. The single header, made by tools/amalgamate.py from
// include/persist: change it there.
//
// Distributed under the Boost Software License, Version 1.0.

#pragma once
"""
CORE = "persist.hpp"
TESTING = "testing.hpp"
TESTING_PARTS = ("testing/", "observe/")
HOST = "host.hpp"


class Amalgamation:
    """One generated file: every header it needs once, each where it is first included, under the
    sorted includes of what is not ours. Conditional includes stay inside their condition."""

    def __init__(self, tree, already=()):
        self.tree = tree
        self.names = []  # in the order of their text
        self.already = set(already)
        self.foreign = set()
        self.body = []

    def add(self, name):
        if name in self.names or name in self.already:
            return
        if name not in self.tree.text:
            raise SystemExit(f"amalgamate: there is no include/persist/{name}")
        self.names.append(name)
        by_line = {include.line: include for include in self.tree.includes[name]}
        kept = []
        for number, line in enumerate(self.tree.text[name].splitlines(), 1):
            include = by_line.get(number)
            if include is None:
                if line.strip() != "#pragma once":
                    kept.append(line)
            elif include.own:
                if include.conditional:
                    raise SystemExit(f"amalgamate: {name}:{number}: an own header is included "
                                     "conditionally; it would be lost for who includes it later")
                self.flush(kept)
                self.add(include.name.removeprefix("persist/"))
            elif include.conditional:
                kept.append(line)
            else:
                self.foreign.add(include.name)
        self.flush(kept)

    def flush(self, lines):
        text = "\n".join(lines).strip("\n")
        if text.strip():
            self.body.append(text)
        lines.clear()

    def text(self, first=""):
        includes = "\n".join(f"#include <{name}>" for name in sorted(self.foreign))
        parts = [BANNER.rstrip("\n"), first, includes, *self.body]
        return "\n\n".join(part for part in parts if part) + "\n"


def testing_headers(tree):
    return [name for name in sorted(tree.text)
            if name.startswith(TESTING_PARTS) or name == TESTING]


def beside_the_core(tree):
    """What each file beside the first is made of, by its name: headers, and on what it stands."""
    parts = {TESTING: (testing_headers(tree), CORE)}
    if HOST in tree.text:
        parts[HOST] = ([HOST], CORE)
    for name in sorted(tree.adapters & tree.text.keys()):
        parts[name] = ([name], HOST if name.startswith("host/") else CORE)
    return parts


def gather(tree, wanted, already):
    file = Amalgamation(tree, already=already)
    for name in wanted:
        file.add(name)
    return file


def build(tree):
    """Text by file name below single_include/persist, and headers by the file that holds them. What
    two files beside the first need is in the first, because both may be included."""
    core = gather(tree, [CORE], ())
    parts = beside_the_core(tree)

    def already(below):
        return core.names + (gather(tree, [HOST], core.names).names if below == HOST else [])

    counts = collections.Counter()
    for wanted, below in parts.values():
        counts.update(gather(tree, wanted, already(below)).names)
    for name in sorted(name for name, count in counts.items() if count > 1):
        core.add(name)
    texts, held_by = {CORE: core.text()}, dict.fromkeys(core.names, CORE)
    for name, (wanted, below) in parts.items():
        file = gather(tree, wanted, already(below))
        texts[name] = file.text(first=f'#include "{"../" * name.count("/")}{below}"')
        if name in (TESTING, HOST):
            held_by |= dict.fromkeys(file.names, name)
    return texts, held_by


def write_if_other(path, text):
    """An untouched file keeps its time, so nothing is compiled again for it."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def forward(directory, held_by):
    wanted = set()
    for name, holder in held_by.items():
        if name in (CORE, TESTING, HOST):
            continue
        path = directory / "persist" / name
        wanted.add(path)
        write_if_other(path, f"#pragma once\n#include <persist/{holder}>\n")
    for path in directory.rglob("*.hpp"):
        if path not in wanted:
            path.unlink()


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--forward", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    options = parser.parse_args(arguments)

    tree = headers.Tree(options.root)
    if CORE not in tree.text:
        print("amalgamate: there is no umbrella header to start from")
        return 0
    texts, held_by = build(tree)
    if options.forward:
        forward(options.forward, held_by)
        return 0
    stale = []
    for name, text in texts.items():
        path = options.root / "single_include" / "persist" / name
        if not options.check:
            write_if_other(path, text)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(options.root).as_posix())
    for name in stale:
        print(f"amalgamate: {name} is not what the headers say: run ./dev single")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
