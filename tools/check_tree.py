#!/usr/bin/env python3
"""Asserts how the tree is built: layers that point one way, a whole umbrella, a test per header,
short headers, short functions. Prints each breach as file:line: sentence, and fails if there is one.
"""

import pathlib
import re
import statistics
import sys

import headers

LONGEST_HEADER = 400
LONGEST_FUNCTION = 60

# From the bottom up; who stands in one row does not know the others of that row.
LAYERS = [
    ["detail", "error", "result", "bytes", "clock", "signal", "log", "version", "fwd"],
    ["record"],
    ["schema", "key", "codec", "lock", "access", "backend", "spill"],
    ["session"],
    ["store"],
    ["host", "audit"],
    ["observe", "testing"],
]
SAME_PART = {"compress": "codec", "session_ref": "session"}
WITHIN_A_ROW = {("codec", "schema"), ("lock", "access")}  # who may include whom all the same
WORDS = 0  # the one row whose parts may include each other

UMBRELLA = "persist.hpp"
NOT_IN_THE_UMBRELLA = ("testing", "observe", "host")
WITHOUT_A_TEST = {"persist.hpp", "testing.hpp", "version.hpp", "detail/config.hpp"}


def part_of(name):
    """The part of the library that a header belongs to: its folder, or its own name."""
    first = name.split("/")[0].removesuffix(".hpp")
    return SAME_PART.get(first, first)


ROW = {part: row for row, parts in enumerate(LAYERS) for part in parts}


def check_layers(tree):
    for name in tree.text:
        if name in (UMBRELLA, "testing.hpp"):
            continue
        part = part_of(name)
        if part not in ROW:
            yield f"include/persist/{name}:1: `{part}` belongs to no layer that check_tree.py knows"
            continue
        for include in tree.includes[name]:
            target = part_of(include.name.removeprefix("persist/")) if include.own else part
            if target != part and not may_include(part, target):
                yield (f"include/persist/{name}:{include.line}: `{part}` must not include "
                       f"<{include.name}>: layers point one way")


def may_include(part, target):
    if target not in ROW:
        return False
    if ROW[target] == ROW[part]:
        return ROW[part] == WORDS or (part, target) in WITHIN_A_ROW
    return ROW[target] < ROW[part]


def check_includes(tree):
    for name, includes in tree.includes.items():
        where = f"include/persist/{name}"
        if "#pragma once" not in headers.blank_out(tree.text[name]).splitlines():
            yield f"{where}:1: there is no `#pragma once`"
        for include in includes:
            at = f"{where}:{include.line}"
            if include.name.startswith("boost/"):
                if part_of(name) != "schema":
                    yield f"{at}: only schema/ includes Boost"
                elif not include.conditional:
                    yield f"{at}: Boost may be absent: include it inside #if PERSIST_HAS_HANA"
            if include.own and include.conditional:
                yield f"{at}: own headers are included unconditionally"
            if include.own and include.name.removeprefix("persist/") not in tree.text:
                yield f"{at}: there is no <{include.name}>"


def check_umbrella(tree):
    if UMBRELLA not in tree.text:
        return
    reached = tree.reached_from(UMBRELLA)
    for name in tree.text:
        left_out = part_of(name) in NOT_IN_THE_UMBRELLA or name == "testing.hpp"
        if left_out or name in tree.adapters | tree.adapter_parts:
            if name in reached:
                yield f"include/persist/{name}:1: persist.hpp reaches it, and must leave it out"
        elif name not in reached and part_of(name) != "detail":
            yield f"include/persist/{name}:1: persist.hpp does not reach it"


def check_tests(tree):
    for name in tree.text:
        if name in WITHOUT_A_TEST or name.split("/")[-1] == "fwd.hpp":
            continue
        candidates = [name]
        parent = str(pathlib.PurePosixPath(name).parent) + ".hpp"
        if parent in tree.text:  # a large x.hpp may have a folder x/, and one test for all of it
            candidates.append(parent)
        tests = [(header, tree.root / "test" / header.replace(".hpp", ".cpp"))
                 for header in candidates]
        header, test = next(((h, t) for h, t in tests if t.exists()), (None, None))
        if test is None:
            yield f"include/persist/{name}:1: there is no test/{name.replace('.hpp', '.cpp')}"
            continue
        own = [i for i in headers.includes(test.read_text(encoding="utf-8")) if i.own]
        if header == name and (not own or own[0].name != f"persist/{header}"):
            yield f"{relative(tree, test)}:1: its first own include is not <persist/{header}>"


def check_lengths(tree):
    for name, text in tree.text.items():
        lines = text.count("\n")
        if lines > LONGEST_HEADER:
            yield (f"include/persist/{name}:{LONGEST_HEADER}: the header has {lines} lines, "
                   f"more than {LONGEST_HEADER}")
    for folder in ("include", "example", "tools", "test", "bench"):
        for path in sorted((tree.root / folder).rglob("*.[ch]pp")):
            try:
                for first, last in functions(path.read_text(encoding="utf-8")):
                    if last - first >= LONGEST_FUNCTION:
                        yield (f"{relative(tree, path)}:{first}: the function has "
                               f"{last - first + 1} lines, more than {LONGEST_FUNCTION}")
            except Unbalanced as problem:
                yield f"{relative(tree, path)}:{problem.args[0]}: cannot follow the braces"


