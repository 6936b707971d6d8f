# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""An evaluator of the part of Rego (version 1 syntax) that policies for Trustee need, and of no
more: whatever it does not know is refused when the policy is read, so it never guesses.

Known: one package; import rego.v1; default; complete rules, several with one name too, with bodies;
:=, ==, !=, <, <=, >, >=, in, some ... in, every ... in; not before a reference; references with
dots and brackets; strings, numbers, true, false, null, arrays, objects; count() and
query_reference_value().
Meanings: Rego's (Policy Reference of the Open Policy Agent): what is missing makes an expression
undefined, and a body holds when each of its expressions is defined and not false."""

import json
import re


class RegoError(ValueError):
    """A policy that this evaluator does not take, or that contradicts itself."""


class Undefined:
    def __repr__(self):
        return "undefined"

    def __bool__(self):
        raise TypeError("undefined is neither true nor false")


UNDEFINED = Undefined()
TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+|\#[^\n]*) | (?P<newline>\n) |
    (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?) |
    (?P<name>[A-Za-z_][A-Za-z0-9_]*) | (?P<mark>:=|==|!=|<=|>=|[=<>\[\]{}(),.:;])""", re.VERBOSE)
KEYWORDS = {"as", "contains", "default", "else", "every", "false", "if", "import", "in", "not",
            "null", "package", "some", "true", "with"}
CONSTANTS = {"true": True, "false": False, "null": None}
FUNCTIONS = {"count", "query_reference_value"}
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")


