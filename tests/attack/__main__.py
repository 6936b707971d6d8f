# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The attack suite: --list, --list-weakened, --prepare, or [--weakened] and the name of one."""

import re
import shutil
import sys

import rows
from rows import ATTACKS, Skip
import artefacts
import case
import console
import cuts
import deadlines
import documents
import fetching
import headers
import leaks
import machine
import memory
import outside
import process
import races
import scenario
import second_fetch
import swapped
import switches
import unlocking
import unmeasured
import vtpm_state
import vtpm_traffic

# Each registers its attacks.
MODULES = (console, cuts, deadlines, documents, fetching, headers, leaks, memory, outside,
           process, races, second_fetch, swapped, switches, unlocking, unmeasured, vtpm_state,
           vtpm_traffic)
SKIP_STATUS = 77
SKIPS = (Skip, scenario.Skip, case.Skip)
# Apart from the suite vm, which begins by removing its own.
artefacts.WORK = artefacts.BUILD / "attack-work"


def prepare():
    """What the attacks in virtual machines need, made before the first of them is timed."""
    # A disk that another build encrypted comes with that build's initrd.
    shutil.rmtree(artefacts.WORK, ignore_errors=True)
    artefacts.WORK.mkdir(parents=True)
    suite = artefacts.kernel_and_initrd("trixie")
    machine.note(f"kernel and initrd in {suite.folder}; accelerator {machine.accelerator()}")


def withstand(name, attacked):
    """The attack must fail."""
    try:
        seen = attacked.function(name)
    except AssertionError as error:
        print(f"{type(error).__name__}: {error}")
        return 1, f"SUCCESS of the attack: {str(error).splitlines()[0]}"
    return 0, seen


def succumb(name, attacked):
    """The attack must succeed, for the reason that is known beforehand."""
    rows.weaken(attacked)
    try:
        seen = attacked.function(name)
    except AssertionError as error:
        print(f"{type(error).__name__}: {error}")
        if re.search(attacked.red, str(error)):
            return 0, f"red: {str(error).splitlines()[0]}"
        return 1, f"red, but not as {attacked.red!r}: {str(error).splitlines()[0]}"
    return 1, f"still withstood without the defence: {seen}"


def run(name, weakened):
    attacked = ATTACKS[name]
    print(f"row: {attacked.row}: {rows.ROWS[attacked.row]}")
    print(f"expected: {'red without the defence' if weakened else attacked.expected}")
    try:
        status, seen = (succumb if weakened else withstand)(name, attacked)
    except SKIPS as reason:
        print(reason)
        return SKIP_STATUS
    print(f"seen: {seen}")
    if status == 0:
        # A failed attack's disks and logs stay for whoever looks into it.
        shutil.rmtree(artefacts.WORK / name, ignore_errors=True)
    return status


def main(arguments):
    if arguments in (["--list"], ["--list-weakened"]):
        rows.require_each_row()
        for name, attacked in ATTACKS.items():
            if arguments == ["--list"] or attacked.weaken is not None:
                print(name, attacked.timeout, *(["full"] if attacked.full else []))
        return 0
    if arguments == ["--prepare"]:
        prepare()
        return 0
    weakened = arguments[:1] == ["--weakened"]
    if len(arguments) != 1 + weakened or arguments[-1] not in ATTACKS:
        print("Name one attack; --list knows all.", file=sys.stderr)
        return 2
    return run(arguments[-1], weakened)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
