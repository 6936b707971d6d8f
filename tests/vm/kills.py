# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
The power goes (QEMU and the vTPM are killed) at a chosen moment of a first boot or of a reboot,
and the next boot must come to the right end. A moment is awaited by what the machine does: what it
says, what is on its disk, when its TPM's state was written.
"""

import collections
import json
import time

import disk
from boots import STATUS, first_boot_orders
from disk import MIB
from faults import OPEN, SLOW, STARTED, finish_after_cut
from lab import Lab, converted
from machine import Drive, note, require
from scenario import add_scenario

VERIFYING = "cvmroot: verifying"
UNLOCKING = "cvmroot: unlocking"

# Behind the file system, from the first record slot on.
SLOTS_END = 2 * 64 * 1024
COPY = MIB


class Watched:
    """A boot that is looked at all the time, from outside."""

    def __init__(self, lab, boot):
        self.lab = lab
        self.boot = boot
        start, size = disk.root_partition(lab.disk)
        self.start = start
        self.tail = start + size - disk.SHIFT
        self.tpm_state = lab.tpm.written()

    def until(self, condition, what, timeout=200):
        end = time.monotonic() + timeout
        while not condition():
            require(time.monotonic() < end, f"no {what}:\n{self.boot.tail()}")
            require(self.boot.run_for(0.001), f"the machine ended before {what}")

    def says(self, text):
        self.boot.wait_text(text, 200)

    def writes_tpm(self, times=1):
        """The TPM's state is written, so often from now on."""
        for _ in range(times):
            before = self.lab.tpm.written()
            self.until(lambda: self.lab.tpm.written() not in (before, []),
                       "write of the TPM's state")

    def holds(self, offset, size):
        return disk.read_at(self.lab.disk, offset, size) != bytes(size)

    def has_front(self):
        return disk.read_at(self.lab.disk, self.start, 6) == b"LUKS\xba\xbe"

    def has_sent(self, order):
        """The root's program has sent a result; the initrd's own sent others before."""
        path = self.boot.results_path
        return path.exists() and b"@vmtest " + order in path.read_bytes()


# ---- Moments: each returns when it has come ----

def power_on(watched):
    watched.until(lambda: watched.boot.console, "word on the console")


def verifying(watched):
    watched.says(VERIFYING)


def tpm_before_conversion(times):
    """Between verification and conversion the key is sealed, a record made and written."""
    def moment(watched):
        watched.says(VERIFYING)
        watched.writes_tpm(times)
    return moment


def header_copy(watched):
    watched.until(lambda: watched.holds(watched.tail + COPY, 4096), "copy of the header")


def first_record(watched):
    watched.until(lambda: watched.holds(watched.tail, SLOTS_END), "record on the disk")


def started(watched):
    watched.says(STARTED)


def share(number, of):
    """Somewhere in one part of the conversion, chosen at random in it."""
    def moment(watched):
        # What is written: the content, once.
        blocks = sum(1 for _ in disk.plaintext_blocks(watched.lab.filesystem))
        length = blocks * 4096 / SLOW
        watched.says(STARTED)
        begin = time.monotonic()
        seconds = length * (number + watched.lab.random.random()) / of
        watched.until(lambda: time.monotonic() - begin >= seconds or watched.has_front(),
                      "conversion")
    return moment


def front(watched):
    watched.until(watched.has_front, "header in front")


def wiping(watched):
    front(watched)
    watched.until(lambda: not watched.holds(watched.tail + COPY, 4096), "wipe of the copy")


def last_slots(watched):
    wiping(watched)
    watched.until(lambda: not watched.holds(watched.tail, SLOTS_END), "wipe of the records")


def tpm_done(watched):
    front(watched)
    watched.writes_tpm()


def opened(watched):
    watched.says(OPEN)


def switched(watched):
    watched.until(lambda: watched.has_sent(b"hash=/ "), "word of the root's program")


def after_write(watched):
    """A file of the root is written and synced; the machine goes down soon."""
    watched.until(lambda: watched.has_sent(b"write="), "file that was written")


def unlocking(watched):
    watched.says(UNLOCKING)


def tpm_starts(watched):
    """A TPM counts its starts."""
    watched.until(lambda: watched.lab.tpm.written() != watched.tpm_state,
                  "write of the TPM's state")


def after_unlocking(watched):
    """While the TPM is asked, the volume key measured, the mapping made."""
    unlocking(watched)
    begin = time.monotonic()
    seconds = watched.lab.random.random()
    watched.until(lambda: time.monotonic() - begin >= seconds or
                  OPEN.encode() in watched.boot.console, "unlocked root")


Kill = collections.namedtuple("Kill", "moment reboot outcomes full", defaults=(True,))
FRESH = ("fresh",)
BEGUN = ("fresh", "resumed")
RESUMED = ("resumed",)
DONE = ("resumed", "reopened")
REOPENED = ("reopened",)

# In the order of the boot; what the next one may call the root.
KILLS = (
    Kill(power_on, False, FRESH),
    Kill(verifying, False, FRESH),
    Kill(tpm_before_conversion(1), False, BEGUN),
    Kill(tpm_before_conversion(2), False, BEGUN, full=False),
    Kill(header_copy, False, BEGUN),
    Kill(first_record, False, BEGUN),
    Kill(started, False, RESUMED),
    Kill(share(0, 6), False, RESUMED),
    Kill(share(1, 6), False, RESUMED),
    Kill(share(2, 6), False, RESUMED),
    Kill(share(3, 6), False, RESUMED),
    Kill(share(4, 6), False, RESUMED),
    Kill(share(5, 6), False, RESUMED),
    Kill(front, False, RESUMED, full=False),
    Kill(wiping, False, DONE),
    Kill(last_slots, False, DONE),
    Kill(tpm_done, False, DONE),
    Kill(opened, False, REOPENED),
    Kill(switched, False, REOPENED),
    Kill(after_write, False, REOPENED),
    Kill(tpm_starts, True, REOPENED),
    Kill(unlocking, True, REOPENED),
    Kill(after_unlocking, True, REOPENED),
    Kill(opened, True, REOPENED, full=False),
    Kill(after_write, True, REOPENED),
)


def kill_at(lab, kill):
    """Start the lab's machine, cut the power at the moment, boot again."""
    orders = first_boot_orders(f"written_before_the_cut_{lab.seed}")
    with lab.machine(orders, [Drive(lab.disk, bytes_per_second=SLOW)]).start() as boot:
        watched = Watched(lab, boot)
        kill.moment(watched)
        running = not boot.ended()
    note(f"killed at: {kill.moment.__qualname__}; still running: {running}; "
         f"header in front: {watched.has_front()}; the last line was: {boot.tail(1)}")
    boot = finish_after_cut(lab)
    how = json.loads(boot.results()["file=" + STATUS])["root"]
    note(f"the next boot called the root {how}")
    require(how in kill.outcomes, f"the next boot called the root {how}, not {kill.outcomes}")


def add_kill(number, kill):
    def run(name):
        kill_at(converted(name) if kill.reboot else Lab(name).make_image().make_tpm(), kill)
    add_scenario(f"killed-{number}", run, full=kill.full)


for index, entry in enumerate(KILLS, 1):
    add_kill(index, entry)
