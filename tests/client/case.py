# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The table of cases, and what they check with."""

import dataclasses

CASES = {}  # name: Case


@dataclasses.dataclass
class Case:
    function: object
    timeout: int  # seconds until the runner ends it
    attack: bool  # for the suite "attack", which does it to the release binary


class Skip(Exception):
    """This machine lacks what the case needs."""


def case(name, timeout=60, attack=False):
    """Register a function that is called with its Surroundings."""
    def register(function):
        if name in CASES:
            raise ValueError(f"two cases are called {name}")
        CASES[name] = Case(function, timeout, attack)
        return function
    return register


def need(condition, text):
    if not condition:
        raise AssertionError(text)


def need_equal(seen, wanted, what):
    need(seen == wanted, f"{what}: {seen!r}, not {wanted!r}")
