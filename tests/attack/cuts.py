# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 27: the power is cut while something is written; the suite power has all the moments."""

import disk
from boots import check_first_boot, first_boot_orders
from disk import MIB
from lab import Lab
from machine import Drive, note
from nbd import NetworkDisk
from rows import attack, need

SECTOR = 512


class LosesPower(NetworkDisk):
    """
    A disk with a write cache. When the last byte of a range is written the power is cut: of each
    sector that was written since the last flush, chance says whether the disk still has it.
    """

    def __init__(self, durable, seen, address, end, random):
        super().__init__(seen, address)
        self.durable = open(durable, "r+b")
        self.end = end
        self.random = random
        self.cached = []
        self.flushes = 0
        self.cut = None

    def __exit__(self, *_):
        super().__exit__()
        self.durable.close()

    def keep(self, offset, data):
        self.durable.seek(offset)
        self.durable.write(data)

    def write(self, offset, data):
        super().write(offset, data)
        self.cached.append((offset, data))
        if offset < self.end <= offset + len(data):
            self.lose()
            self.cut()
            raise ConnectionError

    def flush(self):
        super().flush()
        for offset, data in self.cached:
            self.keep(offset, data)
        self.cached.clear()
        self.flushes += 1

    def lose(self):
        sectors = [(offset + start, data[start:start + SECTOR]) for offset, data in self.cached
                   for start in range(0, len(data), SECTOR)]
        note(f"cut after {self.flushes} flushes, with {len(sectors)} sectors in the cache")
        for offset, data in sectors:
            if self.random.random() < 0.5:
                self.keep(offset, data)


@attack(27, "the next boot brings it to its end", weaken="no-flush",
        red="the root's program did not run|differ")
def power_cut(name):
    """
    The cut comes where most is at stake: the new header and the zeros behind it are written over
    the last plaintext, and not yet flushed. The weakened program never flushes.
    """
    lab = Lab(name).make_image(content=24 * MIB).make_tpm()
    seen = disk.copy(lab.disk, lab.folder / "seen")
    address = lab.folder / "disk.sock"
    end = disk.START + disk.SHIFT
    with LosesPower(lab.disk, seen, address, end, lab.random) as server:
        machine = lab.machine(drives=[Drive(seen, server=address)])
        with machine.start() as boot:
            server.cut = boot.process.kill
            boot.wait_end(300)
    need(boot.reason() is None, f"the power was not cut; ended by {boot.reason()}:\n{boot.tail()}")
    marker = f"written_by_the_guest_{lab.seed}"
    boot = lab.boot(first_boot_orders(marker))
    check_first_boot(lab, boot, marker, ("resumed",))
    return "resumed and came to its end: all the content is there, encrypted"