def same(one, other):
    """Equality of JSON values; true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other


def ordered(operator, one, other):
    """<, <=, >, >=; Rego orders values of different kinds too, which no policy should need."""
    for kind in ((int, float), str):
        if isinstance(one, kind) and isinstance(other, kind) \
                and not isinstance(one, bool) and not isinstance(other, bool):
            return {"<": one < other, "<=": one <= other,
                    ">": one > other, ">=": one >= other}[operator]
    raise RegoError(f"{one!r} {operator} {other!r} compares different kinds")


def elements(value):
    """(key, element) of a collection; nothing of anything else."""
    if isinstance(value, list):
        return list(enumerate(value))
    return list(value.items()) if isinstance(value, dict) else []


def select(value, key):
    """value[key]"""
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key, UNDEFINED)
    if isinstance(value, list) and type(key) is int and 0 <= key < len(value):
        return value[key]
    return UNDEFINED


class Parser:
    """A policy's rules as trees: ("kind", ...). Each method reads what its name says."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise RegoError(f"line {text.count(chr(10), 0, at) + 1}: "
                                f"{text[at:at + 20]!r} is not known")
            if found.lastgroup != "space":
                self.tokens.append((found.lastgroup, found.group()))
            at = found.end()
        self.at, self.names = 0, set()

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self):
        found = self.peek()
        self.at += 1
        return found

    def take(self, text):
        """Is @text next? Then step over it."""
        if self.peek()[1] != text or self.peek()[0] == "string":
            return False
        self.at += 1
        return True

    def need(self, text):
        if not self.take(text):
            raise RegoError(f"{self.peek()[1]!r} where {text!r} belongs")

    def lines(self):
        """Step over ends of lines; were there any?"""
        start = self.at
        while self.peek()[0] == "newline" or self.take(";"):
            self.at += self.peek()[0] == "newline"
        return self.at > start

    def name(self):
        kind, text = self.next()
        if kind != "name" or text in KEYWORDS:
            raise RegoError(f"{text!r} where a name belongs")
        return text

    def module(self):
        self.lines()
        self.need("package")
        package, rules, defaults = self.name(), [], {}
        while self.peek()[0] != "end":
            if not self.lines():
                raise RegoError(f"{self.peek()[1]!r} where a line ends")
            if self.peek()[0] == "end":
                break
            if self.take("import"):
                if rules or defaults or [self.next()[1] for _ in range(3)] != ["rego", ".", "v1"]:
                    raise RegoError("only rego.v1 is imported, and at the top")
            elif self.take("default"):
                self.default(defaults)
            else:
                rules.append(self.rule())
        return package, rules, defaults

    def default(self, defaults):
        name = self.name()
        if not self.take(":="):
            self.need("=")
        if name in defaults:
            raise RegoError(f"{name} has two defaults")
        value = self.scalar(*self.next())
        if value is UNDEFINED:
            raise RegoError(f"the default of {name} is no plain value")
        defaults[name] = value

    def rule(self):
        name, value, body = self.name(), ("value", True), []
        if self.take(":=") or self.take("="):
            value = self.term()
        elif self.peek()[1] != "if":
            raise RegoError(f"rule {name}: {self.peek()[1]!r} where := or if belongs")
        if self.take("if"):
            body = self.body() if self.peek()[1] == "{" else [self.expression()]
        return name, value, body

    def body(self):
        """{ expressions }"""
        self.need("{")
        self.lines()
        found, apart = [], True
        while not self.take("}"):
            if not apart:
                raise RegoError(f"{self.peek()[1]!r} where an expression ends")
            found.append(self.expression())
            apart = self.lines()
        if not found:
            raise RegoError("an empty body")
        return found

    def expression(self):
        if self.take("not"):
            return ("not", self.negated())
        if self.take("some"):
            return ("some", *self.iteration())
        if self.take("every"):
            return ("every", *self.iteration(), self.body())
        kind, text = self.peek()
        if kind == "name" and text not in KEYWORDS \
                and self.tokens[self.at + 1:self.at + 2] == [("mark", ":=")]:
            name = self.name()
            self.need(":=")
            return ("assign", name, self.term())
        return self.plain()

    def negated(self):
        """A reference; what "not" means before more, where a part is undefined, differs from one
        engine of Rego to the other."""
        found = self.plain()
        if found[0] != "reference":
            raise RegoError("not is known before a reference only")
        return found

    def plain(self):
        """A term, or two compared."""
        one = self.term()
        for operator in (*COMPARISONS, "in"):
            if self.take(operator):
                return (operator, one, self.term())
        return one

    def iteration(self):
        """KEY, VALUE in TERM, or VALUE in TERM."""
        key, value = "_", self.name()
        if self.take(","):
            key, value = value, self.name()
        self.need("in")
        return key, value, self.term()

    def scalar(self, kind, text):
        if kind == "string":
            try:
                return json.loads(text)
            except ValueError:
                raise RegoError(f"{text} is not a string") from None
        if kind == "number":
            return json.loads(text)
        return CONSTANTS.get(text, UNDEFINED) if kind == "name" else UNDEFINED

    def term(self):
        kind, text = self.next()
        value = self.scalar(kind, text)
        if value is not UNDEFINED:
            return ("value", value)
        if text == "[":
            return ("array", self.sequence("]", self.term))
        if text == "{":
            return ("object", self.sequence("}", self.member))
        if kind != "name" or text in KEYWORDS or text == "_":
            raise RegoError(f"{text!r} where a term belongs")
        if self.take("("):
            if text not in FUNCTIONS:
                raise RegoError(f"the function {text} is not known")
            arguments = self.sequence(")", self.term)
            if len(arguments) != 1:
                raise RegoError(f"{text} takes one argument")
            return ("call", text, arguments[0])
        return self.reference(text)

    def reference(self, name):
        path = []
        while self.peek()[1] in (".", "[") and self.peek()[0] == "mark":
            if self.next()[1] == ".":
                path.append(("value", self.name()))
            else:
                path.append(self.term())
                self.need("]")
        return ("reference", name, path)

    def member(self):
        name = self.term()
        self.need(":")
        return name, self.term()

    def sequence(self, end, item):
        """Items with commas between, over any number of lines."""
        found = []
        while self.peek()[0] == "newline":
            self.at += 1
        while not self.take(end):
            found.append(item())
            while self.peek()[0] == "newline":
                self.at += 1
            if not self.take(","):
                self.need(end)
                break
            while self.peek()[0] == "newline":
                self.at += 1
        return found


class Checker:
    """Every name is known before it is used, and no rule needs itself."""

    def __init__(self, rules, defaults):
        self.rules = {name for name, _, _ in rules} | set(defaults)
        if self.rules & {"input", "data"}:
            raise RegoError("input and data are no names of rules")
        self.uses = {name: set() for name in self.rules}
        for name, value, body in rules:
            self.user = name
            local = self.body(body, set())
            self.term(value, local)
        for name in self.rules:
            self.circle(name, ())

    def circle(self, name, above):
        if name in above:
            raise RegoError(f"rule {name} needs itself")
        for other in self.uses[name]:
            self.circle(other, (*above, name))

    def body(self, body, outer):
        local = set(outer)
        for expression in body:
            self.expression(expression, local)
        return local

    def declare(self, names, local):
        for name in names:
            if name in local or name in self.rules or name in ("input", "data"):
                raise RegoError(f"the name {name} is taken")
            if name != "_":
                local.add(name)

    def expression(self, expression, local):
        kind, *parts = expression
        if kind == "not":
            self.expression(parts[0], local)
        elif kind == "assign":
            self.term(parts[1], local)
            self.declare(parts[:1], local)
        elif kind in ("some", "every"):
            self.term(parts[2], local)
            inner = local if kind == "some" else set(local)
            self.declare(parts[:2], inner)
            if kind == "every":
                self.body(parts[3], inner)
        elif kind in (*COMPARISONS, "in"):
            self.term(parts[0], local)
            self.term(parts[1], local)
        else:
            self.term(expression, local)

    def term(self, term, local):
        kind, *parts = term
        if kind == "array":
            for item in parts[0]:
                self.term(item, local)
        elif kind == "object":
            for name, value in parts[0]:
                self.term(name, local)
                self.term(value, local)
        elif kind == "call":
            self.term(parts[1], local)
        elif kind == "reference":
            name, path = parts
            if name in self.rules:
                self.uses[self.user].add(name)
            elif name not in local and name not in ("input", "data"):
                raise RegoError(f"the name {name} is not known")
            for item in path:
                self.term(item, local)


