# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""First boots that are cut short: by the power, by the disk."""

import disk
from boots import check_first_boot, first_boot_orders
from disk import MIB
from lab import Lab
from machine import Drive, require
from scenario import scenario

SLOW = 8 * MIB  # bytes a second: a conversion takes seconds, so that a cut can hit it
STARTED = "cvmroot: encrypting"
OPEN = "cvmroot: the root is open"


def finish_after_cut(lab):
    marker = f"written_by_the_guest_{lab.seed}"
    boot = lab.boot(first_boot_orders(marker))
    # As far as the cut let it come.
    check_first_boot(lab, boot, marker, ("fresh", "resumed", "reopened"))
    return boot


def fail_io(name, kind, shift):
    """A bad sector in the middle of the first boot; with a good disk the next one resumes."""
    lab = Lab(name).make_image().make_tpm()
    # Where some file's content lies, near the middle of what is used.
    data = lab.filesystem.read_bytes()
    offset = data.index(disk.MARKER.encode(), 6 * MIB)
    sector = (disk.START + shift + offset) // 512
    rules = [{"event": "none", "iotype": kind, "sector": sector, "errno": 5}]
    boot = lab.machine(drives=[Drive(lab.disk, rules=rules)]).run(300)
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    require("end" not in boot.results(), "the root was booted")
    lab.require_sentence(boot, r"cvmroot: .*(writing|reading) .*failed.*")
    finish_after_cut(lab)


@scenario()
def write_error(name):
    fail_io(name, "write", disk.SHIFT)


@scenario()
def read_error(name):
    fail_io(name, "read", 0)
