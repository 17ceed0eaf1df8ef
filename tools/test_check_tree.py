"""Each rule of check_tree.py finds the breach it is there for, and nothing in a good tree."""

import pathlib
import tempfile
import unittest

import check_tree

PRAGMA = "#pragma once\n"
GOOD = {
    "tools/adapters.txt": "# words\nbackend/redis.hpp\n",
    "include/persist/persist.hpp": PRAGMA + "#include <persist/codec/cbor.hpp>\n"
    "#include <persist/error.hpp>\n#include <persist/result.hpp>\n"
    "#include <persist/store/store.hpp>\n",
    "include/persist/result.hpp": PRAGMA + "#include <persist/error.hpp>\n",
    "include/persist/error.hpp": PRAGMA,
    "include/persist/schema/hana.hpp": PRAGMA + "#if X\n#include <boost/hana/accessors.hpp>\n#endif\n",
    "include/persist/codec/cbor.hpp": PRAGMA + "#include <persist/schema/hana.hpp>\n",
    "include/persist/store/store.hpp": PRAGMA + "#include <persist/result.hpp>\n",
    "include/persist/backend/redis.hpp": PRAGMA + "#include <persist/result.hpp>\n",
    "test/result.cpp": "#include <persist/result.hpp>\n",
    "test/error.cpp": "#include <persist/error.hpp>\n",
    "test/schema/hana.cpp": "#include <persist/schema/hana.hpp>\n",
    "test/codec/cbor.cpp": "#include <gtest/gtest.h>\n#include <persist/codec/cbor.hpp>\n",
    "test/store/store.cpp": "#include <persist/store/store.hpp>\n",
    "test/backend/redis.cpp": "#include <persist/backend/redis.hpp>\n",
}


class Rules(unittest.TestCase):
    def breaches(self, changes):
        with tempfile.TemporaryDirectory() as root:
            for name, text in (GOOD | changes).items():
                if text is not None:
                    path = pathlib.Path(root) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text, encoding="utf-8")
            return check_tree.breaches(root)

    def finds(self, words, changes):
        found = self.breaches(changes)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_a_good_tree_has_no_breach(self):
        self.assertEqual(self.breaches({}), [])

    def test_a_lower_layer_must_not_include_a_higher_one(self):
        self.finds("result.hpp:2: `result` must not include <persist/store/store.hpp>", {
            "include/persist/result.hpp": PRAGMA + "#include <persist/store/store.hpp>\n"})

    def test_an_axis_must_not_include_another(self):
        self.finds("`schema` must not include <persist/codec/cbor.hpp>", {
            "include/persist/schema/more.hpp": PRAGMA + "#include <persist/codec/cbor.hpp>\n",
            "include/persist/persist.hpp": GOOD["include/persist/persist.hpp"]
            + "#include <persist/schema/more.hpp>\n",
            "test/schema/more.cpp": "#include <persist/schema/more.hpp>\n"})

    def test_what_stands_beside_a_layer_belongs_to_it(self):
        self.assertEqual(self.breaches({
            "include/persist/session_ref.hpp": PRAGMA + "#include <persist/lock/lease.hpp>\n",
            "include/persist/lock/lease.hpp": PRAGMA + "#include <persist/access/shared.hpp>\n",
            "include/persist/access/shared.hpp": PRAGMA,
            "include/persist/persist.hpp": GOOD["include/persist/persist.hpp"]
            + "#include <persist/session_ref.hpp>\n",
            "test/session_ref.cpp": "#include <persist/session_ref.hpp>\n",
            "test/lock/lease.cpp": "#include <persist/lock/lease.hpp>\n",
            "test/access/shared.cpp": "#include <persist/access/shared.hpp>\n"}), [])

    def test_a_part_outside_the_layers_is_named(self):
        found = self.breaches({"include/persist/odd/x.hpp": PRAGMA})
        self.assertTrue(any("`odd` belongs to no layer" in breach for breach in found), found)

    def test_the_umbrella_reaches_every_public_header(self):
        self.finds("include/persist/log.hpp:1: persist.hpp does not reach it", {
            "include/persist/log.hpp": PRAGMA, "test/log.cpp": "#include <persist/log.hpp>\n"})

    def test_the_umbrella_need_not_reach_details(self):
        self.assertEqual(self.breaches({
            "include/persist/detail/x.hpp": PRAGMA,
            "test/detail/x.cpp": "#include <persist/detail/x.hpp>\n"}), [])

    def test_the_umbrella_leaves_adapters_and_testing_out(self):
        for name in ("backend/redis.hpp", "backend/redis/part.hpp", "testing/clock.hpp"):
            self.finds("must leave it out", {
                f"include/persist/{name}": PRAGMA,
                f"test/{name.replace('hpp', 'cpp')}": f"#include <persist/{name}>\n",
                "include/persist/persist.hpp": GOOD["include/persist/persist.hpp"]
                + f"#include <persist/{name}>\n"})

    def test_a_header_without_its_test_is_named(self):
        self.finds("there is no test/store/store.cpp", {"test/store/store.cpp": None})

    def test_a_test_includes_its_header_first(self):
        self.finds("test/store/store.cpp:1: its first own include is not", {
            "test/store/store.cpp": "#include <persist/error.hpp>\n"
            "#include <persist/store/store.hpp>\n"})

    def test_a_part_of_a_large_header_is_covered_by_the_test_of_the_whole(self):
        self.assertEqual(self.breaches({
            "include/persist/store/store/due.hpp": PRAGMA,
            "include/persist/store/store.hpp": PRAGMA + "#include <persist/store/store/due.hpp>\n"}), [])

    def test_a_header_has_at_most_400_lines(self):
        self.assertEqual(self.breaches({"include/persist/error.hpp": PRAGMA + "\n" * 399}), [])
        self.finds("the header has 401 lines", {
            "include/persist/error.hpp": PRAGMA + "\n" * 400})

    def test_only_schema_includes_boost(self):
        self.finds("only schema/ includes Boost", {
            "include/persist/error.hpp": PRAGMA + "#include <boost/hana.hpp>\n"})

    def test_boost_is_included_inside_a_condition(self):
        self.finds("Boost may be absent", {
            "include/persist/schema/hana.hpp": PRAGMA + "#include <boost/hana.hpp>\n"})

    def test_every_header_has_pragma_once(self):
        self.finds("no `#pragma once`", {"include/persist/error.hpp": "// #pragma once\n"})

    def test_own_headers_are_included_unconditionally(self):
        self.finds("own headers are included unconditionally", {
            "include/persist/result.hpp": PRAGMA + "#ifdef X\n#include <persist/error.hpp>\n#endif\n"})

    def test_an_include_of_nothing_is_named(self):
        self.finds("there is no <persist/bytes.hpp>", {
            "include/persist/result.hpp": PRAGMA + "#include <persist/bytes.hpp>\n"})

    def test_a_function_has_at_most_60_lines(self):
        body = "namespace a {\ninline int f() {\n" + "  g();\n" * 58 + "}\n}\n"
        self.assertEqual(self.breaches({"include/persist/error.hpp": PRAGMA + body}), [])
        longer = body.replace("  g();\n", "  g();\n\n", 1)
        self.finds("error.hpp:3: the function has 61 lines", {
            "include/persist/error.hpp": PRAGMA + longer})

    def test_a_brace_too_many_is_named(self):
        self.finds("cannot follow the braces", {
            "include/persist/error.hpp": PRAGMA + "namespace a {\n}}\n"})


