# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The evaluator of Rego: what each expression means, and what is refused. The meanings are those of
Rego's own engines."""

import unittest

import rego

INPUT = {"pcr": {"4": "aa", "11": "bb"}, "list": ["x", "y"], "no": False, "zero": 0, "text": "xyz",
         "submods": {"cpu0": {"ear.status": "affirming"}, "gpu0": {"ear.status": "affirming"}},
         "some": [{"a": 1}, {"b": 2}], "nothing": None}
REFERENCES = {"pcr": ["aa", "cc"], "single": "aa", "empty": []}

# Body of a rule, and whether it holds.
BODIES = (
    ('input.pcr["4"] == "aa"', True),
    ('input.pcr["4"] == "bb"', False),
    ('input.pcr["4"] != "bb"', True),
    ('input.pcr["5"] == "aa"', False),
    ('input.pcr["5"] != "aa"', False),
    ("input.no", False),
    ("not input.no", True),
    ("input.no == false", True),
    ("input.zero", True),
    ("input.zero == false", False),
    ("not input.zero", False),
    ("input.nothing", True),
    ("input.nothing == null", True),
    ("input.missing == null", False),
    ("not input.missing", True),
    ("not input.missing.deeper", True),
    ("input.text.x", False),
    ("input.zero == 0.0", True),
    ("input.list[0] == \"x\"", True),
    ("input.list[2]", False),
    ("input.list == [\"x\", \"y\"]", True),
    ("input.list == [\"y\", \"x\"]", False),
    ("input.pcr == {\"11\": \"bb\", \"4\": \"aa\"}", True),
    ("[input.missing] == [input.missing]", False),
    ("[] == []", True),
    ("{} == {}", True),
    ("input.pcr[\"4\"] in [\"aa\", \"bb\",]", True),
    ("input.pcr[\"4\"] in {\"k\": \"aa\"}", True),
    ("input.pcr[\"4\"] in \"aaa\"", False),
    ("input.missing in [\"aa\"]", False),
    ("\"x\" in input.nothing", False),
    ("\"x\" in input.missing", False),
    ("count(input.list) == 2", True),
    ("count(input.submods) > 1", True),
    ("count(input.text) >= 3", True),
    ("count(input.missing) == 0", False),
    ("input.zero < 1", True),
    ("input.text <= \"xyz\"", True),
    ("input.text < \"xyz\"", False),
    ("every s in input.submods { s[\"ear.status\"] == \"affirming\" }", True),
    ("every s in input.submods { s[\"ear.status\"] == \"warning\" }", False),
    ("every s in input.submods { s.missing == \"affirming\" }", False),
    ("every s in input.missing { s == 1 }", False),
    ("every s in {} { s == 1 }", True),
    ("every k, v in input.list { k < 2; v in [\"x\", \"y\"] }", True),
    ("every k, _ in input.list { k < 1 }", False),
    ("some s in input.list; s == \"y\"", True),
    ("some s in input.list; s == \"z\"", False),
    ("some s in input.list; some t in input.list; s == \"x\"; t == \"y\"", True),
    ("some k, v in input.pcr; k == \"11\"; v == \"bb\"", True),
    ("some k, v in input.pcr; k == \"11\"; v == \"aa\"", False),
    ("some _, s in input.submods; s[\"ear.status\"] == \"affirming\"", True),
    ("some s in input.missing; s == 1", False),
    ("x := input.pcr; x[\"4\"] == \"aa\"", True),
    ("x := input.missing; true", False),
    ("x := \"4\"; input.pcr[x] == \"aa\"", True),
    ("name := \"x\"; name in input.list\n\tinput.zero == 0", True),
    ("input.pcr[\"4\"] in query_reference_value(\"pcr\")", True),
    ("input.pcr[\"11\"] in query_reference_value(\"pcr\")", False),
    ("input.pcr[\"4\"] in query_reference_value(\"single\")", False),
    ("input.pcr[\"4\"] == query_reference_value(\"single\")", True),
    ("input.pcr[\"4\"] in query_reference_value(\"empty\")", False),
    ("input.pcr[\"4\"] in query_reference_value(\"unset\")", False),
    ("data.plugin == \"resource\"; data[\"resource-path\"] == [\"a\", \"b\"]", True),
    ("data.plugin == \"provisioner\"", False),
    ("data.missing", False),
)
DATA = {"plugin": "resource", "resource-path": ["a", "b"]}

