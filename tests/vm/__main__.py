# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The vm suite: --list, --prepare, or the name of one scenario."""

import shutil
import sys

import artefacts
import boots
import chain
import faults
import kills
import machine
import network
import platforms
import policies
import providers
import refusals
import registers
import replay
import signed
from scenario import SCENARIOS, Skip

# Each registers its scenarios.
MODULES = (boots, faults, kills, replay, refusals, chain, signed, platforms, providers, network,
           registers, policies)
SKIP_STATUS = 77


def prepare():
    """What every scenario needs, made before the first of them is timed."""
    shutil.rmtree(artefacts.WORK, ignore_errors=True)
    artefacts.WORK.mkdir(parents=True)
    suite = artefacts.kernel_and_initrd("trixie")
    machine.note(f"kernel and initrd in {suite.folder}; accelerator {machine.accelerator()}")


def run(name):
    function = SCENARIOS[name][0]
    try:
        function(name)
    except Skip as reason:
        print(reason)
        return SKIP_STATUS
    except AssertionError as error:
        print(f"{type(error).__name__}: {error}")
        return 1
    # A failed scenario's disks and logs stay for whoever looks into it.
    shutil.rmtree(artefacts.WORK / name, ignore_errors=True)
    return 0


def main(arguments):
    if arguments == ["--list"]:
        for name, (_, timeout, full) in SCENARIOS.items():
            print(name, timeout, "full" if full else "")
        return 0
    if arguments == ["--prepare"]:
        prepare()
        return 0
    return run(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