def relative(tree, path):
    return path.relative_to(tree.root).as_posix()


# --- finding functions ---------------------------------------------------------------------------


class Unbalanced(Exception):
    pass


TOKEN = re.compile(r"[A-Za-z_]\w*|->|::|\S")
PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
CLOSING = {"{": "}", "(": ")", "[": "]"}
TYPES = {"class", "struct", "union", "enum"}


def functions(text):
    """First and last line of each function, outermost ones only (a lambda is part of its function).

    Walks namespaces and classes and looks at what stands before each opening brace (its head): the
    braces of a type or a namespace are walked into, those after a parameter list are a body, all
    others initialise something."""
    code = headers.blank_out(text)
    code = PREPROCESSOR.sub(lambda found: "\n" * found.group().count("\n"), code)
    tokens, line, at = [], 1, 0
    for found in TOKEN.finditer(code):
        line += code.count("\n", at, found.start())
        at = found.start()
        tokens.append((found.group(), line))
    return list(Walk(tokens).functions())


class Walk:
    def __init__(self, tokens):
        self.tokens = tokens
        self.open = 0  # namespaces and types that we are in

    def functions(self):
        at, head, first = 0, [], None
        while at < len(self.tokens):
            token, line = self.tokens[at]
            if not head:
                first = line
            if token == "template" and self.text(at + 1) == "<":
                at = self.after_angles(at + 1)
                head.append("template")
            elif token == "requires":
                at = self.after_constraint(at, head)
                head.append("requires")
            elif token in "([":
                at = self.after_group(at)
                head += [token, CLOSING[token]]
            elif token == "{":
                kind = self.kind_of(head)
                if kind == "scope":
                    self.open += 1
                    at, head = at + 1, []
                    continue
                at = self.after_group(at)
                if kind == "function" and not self.goes_on(at, head):
                    yield first, self.tokens[at - 1][1]
                    head = []
                else:
                    head += ["{", "}"]
            elif token in ";}":
                if token == "}":
                    self.open -= 1
                    if self.open < 0:
                        raise Unbalanced(line)
                at, head = at + 1, []
            else:
                at, head = at + 1, head + [token]
        if self.open:
            raise Unbalanced(self.tokens[-1][1])

    def text(self, at):
        return self.tokens[at][0] if at < len(self.tokens) else ""

    @staticmethod
    def kind_of(head):
        if "namespace" in head or head == ["extern", '"', '"']:
            return "scope"
        for at, token in enumerate(head):
            if token in TYPES:
                name = head[at : head.index(":", at)] if ":" in head[at:] else head[at:]
                if "(" not in name or "alignas" in name:
                    return "value" if token == "enum" else "scope"
        if "=" in head and "operator" not in head:
            return "function" if head[head.index("=") + 1 :][:1] == ["["] else "value"
        return "function" if "(" in head else "value"

    def goes_on(self, at, head):
        """Whether the braces that ended before `at` were a member's initialiser in a constructor's
        list, not the body: another initialiser or the body follows."""
        return ":" in head and self.text(at) in ("{", ",")

    def after_group(self, at):
        """Past the bracket that closes the one at `at`; brackets within are matched too."""
        expected = []
        for i in range(at, len(self.tokens)):
            token, line = self.tokens[i]
            if token in CLOSING:
                expected.append(CLOSING[token])
            elif token in ")]}":
                if not expected or expected.pop() != token:
                    raise Unbalanced(line)
                if not expected:
                    return i + 1
        raise Unbalanced(self.tokens[at][1])

    def after_angles(self, at):
        depth = 0
        while at < len(self.tokens):
            token = self.text(at)
            if token in CLOSING:
                at = self.after_group(at)
                continue
            depth += {"<": 1, ">": -1}.get(token, 0)
            at += 1
            if depth == 0:
                return at
        raise Unbalanced(self.tokens[-1][1])

    def after_constraint(self, at, head):
        """Past a requires-expression with its braces, or past the parenthesis of a clause."""
        is_expression = head[-1:] and head[-1] in ("=", "&", "|", "!", "requires")
        if head[-2:] == ["const", "&"] or head[-3:] == ["const", "&", "&"]:
            is_expression = False  # the clause of a member function for const values
        at += 1
        if self.text(at) == "(":
            at = self.after_group(at)
        return self.after_group(at) if is_expression and self.text(at) == "{" else at


# -------------------------------------------------------------------------------------------------

CHECKS = [check_layers, check_includes, check_umbrella, check_tests, check_lengths]


def breaches(root):
    tree = headers.Tree(root)
    return [breach for check in CHECKS for breach in check(tree)]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    found = breaches(root)
    print(*found, sep="\n", end="\n" if found else "")
    lengths = [text.count("\n") for text in headers.Tree(root).text.values()]
    print(f"check_tree: {len(lengths)} headers, median {statistics.median(lengths):.0f} lines, "
          f"{len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
