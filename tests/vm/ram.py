# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The whole memory of a virtual machine: saved through QEMU, searched, and its pages explained."""

import bisect
import mmap

from disk import MIB
from machine import require

PAGE = 4096
PIECE = 16  # bytes of a secret that are enough to find it
# Flags of /proc/kpageflags, Documentation/admin-guide/mm/pagemap.rst
LRU, SLAB, BUDDY, MMAP, ANON, SWAPBACKED, NOPAGE, PGTABLE = 5, 7, 10, 11, 12, 14, 20, 26
# In this order: of a slab's page the kernel also gives flags that mean nothing there.
KINDS = (("free", (BUDDY,)), ("slab", (SLAB,)), ("tables", (PGTABLE,)),
         ("process", (MMAP, ANON)), ("cache", (LRU, SWAPBACKED)), ("absent", (NOPAGE,)))


def save(boot, path, size):
    """The machine stands still from here on."""
    path.unlink(missing_ok=True)
    boot.ask("stop")
    boot.ask("pmemsave", timeout=120, val=0, size=size * MIB, filename=str(path))
    require(path.stat().st_size == size * MIB, f"QEMU saved {path.stat().st_size} bytes")


def pieces(secret):
    """
    Parts of a secret that do not overlap. A freed piece of memory is only in part what it was: the
    allocator keeps its lists in there.
    """
    return [secret[start:start + PIECE] for start in range(0, len(secret) - PIECE + 1, PIECE)]


def find(path, needles):
    """Physical addresses where any of the needles is, sorted."""
    found = []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        for needle in needles:
            at = memory.find(needle)
            while at >= 0:
                found.append(at)
                at = memory.find(needle, at + 1)
    return sorted(found)


class Pages:
    """What the guest program's order "pages" sent."""

    def __init__(self, text):
        runs = [line.split() for line in text.decode().splitlines()]
        self.frames = [int(frame, 16) for frame, _ in runs]
        self.flags = [int(flags, 16) for _, flags in runs]
        require(len(self.frames) > 100 and self.frames[0] == 0, f"{len(self.frames)} kinds of page")

    def kind(self, address):
        flags = self.flags[bisect.bisect_right(self.frames, address // PAGE) - 1]
        for name, bits in KINDS:
            if any(flags >> bit & 1 for bit in bits):
                return name
        # The kernel's own, or freed a moment ago and still kept for a processor.
        return "unknown"

    def describe(self, addresses):
        return ", ".join(f"{address:#x} ({self.kind(address)})" for address in addresses)
