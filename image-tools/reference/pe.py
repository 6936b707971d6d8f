# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""EFI programs: sections, and the digest that firmware measures and Secure Boot signs."""

import dataclasses
import hashlib
import struct

from . import Refused

PE32, PE32_PLUS = 0x10B, 0x20B
SECTION_HEADER = 40
SECURITY_DIRECTORY = 4


@dataclasses.dataclass
class Section:
    name: str
    virtual_size: int
    virtual_address: int
    raw_size: int
    raw_offset: int


class Program:
    """A PE/COFF file. @name is for messages."""

    def __init__(self, data, name):
        self.data = data
        self.name = name
        header = self.number(0x3C, "<I")
        if self.data[:2] != b"MZ" or self.data[header:header + 4] != b"PE\0\0":
            raise Refused(f"{name} is not an EFI program")
        count = self.number(header + 6, "<H")
        optional_size = self.number(header + 20, "<H")
        optional = header + 24
        magic = self.number(optional, "<H")
        if magic not in (PE32, PE32_PLUS):
            raise Refused(f"{name} is not an EFI program: optional header {magic:#x}")
        self.headers_size = self.number(optional + 60, "<I")
        self.checksum = optional + 64
        directories = optional + (112 if magic == PE32_PLUS else 96)
        self.certificate = directories + 8 * SECURITY_DIRECTORY
        if self.number(directories - 4, "<I") <= SECURITY_DIRECTORY or \
                self.certificate + 8 > optional + optional_size:
            raise Refused(f"{name} has no place for a signature in its headers")
        table = optional + optional_size
        if table + count * SECTION_HEADER > self.headers_size or self.headers_size > len(data):
            raise Refused(f"the section table of {name} is outside of its headers")
        self.sections = [self.section(table + index * SECTION_HEADER) for index in range(count)]

    def number(self, offset, form):
        if offset + struct.calcsize(form) > len(self.data):
            raise Refused(f"{self.name} is cut off")
        return struct.unpack_from(form, self.data, offset)[0]

    def section(self, offset):
        name, *numbers = struct.unpack_from("<8s4I", self.data, offset)
        found = Section(name.rstrip(b"\0").decode("ascii", "replace"), *numbers)
        if found.raw_offset + found.raw_size > len(self.data):
            raise Refused(f"the section {found.name} of {self.name} is cut off")
        return found

    def content(self, name):
        """What a section holds in memory, or None without such a section."""
        found = [section for section in self.sections if section.name == name]
        if not found:
            return None
        if len(found) > 1:
            raise Refused(f"{self.name} has {len(found)} sections {name}; one is expected")
        section = found[0]
        if section.virtual_size > section.raw_size:
            raise Refused(f"the section {name} of {self.name} is larger in memory than in the file")
        return self.data[section.raw_offset:section.raw_offset + section.virtual_size]

    def hashed_parts(self):
        """Everything but the checksum, the place of the signature, and the signature (Windows
        Authenticode Portable Executable Signature Format, "Calculating the PE Image Hash")."""
        certificate_size = self.number(self.certificate + 4, "<I")
        yield self.data[:self.checksum]
        yield self.data[self.checksum + 4:self.certificate]
        yield self.data[self.certificate + 8:self.headers_size]
        summed = self.headers_size
        for section in sorted(self.sections, key=lambda section: section.raw_offset):
            if section.raw_size:
                yield self.data[section.raw_offset:section.raw_offset + section.raw_size]
                summed += section.raw_size
        end = len(self.data) - certificate_size
        if end < summed:
            raise Refused(f"the sections or the signature of {self.name} overlap")
        yield self.data[summed:end]

    def digest(self, algorithm):
        total = hashlib.new(algorithm)
        for part in self.hashed_parts():
            total.update(part)
        return total.digest()
