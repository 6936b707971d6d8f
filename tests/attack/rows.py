# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The table of attacks: each row of it is carried out by one test or more, or documented."""

import dataclasses
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

# What is known to have been tried or found against encrypted roots, in cvmroot and elsewhere.
ROWS = {
    1: "a data segment without a cipher (CVE-2025-59054, CVE-2025-58356)",
    2: "a keyslot without a cipher, for a volume key of the attacker's",
    3: "a header that is another one when it is read again (dstack issue 555)",
    4: "a forged re-encryption in progress (CVE-2021-4122)",
    5: "an image edited before or while it is encrypted",
    6: "another volume or file system of the same name (oddlama, 2025; systemd issue 29889)",
    7: "a secret sealed by the attacker, with a token for it (systemd issue 40123)",
    8: "an older disk or vTPM, or a clone",
    9: "the pristine image once more (Oasis ROFL, dstack, Constellation)",
    10: "a shell on the console, or a boot held up (CVE-2016-4484; clevis issue 331)",
    11: "the key once more after the boot",
    12: "secrets in logs, arguments, environments, files and memory",
    13: "a switch that turns protection off (cryptpilot, dstack)",
    14: "configuration by the host: credentials, firmware, metadata (cryptpilot)",
    15: "a broker, a resource or a table named by the disk",
    16: "a command line or initrd that no policy covers (GRUB)",
    17: "updates that only go without a policy",
    18: "traffic with the vTPM, seen or changed",
    19: "evidence that is old or another machine's",
    20: "a false broker, whose key the host knows",
    21: "a MAC by which a passphrase can be guessed",
    22: "changed or older sectors under XTS",
    23: "dm-verity parameters of the disk's",
    24: "a clock that the host steers",
    25: "one volume key for all machines of an image (encrypt-cloud-image, cvmutils)",
    26: "input without end: JSON, key derivation, answers, redirects",
    27: "a power cut at any write (dstack; cryptsetup reencrypt)",
    28: "ACPI code of the host's, broken silicon (BadAML)",
}
ATTACKS = {}  # name: Attack


class Skip(Exception):
    """This machine cannot carry the attack out; the text says why."""


@dataclasses.dataclass
class Attack:
    """
    @function carries the attack out, raises AssertionError where it succeeds, and returns in a
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
    full: bool  # CI has no time for it


def attack(row, expected, weaken=None, red=None, timeout=900, full=False):
    """Register a function that is called with its name."""
    def register(function):
        name = f"{row:02}-{function.__name__.replace('_', '-')}"
        if name in ATTACKS:
            raise ValueError(f"two attacks are called {name}")
        if row not in ROWS:
            raise ValueError(f"{name}: there is no such row")
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
    text = re.sub(".\x08", "", text)
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


def require_each_row():
    """A row without a test is a promise that nothing keeps."""
    tested = {attacked.row for attacked in ATTACKS.values()}
    bare = [f"{row}: {title}" for row, title in ROWS.items() if row not in tested]
    need(not bare, "no attack of the suite is of the row " + "; ".join(bare))
