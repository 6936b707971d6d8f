# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""MRTD, the launch measurement of an Intel TDX guest, from its firmware (Intel TDX Virtual Firmware
Design Guide: TDVF metadata; Intel TDX Module Base Architecture Specification: TDH.MEM.PAGE.ADD,
TDH.MR.EXTEND).

MRTD is one SHA-384 over a record for each step in which the host builds the guest: a page is added,
and, where the metadata wants its section measured, 256 bytes of it are. The order is the one of
Linux 6.16 and later: each page is added, then measured, section by section. (Intel's kernels before
that added the whole section first: order="section".)
"""

import hashlib
import struct
import uuid

from . import ovmf
from .ovmf import PAGE

CHUNK = 256
METADATA = uuid.UUID("e47a6535-984a-4798-865e-4685a7bf8ec2")
MEASURED, ADDED_LATER = 1, 2


def record(name, address):
    """128 bytes that name a step and its guest-physical address."""
    return struct.pack("<16sQ104x", name, address)


class Firmware(ovmf.Firmware):
    """What OVMF says of TDX."""

    def sections(self):
        """(address, content, is it measured) of each section that is there at the start."""
        if METADATA not in self.table:
            raise ValueError("the firmware is not built for TDX: it does not say which memory TDX "
                             "needs")
        start = len(self.data) - self.number(METADATA, "which memory TDX needs")
        if start < 0 or start + 16 > len(self.data):
            raise ValueError("the firmware's TDX metadata does not fit")
        magic, size, version, count = struct.unpack_from("<4sIII", self.data, start)
        if magic != b"TDVF" or version != 1 or size < 16 + 32 * count \
                or start + size > len(self.data):
            raise ValueError("the firmware's TDX metadata is damaged or of another version")
        found = []
        for index in range(count):
            at, length, address, space, _, attributes = struct.unpack_from(
                "<IIQQII", self.data, start + 16 + 32 * index)
            if attributes & ~(MEASURED | ADDED_LATER):
                raise ValueError("the firmware's TDX metadata has an unknown attribute")
            if at + length > len(self.data) or length > space or address % PAGE or space % PAGE \
                    or space > 1 << 32:
                raise ValueError("a section of the firmware's TDX metadata does not fit; give the "
                                 "whole image, as OVMF.fd, not its code alone, as OVMF_CODE.fd")
            if not attributes & ADDED_LATER:
                content = self.data[at:at + length].ljust(space, b"\0")
                found.append((address, content, bool(attributes & MEASURED)))
        return found


def measure(digest, address, content):
    for at in range(0, len(content), CHUNK):
        digest.update(record(b"MR.EXTEND", address + at))
        digest.update(content[at:at + CHUNK])


def mrtd(firmware, *, order="page"):
    """The 48 bytes of MRTD for a whole firmware image (not its code part alone); ValueError."""
    digest = hashlib.sha384()
    for address, content, measured in Firmware(firmware).sections():
        for at in range(0, len(content), PAGE):
            digest.update(record(b"MEM.PAGE.ADD", address + at))
            if measured and order == "page":
                measure(digest, address + at, content[at:at + PAGE])
        if measured and order == "section":
            measure(digest, address, content)
    return digest.digest()
