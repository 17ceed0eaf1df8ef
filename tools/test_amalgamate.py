"""The single header holds each header once, in an order that compiles, and nothing of it by chance."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import amalgamate

TREE = {
    "persist.hpp": "#pragma once\n\n#include <persist/b.hpp>\n#include <persist/a.hpp>\n",
    "a.hpp": "#pragma once\n\n#include <string>\n#include <cstdint>\n\nint a;  // first\n",
    "b.hpp": "#pragma once\n\n#include <persist/a.hpp>\n\n#include <cstdint>\n\n#if X\n"
    "#include <boost/hana/accessors.hpp>\n#endif\n\nint b;\n",
    "testing/t.hpp": "#pragma once\n\n#include <persist/b.hpp>\n#include <vector>\n\nint t;\n",
    "observe/o.hpp": "#pragma once\n\n#include <persist/testing/t.hpp>\n\nint o;\n",
    "backend/redis.hpp": "#pragma once\n\nint redis;\n",
}


class Amalgamate(unittest.TestCase):
    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.root = pathlib.Path(held.name)
        for name, text in TREE.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.root / "include/persist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run_it(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            status = amalgamate.main(["--root", str(self.root), *arguments])
        return status, said.getvalue()

    def made(self, name):
        return (self.root / "single_include/persist" / name).read_text(encoding="utf-8")

    def test_each_header_is_there_once_after_what_it_needs(self):
        self.run_it()
        text = self.made("persist.hpp")
        self.assertEqual([text.count(f"int {name};") for name in "ab"], [1, 1])
        self.assertLess(text.index("int a;"), text.index("int b;"))
        self.assertEqual(text.count("#pragma once"), 1)
        self.assertNotIn("<persist/", text)

    def test_includes_of_others_are_sorted_once_at_the_top(self):
        self.run_it()
        text = self.made("persist.hpp")
        self.assertIn("\n#include <cstdint>\n#include <string>\n\nint a;", text)
        self.assertEqual(text.count("<cstdint>"), 1)

    def test_a_conditional_include_stays_where_it_stands(self):
        self.run_it()
        self.assertIn("#if X\n#include <boost/hana/accessors.hpp>\n#endif\n\nint b;",
                      self.made("persist.hpp"))

    def test_testing_stands_on_the_core_and_does_not_repeat_it(self):
        self.run_it()
        text = self.made("testing.hpp")
        self.assertIn('#include "persist.hpp"\n\n#include <vector>\n\nint t;\n\nint o;\n', text)
        self.assertNotIn("int a;", text)

    def test_adapters_are_in_neither(self):
        self.run_it()
        self.assertNotIn("redis", self.made("persist.hpp") + self.made("testing.hpp"))

    def test_an_adapter_stands_on_the_core_under_its_own_name(self):
        self.write("backend/redis.hpp",
                   "#pragma once\n\n#include <persist/a.hpp>\n#include <redis.h>\n\nint redis;\n")
        (self.root / "tools").mkdir()
        (self.root / "tools/adapters.txt").write_text("# words\nbackend/redis.hpp\n")
        self.run_it()
        text = self.made("backend/redis.hpp")
        self.assertIn('#include "../persist.hpp"\n\n#include <redis.h>\n\nint redis;\n', text)
        self.assertNotIn("int a;", text)

    def test_the_parts_of_an_adapter_are_in_it_and_nowhere_else(self):
        self.write("backend/redis.hpp",
                   "#pragma once\n\n#include <persist/backend/redis/part.hpp>\n\nint redis;\n")
        self.write("backend/redis/part.hpp", "#pragma once\n\n#include <redis.h>\n\nint part;\n")
        (self.root / "tools").mkdir()
        (self.root / "tools/adapters.txt").write_text("backend/redis.hpp\n")
        self.run_it()
        self.assertIn("#include <redis.h>\n\nint part;\n\nint redis;\n",
                      self.made("backend/redis.hpp"))
        self.assertFalse((self.root / "single_include/persist/backend/redis").exists())

    def test_what_two_adapters_need_is_in_the_core_because_both_may_be_included(self):
        for name in ("redis", "postgres"):
            self.write(f"backend/{name}.hpp",
                       f"#pragma once\n\n#include <persist/shared.hpp>\n\nint {name};\n")
        self.write("shared.hpp", "#pragma once\n\nint shared;\n")
        (self.root / "tools").mkdir()
        (self.root / "tools/adapters.txt").write_text("backend/redis.hpp\nbackend/postgres.hpp\n")
        self.run_it()
        self.assertEqual(self.made("persist.hpp").count("int shared;"), 1)
        for name in ("redis", "postgres"):
            self.assertNotIn("int shared;", self.made(f"backend/{name}.hpp"))

    def test_it_writes_the_same_again(self):
        self.run_it()
        once = self.made("persist.hpp"), self.made("testing.hpp")
        self.run_it()
        self.assertEqual(once, (self.made("persist.hpp"), self.made("testing.hpp")))

    def test_check_finds_what_is_missing_or_stale_and_changes_nothing(self):
        self.assertEqual(self.run_it("--check")[0], 1)
        self.assertFalse((self.root / "single_include").exists())
        self.run_it()
        self.assertEqual(self.run_it("--check"), (0, ""))
        self.write("testing/t.hpp", TREE["testing/t.hpp"] + "int more;\n")
        status, said = self.run_it("--check")
        self.assertEqual(status, 1)
        self.assertIn("single_include/persist/testing.hpp is not what the headers say", said)
        self.assertNotIn("more", self.made("testing.hpp"))

    def test_headers_that_include_each_other_end(self):
        self.write("a.hpp", "#pragma once\n\n#include <persist/b.hpp>\n\nint a;\n")
        self.run_it()
        self.assertEqual(self.made("persist.hpp").count("int a;"), 1)

    def test_an_own_header_under_a_condition_is_refused(self):
        self.write("b.hpp", "#ifdef X\n#include <persist/a.hpp>\n#endif\n")
        with self.assertRaisesRegex(SystemExit, "b.hpp:2: .* conditionally"):
            self.run_it()

    def test_an_include_of_nothing_is_refused(self):
        self.write("b.hpp", "#include <persist/none.hpp>\n")
        with self.assertRaisesRegex(SystemExit, "no include/persist/none.hpp"):
            self.run_it()

    def test_the_forwarding_tree_has_a_line_for_each_header_but_the_two(self):
        there = self.root / "forward"
        (there / "persist").mkdir(parents=True)
        (there / "persist/gone.hpp").write_text("")
        self.run_it("--forward", str(there))
        found = {path.relative_to(there / "persist").as_posix(): path.read_text(encoding="utf-8")
                 for path in there.rglob("*.hpp")}
        core, testing = (f"#pragma once\n#include <persist/{name}.hpp>\n"
                         for name in ("persist", "testing"))
        self.assertEqual(found, {"a.hpp": core, "b.hpp": core,
                                 "testing/t.hpp": testing, "observe/o.hpp": testing})


if __name__ == "__main__":
    unittest.main()
