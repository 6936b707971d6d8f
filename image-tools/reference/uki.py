# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A unified kernel image: what firmware, systemd-stub and the kernel measure when it boots."""

import re

from . import Refused
from .pe import Program
from .registers import Event

# What systemd-stub measures into PCR 11, in its order; the releases that we know, and no others:
# a later one may measure more. (systemd-stub(7); boots of 252 and 257 were compared.)
FIRST_SECTIONS = (".linux", ".osrel", ".cmdline", ".initrd")
SECTIONS = {
    252: (*FIRST_SECTIONS, ".splash", ".dtb", ".pcrpkey"),
    255: (*FIRST_SECTIONS, ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"),
    256: (*FIRST_SECTIONS, ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"),
    257: (*FIRST_SECTIONS, ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey", ".hwids"),
}
# Since 257 there may be several of these, and the loader or the machine chooses.
CHOSEN_SECTIONS = (".profile", ".dtbauto")
# What the stub adds to the initrd below /.extra, in its order; since 257 one more.
EXTRA = ((".pcrsig", "tpm2-pcr-signature.json"), (".pcrpkey", "tpm2-pcr-public-key.pem"))
EXTRA_257 = ((".osrel", "os-release"),)

STUB_SECTIONS = (".text", ".rodata", ".data")

# A kernel says in its own EFI stub what it measures: these are in it, uncompressed.
LOAD_OPTIONS_NAME = b"LOADED_IMAGE::LoadOptions\0"
INITRD_NAME = b"Linux initrd\0"
# EFI_CC_MEASUREMENT_PROTOCOL, 96751a3d-72f4-41a6-a794-ed5d0e67ae6b; compilers may use its halves.
CC_PROTOCOL = (bytes.fromhex("3d1a7596f472a641"), bytes.fromhex("a794ed5d0e67ae6b"))

# The header of a kernel for x86 (Linux, Documentation/arch/x86/boot.rst): it names its release.
SETUP, SETUP_MAGIC, SETUP_MAGIC_AT, SETUP_RELEASE_AT = 0x200, b"HdrS", 0x202, 0x20E
# The first release that lets RTMRs be extended.
RTMR_RELEASE = (6, 16)

CALLING = b"Calling EFI Application from Boot Option"
SEPARATOR = bytes(4)
LEAVING = ("firmware: boot services are left", "firmware: they are left with success")
LEAVING_DATA = (b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success")


def knows_cc(data):
    return all(half in data for half in CC_PROTOCOL)


def section_events(stub, content):
    """@content: a function from the name of a section to its bytes, or None."""
    events = []
    for name in SECTIONS[stub]:
        data = content(name)
        if data is not None:
            events += [Event(f"stub: the name {name}", name.encode() + b"\0"),
                       Event(f"stub: the section {name}", data)]
    return events


def cpio_entry(inode, mode, links, name, data):
    name = name.encode() + b"\0"
    numbers = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
    text = b"070701" + b"".join(b"%08x" % number for number in numbers) + name
    text += bytes(-len(text) % 4) + data
    return text + bytes(-len(text) % 4)


def extra_file(name, data):
    """The archive with one file below /.extra that the stub makes."""
    # Its trailer has the length of the name in upper case.
    trailer = cpio_entry(0, 0, 1, "TRAILER!!!", b"").replace(b"0000000b", b"0000000B")
    return (cpio_entry(1, 0o040555, 1, ".extra", b"") +
            cpio_entry(2, 0o100444, 1, ".extra/" + name, data) + trailer)


def joined(archives):
    return b"".join(archive + bytes(-len(archive) % 4) for archive in archives)


class Uki:
    def __init__(self, data, name):
        self.name = name
        self.program = Program(data, name)
        self.kernel = self.content(".linux")
        if self.kernel is None:
            raise Refused(f"{name} has no kernel in it: a unified kernel image is expected, as "
                          "image-tools/uki makes it")
        self.kernel_program = Program(self.kernel, f"the kernel of {name}")
        self.initrd = self.content(".initrd")
        self.command_line = self.content(".cmdline")
        self.stub = self.find_stub()
        for section in self.program.sections:
            if section.name in CHOSEN_SECTIONS:
                raise Refused(f"{name} has a section {section.name}: what is measured depends on "
                              "what is chosen at the boot")

    def content(self, name):
        """None also for an empty section, which the stub does not see."""
        return self.program.content(name) or None

    def release(self):
        """(major, minor) of the kernel as it says itself, or else as .uname says; None without."""
        text = self.content(".uname") or b""
        if self.kernel[SETUP_MAGIC_AT:][:len(SETUP_MAGIC)] == SETUP_MAGIC:
            place = self.kernel[SETUP_RELEASE_AT:SETUP_RELEASE_AT + 2]
            text = self.kernel[SETUP + int.from_bytes(place, "little"):]
        found = re.match(rb"(\d{1,4})\.(\d{1,4})(?!\d)", text)
        return found and (int(found[1]), int(found[2]))

    def extends_rtmrs(self):
        """Can what runs on this kernel extend an RTMR?"""
        release = self.release()
        return release is not None and release >= RTMR_RELEASE

    def find_stub(self):
        found = re.search(rb"#### LoaderInfo: systemd-stub (\d+)", self.content(".sdmagic") or b"")
        if not found:
            raise Refused(f"{self.name} has another EFI stub than systemd's; what it measures is "
                          "not known")
        version = int(found[1])
        if version not in SECTIONS:
            known = ", ".join(map(str, SECTIONS))
            raise Refused(f"{self.name} has systemd-stub {version}; what it measures is known of "
                          f"{known} only")
        return version

    # --- The events, in their order ---

    @staticmethod
    def driver_events():
        """PCR 2, by a firmware made of EDK II that loads neither drivers nor option ROMs."""
        return [Event("firmware: separator", SEPARATOR)]

    def firmware_events(self, secure_boot):
        """PCR 4, by a firmware made of EDK II. With Secure Boot the stub takes the check of the
        kernel in it upon itself, and so the firmware measures only the UKI."""
        return [Event("firmware: calls a boot option", CALLING),
                Event("firmware: separator", SEPARATOR), *self.program_events(secure_boot)]

    def program_events(self, secure_boot):
        events = [Event("firmware: the UKI, by its Authenticode digest", make=self.program.digest)]
        if not secure_boot:
            events.append(Event("firmware: the kernel in it, likewise",
                                make=self.kernel_program.digest))
        return events

    def rtmr1_events(self, secure_boot, partition_table, separator):
        """RTMR 1 of TDX: what would be in PCR 4 and 5. Older firmware has no separator here."""
        events = [Event("firmware: calls a boot option", CALLING)]
        if separator:
            events.append(Event("firmware: separator", SEPARATOR))
        events.append(Event("firmware: the partition table", partition_table))
        return [*events, *self.program_events(secure_boot), *map(Event, LEAVING, LEAVING_DATA)]

    def stub_events(self):
        """PCR 11."""
        return section_events(self.stub, self.content)

    def kernel_events(self):
        """PCR 9, where kernel_gap() says nothing."""
        return [Event("kernel: the command line", self.load_options()),
                Event("kernel: the initrd as the stub gives it", self.whole_initrd())]

    def kernel_gap(self):
        """Why PCR 9 cannot be predicted, or would say nothing; None when it can."""
        if LOAD_OPTIONS_NAME not in self.kernel or INITRD_NAME not in self.kernel:
            return "the kernel does not measure command line and initrd; Linux 6.1 does"
        return self.input_gap()

    def input_gap(self):
        """Why it is not known what the kernel gets, or None."""
        if self.command_line is None:
            return "the UKI has no section .cmdline, so that the loader gives the command line"
        if self.initrd is None:
            return "the UKI has no section .initrd, so that the loader gives the initrd"
        if not self.command_line.isascii() or b"\0" in self.command_line:
            return "the command line is not plain ASCII"
        if self.stub == 252 and self.load_options() != self.utf16(self.command_line):
            return "the command line has blanks at its ends or control characters"
        return None

    @staticmethod
    def utf16(text):
        return (text.decode("ascii") + "\0").encode("utf-16-le")

    def load_options(self):
        """What the stub makes of the command line: blanks for control characters, none around."""
        blank = bytes(range(0x21)) + b"\x7f"
        line = self.command_line.strip(blank)
        return self.utf16(bytes(0x20 if byte in blank else byte for byte in line))

    def whole_initrd(self):
        archives = [self.content(".ucode")] if self.stub >= 256 and self.content(".ucode") else []
        archives.append(self.initrd)
        extra = EXTRA + (EXTRA_257 if self.stub >= 257 else ())
        for section, name in extra:
            content = self.content(section)
            if content is not None:
                archives.append(extra_file(name, content))
        return self.initrd if len(archives) == 1 else joined(archives)

    def rtmr2_gap(self):
        """Why RTMR 2 of a TDX machine without a TPM cannot be predicted, or None."""
        if not knows_cc(b"".join(self.content(name) or b"" for name in STUB_SECTIONS)):
            return f"systemd-stub {self.stub} measures nothing on TDX; 256 or later is needed"
        return self.kernel_gap() if knows_cc(self.kernel) else self.input_gap()

    def rtmr2_events(self):
        return self.stub_events() + (self.kernel_events() if knows_cc(self.kernel) else [])
