# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
A first boot with its real kernel and device-mapper, whose disk QEMU writes a log of; and the power
cut in that log at every flush. tests/power/replay.c does it and does what the next boot would; some
of its disks are booted.
"""

import base64
import collections
import subprocess
import time

import artefacts
import disk
import luks
from boots import check_first_boot, first_boot_orders
from faults import OPEN, SLOW, STARTED, finish_after_cut
from lab import Lab
from machine import Drive, note, require
from scenario import FULL, scenario

REPLAY = artefacts.BUILD / "tests" / "power" / "replay"
CUTS = 100 if FULL else 6  # at each flush
BOOTS = 25 if FULL else 3
# File systems in use that are checked with e2fsck.
FILESYSTEMS = 200 if FULL else 12

State = collections.namedtuple("State", "flush cut remembered action")


class Recording:
    """A lab's first boot: the disk before it, the log of writes, the TPM at three moments."""

    def __init__(self, lab):
        self.lab = lab
        self.log = lab.folder / "writes"
        self.pristine = disk.copy(lab.disk, lab.folder / "pristine")
        self.tpms = {"nothing": lab.tpm.copy_to(lab.folder / "tpm-nothing")}
        self.run()
        secret, _ = lab.recover_keys()
        (lab.folder / "passphrase").write_bytes(base64.b64encode(secret))
        self.after = disk.copy(lab.disk, lab.folder / "after")

    def run(self):
        lab = self.lab
        marker = f"written_before_the_cut_{lab.seed}"
        drive = Drive(lab.disk, bytes_per_second=SLOW, log=self.log)
        with lab.machine(first_boot_orders(marker), [drive]).start() as boot:
            self.told = [self.wait_record(boot, STARTED)]
            self.tpms["converting"] = lab.tpm.copy_to(lab.folder / "tpm-converting")
            require(luks.metadata(lab.disk) is None, "the conversion was over too soon")
            self.told.append(self.wait_record(boot, OPEN))
            boot.wait_end(300)
        require("end" in boot.results(), f"the root's program did not run:\n{boot.tail()}")
        self.tpms["done"] = lab.tpm.copy_to(lab.folder / "tpm-done")
        check_first_boot(lab, boot, marker)

    def wait_record(self, boot, text):
        """
        The last that happens to the TPM before a line is that the record is written: what the log
        had by then. Nothing is written to the disk between the two.
        """
        written = self.lab.tpm.written()
        size = None
        end = time.monotonic() + 300
        while text.encode() not in boot.console:
            require(time.monotonic() < end, f"no {text!r}:\n{boot.tail()}")
            require(boot.run_for(0.001), f"the machine ended without {text!r}:\n{boot.tail()}")
            now = self.lab.tpm.written()
            if now not in (written, []):
                written, size = now, self.log.stat().st_size
        require(size is not None, f"the TPM was not written before {text!r}")
        return size

    def replay(self, order, *words):
        start, size = disk.root_partition(self.pristine)
        result = subprocess.run(
            [str(word) for word in (REPLAY, order, self.lab.folder, start, size, *self.told,
                                    "--seed", self.lab.seed, *words)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        require(result.returncode == 0, "\n".join(result.stdout.splitlines()[-5:]))
        return result.stdout

    def states(self):
        """Every cut, each with what the TPM remembers at that moment and what a boot does."""
        words = [line.split() for line in self.replay("check", "--cuts", CUTS).splitlines()]
        return [State(int(flush), int(cut), remembered, action)
                for _, flush, cut, remembered, action in words]

    def partition(self, state, order="write"):
        path = self.lab.folder / "state"
        self.replay(order, state.flush, state.cut, path)
        return path

    def check_complete(self, last):
        """All that the machine wrote is in the log: its end is the disk that QEMU left."""
        start, size = disk.root_partition(self.after)
        require(self.partition(State(last, 0, "done", "mounted")).read_bytes() ==
                disk.read_at(self.after, start, size), "the log's end is not the disk of that boot")

    def check_filesystem(self, state):
        """A file system in use when the power went: its journal makes it whole."""
        plain = self.partition(state, "decrypt")
        result = subprocess.run(["e2fsck", "-fp", str(plain)], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        # 1: something was done, as the replay of the journal is.
        require(result.returncode in (0, 1), f"{state}: e2fsck -p: {result.stdout}")
        require((words := disk.check_filesystem(plain)) is None, f"{state}: e2fsck: {words}")
        require(disk.file_hashes(plain, self.lab.hashes) == self.lab.hashes,
                f"{state}: a file's content differs")

    def boot(self, state):
        """The next boot, really."""
        note(f"boot of {state}")
        content = self.partition(state).read_bytes()
        disk.copy(self.pristine, self.lab.disk)
        disk.write_at(self.lab.disk, disk.root_partition(self.pristine)[0], content)
        self.lab.tpm = self.tpms[state.remembered].copy_to(self.lab.folder / "tpm")
        finish_after_cut(self.lab)


def choose(random, states, count):
    """As many as asked for, of each kind in turn."""
    kinds = collections.defaultdict(list)
    for state in random.sample(states, len(states)):
        kinds[state.remembered, state.action].append(state)
    note("states: " + ", ".join(f"{len(found)} {' '.join(kind)}"
                                for kind, found in sorted(kinds.items())))
    turns = [list(found) for _, found in sorted(kinds.items())]
    random.shuffle(turns)
    chosen = []
    while len(chosen) < count and any(turns):
        chosen += [found.pop() for found in turns if found]
    return chosen[:count]


@scenario(7200 if FULL else 900)
def replay(name):
    recording = Recording(Lab(name).make_image().make_tpm())
    random = recording.lab.random
    states = recording.states()
    last = max(state.flush for state in states)
    recording.check_complete(last)
    mounted = [state for state in states if state.action == "mounted"]
    for state in random.sample(mounted, min(FILESYSTEMS, len(mounted))):
        recording.check_filesystem(state)
    for state in choose(random, states, BOOTS):
        recording.boot(state)
    print(f"counted: {last} flushes", f"counted: {len(states)} cuts in their log", sep="\n")