# Whole policies, and the value of rule "a"; None: it is undefined.
POLICIES = (
    ("default a := false\na if input.list", True),
    ("default a := false\na if input.missing", False),
    ("default a = \"x\"\n", "x"),
    ("a if input.missing", None),
    ("a := 1", 1),
    ("a = 1", 1),
    ("a := input.pcr", {"4": "aa", "11": "bb"}),
    ("a := [1, input.missing]", None),
    ("a := 1 if input.missing\na := 2 if input.list", 2),
    ("a := 3 if input.list\na := 3 if input.pcr", 3),
    ("a := b.x\nb := {\"x\": c}\nc := \"v\"", "v"),
    ("a := {\"x\": b}\nb := 1 if input.missing", None),
    ("default b := 7\na := {\"x\": b}\nb := 1 if input.missing", {"x": 7}),
    ("a if {\n\t# a comment\n\tnot b\n}\nb if {\n\tinput.missing\n}\n", True),
    ("a := x if {\n\tx := input.list[1]\n}\n", "y"),
    ("a if { some x in input.list; x == b }\nb := \"y\"", True),
)

# What Rego allows, or not, and this evaluator refuses when it reads it.
REFUSED = (
    ("a := ", "a term belongs"), ("a if {}", "empty body"), ("a if { }", "empty body"),
    ("a { input.x }", ":= or if"), ("a[x] if input.x", ":= or if"), ("a contains 1 if true", "if"),
    ("a if input.x[_]", "a term belongs"), ("a if input.x[i]", "i is not known"),
    ("a if y", "y is not known"), ("a := {1, 2}", "':' belongs"),
    ("a := [x | x := 1]", "is not known"), ("a if lower(input.x)", "lower is not known"),
    ("a if count(1, 2)", "one argument"), ("a if input.x + 1 == 2", "is not known"),
    ("a := 1 else := 2", "a line ends"), ("a if input.x with input as {}", "a line ends"),
    ("f(x) := x", ":= or if"), ("a if b\nb if a", "needs itself"), ("a if a", "needs itself"),
    ("import data.x\na := 1", "only rego.v1"), ("a := 1\nimport rego.v1", "only rego.v1"),
    ("default a := input.x", "no plain value"), ("default a := 1\ndefault a := 2", "two defaults"),
    ("input := 1", "no names of rules"), ("a if { x := 1; x := 2 }", "x is taken"),
    ("a if { some a in input.x }", "a is taken"), ("a if { not x := 1 }", "an expression ends"),
    ("a if { 1 == 1 == 1 }", "an expression ends"), ("a := 1 b := 2", "a line ends"),
    ("a := \"\\q\"", "not a string"), ("a := \"x", "is not known"), ("a := 'x'", "is not known"),
    ("a if x.y\n", "x is not known"), ("a if { some x }", "'in' belongs"),
    ("a if { every x in input.y }", "'{' belongs"), ("a if not not input.x", "a term belongs"),
    ("a if not input.x in [1]", "a reference only"), ("a if not input.x == 1", "a reference only"),
    ("a if not count(input.x)", "a reference only"), ("a := `raw`", "is not known"),
    ("a if input.null", "a name belongs"), ("a if input.some", "a name belongs"),
    ("a := 01", "a line ends"),
)
HEAD = "package policy\n\nimport rego.v1\n\n"


class Meaning(unittest.TestCase):
    def value(self, text, references=REFERENCES):
        value = rego.Policy(HEAD + text).query("a", INPUT, DATA, references)
        return None if value is rego.UNDEFINED else value

    def test_bodies(self):
        for body, holds in BODIES:
            with self.subTest(body):
                self.assertIs(self.value(f"a if {{\n\t{body}\n}}"), holds or None)

    def test_policies(self):
        for text, value in POLICIES:
            with self.subTest(text):
                self.assertEqual(self.value(text), value)

    def test_refused(self):
        for text, sentence in REFUSED:
            with self.subTest(text), self.assertRaisesRegex(rego.RegoError, sentence):
                rego.Policy(HEAD + text)
        for text in ("", "a := 1", "package", "package a.b\n", "package policy\na := 1;;b := ]"):
            with self.subTest(text), self.assertRaises(rego.RegoError):
                rego.Policy(text)

    def test_conflict(self):
        """Two values at once are no value."""
        for text in ("a := 1\na := 2", "a := true if input.list\na := 1 if input.list",
                     "a := x if some x in input.list"):
            with self.subTest(text), self.assertRaisesRegex(rego.RegoError, "two values"):
                self.value(text)

    def test_kinds(self):
        for text in ("a if input.list < 1", "a if input.no < true", "a if count(input.zero) == 1",
                     "a if query_reference_value(1)", "a := {\"x\": 1, \"x\": 2}"):
            with self.subTest(text), self.assertRaises(rego.RegoError):
                self.value(text)

    def test_no_references(self):
        with self.assertRaisesRegex(rego.RegoError, "no reference values"):
            self.value("a if \"aa\" in query_reference_value(\"pcr\")", None)

    def test_no_such_rule(self):
        with self.assertRaisesRegex(rego.RegoError, "no rule a"):
            self.value("b := 1")


if __name__ == "__main__":
    unittest.main()
