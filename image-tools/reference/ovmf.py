# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The table of GUIDed structures at the end of OVMF's image (OVMF: ResetVector)."""

import uuid

PAGE = 4096
FOOTER = uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
# From the end of the firmware to the end of the table's last GUID.
FOOTER_OFFSET = 32


class Firmware:
    """What OVMF's image says of itself; ValueError for an image that is none."""

    def __init__(self, data):
        self.data = data
        if not data or len(data) % PAGE:
            raise ValueError("the firmware is not a whole number of pages")
        self.address = (1 << 32) - len(data)
        self.table = self._read_table()

    def _read_table(self):
        """{GUID: content}; the table is read from its end."""
        end = len(self.data) - FOOTER_OFFSET
        guid, size = self._entry(end)
        if guid != FOOTER:
            raise ValueError("the firmware has no table of GUIDs: it is not OVMF, or is not the "
                             "whole of it; give the whole image, as OVMF.fd")
        start, at, found = end - size, end - 18, {}
        if start < 0:
            raise ValueError("the firmware's table does not fit")
        while at > start:
            guid, size = self._entry(at)
            if size < 18 or at - size < start or guid in found:
                raise ValueError("the firmware's table is damaged")
            found[guid] = self.data[at - size:at - 18]
            at -= size
        return found

    def _entry(self, end):
        """GUID and size of the entry that ends at @end."""
        if end < 18:
            raise ValueError("the firmware is too short")
        return (uuid.UUID(bytes_le=self.data[end - 16:end]),
                int.from_bytes(self.data[end - 18:end - 16], "little"))

    def number(self, guid, what):
        """The first number of a table entry."""
        if len(self.table.get(guid, b"")) < 4:
            raise ValueError(f"the firmware does not say {what}")
        return int.from_bytes(self.table[guid][:4], "little")
