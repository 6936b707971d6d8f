# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The table of attacks: each row of it is carried out by one test or more, or documented."""

import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The virtual machines and their labs; the reference broker and a client's surroundings.
for folder in ("vm", "client"):
    sys.path.append(str(ROOT / "tests" / folder))

import artefacts  # noqa: E402

RELEASE = artefacts.CVMROOT
WEAKENED = ROOT / "build-weakened" / "tests" / "attack"

ATTACKS = {}  # name: Attack


class Skip(Exception):
    """This machine cannot carry the attack out; the text says why."""


@dataclasses.dataclass
class Attack:
    """
    @function carries the attack out, raises AssertionError where it has success, and returns in a
    few words what was seen. @weaken is the name of the patch that takes the defence out, or a
    dictionary of files for the initrd that do so; with it the AssertionError must match @red.
    A short run has no time for one that is @full.
    """
    row: int
    function: object
    expected: str
    weaken: object
    red: str
    timeout: int
    full: bool


def attack(row, expected, weaken=None, red=None, timeout=900, full=False):
    """Register a function that is called with its name."""
    def register(function):
        name = f"{row:02}-{function.__name__.replace('_', '-')}"
        if name in ATTACKS:
            raise ValueError(f"two attacks are called {name}")
        if (weaken is None) != (red is None):
            raise ValueError(f"{name}: how it turns red goes with what is weakened")
        ATTACKS[name] = Attack(row, function, expected, weaken, red, timeout, full)
        return function
    return register


def documented(row, name, section, words):
    """Register a row, or a part of one, that cvmroot(7) answers: a section, and what it says."""
    def check(_):
        text = manual_section("cvmroot.7", section)
        need(re.search(words, text), f"{section!r} of cvmroot(7) does not say {words!r}")
        return f"cvmroot(7), {section}"
    check.__name__ = name
    attack(row, f"the manual says: {name.replace('_', ' ')}", timeout=60)(check)


def manual_section(page, section):
    """The text of one section of a manual page, each run of white space made one space."""
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=1000", ROOT / "src/man" / page],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    text = re.sub(".\b", "", text)
    parts = re.split(r"^(\S.*)$", text, flags=re.MULTILINE)
    for title, body in zip(parts[1::2], parts[2::2]):
        if title.strip() == section:
            return " ".join(body.split())
    raise AssertionError(f"{page} has no section {section!r}")


def need(condition, text):
    if not condition:
        raise AssertionError(text)


def program():
    """The program under attack: that of the release, but for a weakened run."""
    return artefacts.PROGRAM or RELEASE


def weaken(attacked):
    """From here on the program of this process, or its initrd, lacks the defence."""
    if isinstance(attacked.weaken, dict):
        artefacts.OVERLAY.update(attacked.weaken)
        return
    artefacts.PROGRAM = WEAKENED / f"cvmroot-weakened-{attacked.weaken}"
    need(os.access(artefacts.PROGRAM, os.X_OK), f"{artefacts.PROGRAM} was not built")


@functools.cache
def rows():
    return sorted({attacked.row for attacked in ATTACKS.values()})
