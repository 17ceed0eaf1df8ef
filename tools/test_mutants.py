"""The list of mutants and the page of the promises say what is there; the tool finds what is not."""

import pathlib
import re
import tempfile
import unittest

import mutants

PROMISES = mutants.ROOT / "doc/promises.md"


def sections():
    """What the page says of each promise: by number, its three lists."""
    text = PROMISES.read_text(encoding="utf-8")
    parts = re.split(r"^## (\d+)\. .*$", text, flags=re.MULTILINE)[1:]
    found = {}
    for number, body in zip(parts[::2], parts[1::2]):
        lists = re.findall(r"^\* (Code|Tests|Mutants): (.*?)(?=^\* |\Z)", body,
                           flags=re.MULTILINE | re.DOTALL)
        found[int(number)] = {name: re.findall(r"`([^`]+)`", words) for name, words in lists}
    return found


def files(words):
    return [word for word in words if re.fullmatch(r"[\w/]+\.(hpp|cpp)", word)]


class Page(unittest.TestCase):
    def test_each_promise_has_code_tests_and_mutants(self):
        found = sections()
        self.assertEqual(sorted(found), list(range(1, 11)))
        for number, lists in found.items():
            self.assertEqual(sorted(lists), ["Code", "Mutants", "Tests"], number)
            self.assertTrue(files(lists["Code"]) and files(lists["Tests"]), number)
            self.assertTrue(lists["Mutants"], number)

    def test_each_file_that_it_names_exists(self):
        include, test = mutants.ROOT / "include/persist", mutants.ROOT / "test"
        for number, lists in sections().items():
            for name in files(lists["Code"] + lists["Tests"]):
                place = include / name if name.endswith(".hpp") else test / name
                self.assertTrue(place.is_file(), f"promise {number} names {name}")

    def test_each_function_that_it_names_is_in_a_file_beside_it(self):
        for number, lists in sections().items():
            texts = [(mutants.ROOT / "include/persist" / name).read_text(encoding="utf-8")
                     for name in files(lists["Code"]) if name.endswith(".hpp")]
            for word in lists["Code"]:
                if re.fullmatch(r"\w+", word):
                    self.assertTrue(any(re.search(rf"\b{word}\b", text) for text in texts),
                                    f"promise {number} names {word}")

    def test_it_names_each_mutant_under_its_promise(self):
        listed = {name: mutant.promise for name, mutant in mutants.read_list().items()}
        named = {name: number for number, lists in sections().items() for name in lists["Mutants"]}
        self.assertEqual(named, listed)


class Mutants(unittest.TestCase):
    def test_each_has_its_text_once_and_names_tests_that_are_there(self):
        self.assertEqual(mutants.stale(mutants.read_list().values()), [])

    def stale(self, header, **changes):
        told = {"name": "m", "promise": 1, "file": "a.hpp", "find": "line", "put": "",
                "red": ("simulate 5",)} | changes
        with tempfile.TemporaryDirectory() as root:
            path = pathlib.Path(root) / "include/persist/a.hpp"
            path.parent.mkdir(parents=True)
            path.write_text(header, encoding="utf-8")
            return mutants.stale([mutants.Mutant(**told)], root)

    def test_a_text_that_is_not_there_once_is_said(self):
        self.assertEqual(self.stale("a line\n"), [])
        for header, count in (("nothing", 0), ("line line", 2)):
            found = self.stale(header)
            self.assertEqual(len(found), 1)
            self.assertIn(f"{count} times, and must be there once", found[0])

    def test_one_that_changes_nothing_or_names_what_is_not_there_is_said(self):
        self.assertIn("it changes nothing", self.stale("line", put="line")[0])
        self.assertIn("there is no header b.hpp", self.stale("line", file="b.hpp")[0])
        self.assertIn("there is no test/x.cpp", self.stale("line", red=("test/x.cpp",))[0])

    def test_a_list_that_is_not_as_its_head_says_is_refused(self):
        for text in ("[m]\npromise = 1\n", '[m]\npromise = 1\nfile = "a"\nfind = "b"\nred = []\n'):
            with tempfile.TemporaryDirectory() as root:
                path = pathlib.Path(root) / mutants.LIST
                path.parent.mkdir(parents=True)
                path.write_text(text, encoding="utf-8")
                with self.assertRaises(mutants.Wrong):
                    mutants.read_list(root)


class Targets(unittest.TestCase):
    def test_evenings_are_told_from_test_files(self):
        self.assertEqual(mutants.evenings("simulate 200"), 200)
        self.assertIsNone(mutants.evenings("test/record/head.cpp"))


if __name__ == "__main__":
    unittest.main()