class Query:
    """One evaluation; rules are evaluated once each."""

    def __init__(self, policy, documents, references):
        self.policy, self.documents, self.references = policy, documents, references
        self.known = {}

    def rule(self, name):
        if name not in self.known:
            found = [value for head, term, body in self.policy.rules if head == name
                     for local in self.solve(body, {})
                     for value in [self.term(term, local)] if value is not UNDEFINED]
            if any(not same(value, found[0]) for value in found):
                raise RegoError(f"rule {name} has two values")
            self.known[name] = (found or [self.policy.defaults.get(name, UNDEFINED)])[0]
        return self.known[name]

    def solve(self, body, local):
        """The bindings of local names under which all of @body holds."""
        if not body:
            yield local
            return
        for bound in self.expression(body[0], local):
            yield from self.solve(body[1:], bound)

    def expression(self, expression, local):
        kind, *parts = expression
        if kind == "assign":
            value = self.term(parts[1], local)
            return [] if value is UNDEFINED else [{**local, parts[0]: value}]
        if kind in ("some", "every"):
            key, name, collection = parts[:3]
            value = self.term(collection, local)
            choices = [{**local, key: k, name: v} for k, v in elements(value)]
            if kind == "some":
                return choices
            good = isinstance(value, (list, dict)) and all(
                any(True for _ in self.solve(parts[3], choice)) for choice in choices)
            return [local] if good else []
        return [local] if self.holds(expression, local) else []

    def holds(self, expression, local):
        kind, *parts = expression
        if kind == "not":
            return not self.holds(parts[0], local)
        if kind not in (*COMPARISONS, "in"):
            value = self.term(expression, local)
            return value is not UNDEFINED and value is not False
        one, other = (self.term(part, local) for part in parts)
        if one is UNDEFINED or other is UNDEFINED:
            return False
        if kind == "in":
            return any(same(one, item) for _, item in elements(other))
        if kind in ("==", "!="):
            return same(one, other) == (kind == "==")
        return ordered(kind, one, other)

    def term(self, term, local):
        kind, *parts = term
        if kind == "value":
            return parts[0]
        if kind == "array":
            items = [self.term(item, local) for item in parts[0]]
            return UNDEFINED if any(item is UNDEFINED for item in items) else items
        if kind == "object":
            return self.object(parts[0], local)
        if kind == "call":
            return self.call(parts[0], self.term(parts[1], local))
        name, path = parts
        if name in local:
            value = local[name]
        else:
            value = self.documents[name] if name in self.documents else self.rule(name)
        for item in path:
            value = select(value, self.term(item, local))
        return value

    def object(self, members, local):
        found = {}
        for name, value in members:
            key, item = self.term(name, local), self.term(value, local)
            if key is UNDEFINED or item is UNDEFINED:
                return UNDEFINED
            if not isinstance(key, str) or key in found:
                raise RegoError(f"{key!r} is no name of a member, or there twice")
            found[key] = item
        return found

    def call(self, name, value):
        if value is UNDEFINED:
            return UNDEFINED
        if name == "query_reference_value":
            if self.references is None:
                raise RegoError("there are no reference values for this policy")
            if not isinstance(value, str):
                raise RegoError("the name of a reference value is a string")
            return self.references.get(value)
        if not isinstance(value, (list, dict, str)):
            raise RegoError(f"{value!r} cannot be counted")
        return len(value)


class Policy:
    """A policy that was read in full."""

    def __init__(self, text):
        self.package, self.rules, self.defaults = Parser(text).module()
        Checker(self.rules, self.defaults)

    def query(self, rule, given, data=None, references=None):
        """The value of a rule, or UNDEFINED; RegoError. @references are None where a policy may not
        ask for any (resource policies); an unknown one is null, as in Trustee."""
        if rule not in self.defaults and rule not in {name for name, _, _ in self.rules}:
            raise RegoError(f"the policy has no rule {rule}")
        return Query(self, {"input": given, "data": data or {}}, references).rule(rule)
