"""The headers of include/persist as the tools see them: their includes, and their code without
comments and strings."""

import pathlib
import re
from dataclasses import dataclass

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|endif)\b")
NOT_CODE = re.compile(
    r'R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"'  # raw strings
    r"|//(?:\\\n|[^\n])*"
    r"|/\*.*?\*/"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",  # characters, not the ' within a number
    re.DOTALL,
)


@dataclass(frozen=True)
class Include:
    line: int  # counted from 1
    name: str  # as written between the brackets
    conditional: bool  # stands inside #if … #endif

    @property
    def own(self):
        return self.name.startswith("persist/")


def blank_out(text, keep_strings=False):
    """The text with comments (and strings) taken out; every line stays where it was."""

    def blank(match):
        found = match.group()
        if not found.startswith("/"):
            return found if keep_strings else '""' + "\n" * found.count("\n")
        return " " + "\n" * found.count("\n")

    return NOT_CODE.sub(blank, text)


def includes(text):
    found, depth = [], 0
    for number, line in enumerate(blank_out(text, keep_strings=True).splitlines(), 1):
        condition = CONDITION.match(line)
        if condition:
            depth += -1 if condition[1] == "endif" else 1
        include = INCLUDE.match(line)
        if include:
            found.append(Include(number, include[2], depth > 0))
    return found


class Tree:
    """All headers below root/include/persist, by their path below it ("backend/file.hpp")."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        base = self.root / "include" / "persist"
        self.text = {
            path.relative_to(base).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(base.rglob("*.hpp"))
        }
        self.includes = {name: includes(text) for name, text in self.text.items()}
        listed = self.root / "tools" / "adapters.txt"
        lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
        self.adapters = {line.strip() for line in lines if line.strip() and line[0] != "#"}
        folders = tuple(name.removesuffix(".hpp") + "/" for name in self.adapters)
        self.adapter_parts = {name for name in self.text if name.startswith(folders)}

    def own_includes(self, name):
        return [i.name.removeprefix("persist/") for i in self.includes[name] if i.own]

    def reached_from(self, name):
        """The header and all own headers that it includes, directly or through others."""
        seen, waiting = set(), [name]
        while waiting:
            header = waiting.pop()
            if header in self.text and header not in seen:
                seen.add(header)
                waiting += self.own_includes(header)
        return seen