class Functions(unittest.TestCase):
    """What counts as a function, each with its first and last line."""

    def check(self, text, *expected):
        self.assertEqual(check_tree.functions(text), list(expected))

    def test_free_and_member_functions(self):
        self.check("int f(int a = g({1})) {\n}\nstruct A final {\n  int h() const noexcept {\n  }\n};\n",
                   (1, 2), (4, 5))

    def test_the_signature_belongs_to_the_function(self):
        self.check("template <class T>\n  requires foo<T>\nauto f(T t)\n    -> T {\n}\n", (1, 5))

    def test_a_nested_lambda_belongs_to_its_function(self):
        self.check("void f() {\n  auto g = [] {\n  };\n}\n", (1, 4))

    def test_a_lambda_at_namespace_level(self):
        self.check("inline constexpr auto f = [](int x) {\n};\n", (1, 2))

    def test_constructors_with_braced_members(self):
        self.check("struct A {\n  A() : a_{1}, b_(2) {\n  }\n  A(int) : a_{\n1} {}\n};\n",
                   (2, 3), (4, 5))

    def test_types_tables_and_enums_are_no_functions(self):
        self.check("enum class E : int {\n a,\n};\nconstexpr int t[] = {\n1,\n};\n"
                   "struct B : C<sizeof(int)> {\n};\nstruct alignas(64) D {\n};\nint x{\n};\n")

    def test_constraints_are_no_functions(self):
        self.check("template <class T>\nconcept c = requires(T t) {\n t.f();\n} && requires { 1; };\n"
                   "template <class T>\n  requires(sizeof(T) > 1)\nstruct A {\n"
                   "  void f() requires requires(T t) { t.g(); } {\n  }\n};\n", (8, 9))
        self.check("struct A {\n  void f() const&&\n    requires(X)\n  = delete;\n"
                   "  void g() const&\n    requires(X)\n  {\n  }\n};\n", (5, 8))

    def test_operators(self):
        self.check("A& A::operator=(const A&) {\n}\nbool operator==(A, B) {\n}\n", (1, 2), (3, 4))

    def test_braces_in_strings_comments_and_macros_do_not_count(self):
        self.check("void f() {\n  g(\"}\", 1'0, '}', R\"x(}\n)x\", 1'000'000);  // }\n  /* } */\n}\n"
                   "#define M(x) { \\\n  x\nint g() {\n}\n", (1, 5), (8, 9))


if __name__ == "__main__":
    unittest.main()
