# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The launch measurement of an AMD SEV-SNP guest whose firmware is OVMF (SEV Secure Nested Paging
Firmware ABI Specification, AMD 56860: SNP_LAUNCH_UPDATE, PAGE_INFO; AMD64 Architecture Programmer's
Manual, volume 2, appendix B: the VMSA; OVMF: ResetVector and its table of GUIDed structures).

Each page that the host hands over takes one step: digest = SHA-384(PAGE_INFO), where PAGE_INFO
holds the digest so far, the SHA-384 of the page, its type and its guest-physical address. The order
is the one of QEMU (or of EC2): firmware, hashes of kernel, initrd and command line, the areas that
the firmware's metadata names, one VMSA for each processor.
"""

import hashlib
import struct
import uuid

from . import ovmf
from .ovmf import PAGE

DIGEST_SIZE = 48
PAGE_NORMAL, PAGE_VMSA, PAGE_ZERO, PAGE_SECRETS, PAGE_CPUID = 1, 2, 3, 5, 6
# Of a VMSA no address counts: all ones, as far as an address and a page reach.
VMSA_ADDRESS = (1 << 48) - PAGE

HASH_TABLE = uuid.UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
RESET_BLOCK = uuid.UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e")
METADATA = uuid.UUID("dc886566-984a-4798-a75e-5585a7bf67cc")
SECTION_MEMORY, SECTION_SECRETS, SECTION_CPUID, SECTION_CALLING_AREA, SECTION_HASHES = (
    1, 2, 3, 4, 0x10)
SECTION_PAGES = {SECTION_MEMORY: PAGE_ZERO, SECTION_SECRETS: PAGE_SECRETS,
                 SECTION_CPUID: PAGE_CPUID, SECTION_CALLING_AREA: PAGE_ZERO,
                 SECTION_HASHES: PAGE_ZERO}

# GUIDs of QEMU's table of hashes: itself, and its entries in order.
HASHES = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21")
HASH_ENTRIES = (("cmdline", uuid.UUID("97d02dd8-bd20-4c94-aa78-e7714d36ab2a")),
                ("initrd", uuid.UUID("44baf731-3a2f-4bd7-9af1-41e29169781d")),
                ("kernel", uuid.UUID("4de79437-abd2-427f-b835-d5b172d2045b")))

# Family, model, stepping of QEMU's processors, by the name without its version.
PROCESSORS = {
    "EPYC": (0x17, 0x01, 2), "EPYC-IBPB": (0x17, 0x01, 2), "EPYC-Rome": (0x17, 0x31, 0),
    "EPYC-Milan": (0x19, 0x01, 1), "EPYC-Genoa": (0x19, 0x11, 0), "EPYC-Turin": (0x1A, 0x00, 0),
}

RESET_VECTOR = 0xFFFFFFF0
# Attributes of CS (first processor, others), SS and TR; does RDX hold the processor's signature;
# control word of the FPU, MXCSR.
MONITORS = {
    "qemu": {"cs": (0x9B, 0x9B), "ss": 0x93, "tr": 0x8B, "signature": True,
             "fcw": 0x37F, "mxcsr": 0x1F80},
    "ec2": {"cs": (0x9A, 0x9B), "ss": 0x92, "tr": 0x83, "signature": False, "fcw": 0, "mxcsr": 0},
}
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "gdtr", "ldtr", "idtr", "tr")
# Offsets in a VMSA, and sizes where not 8.
VMSA_FIELDS = {"efer": (0xD0, 8), "cr4": (0x148, 8), "cr0": (0x158, 8), "dr7": (0x160, 8),
               "dr6": (0x168, 8), "rflags": (0x170, 8), "rip": (0x178, 8), "g_pat": (0x268, 8),
               "rdx": (0x310, 8), "sev_features": (0x3B0, 8), "xcr0": (0x3E8, 8),
               "mxcsr": (0x408, 4), "fcw": (0x410, 2)}


class Launch:
    """The digest, page by page."""

    def __init__(self, digest=bytes(DIGEST_SIZE)):
        self.digest = digest

    def add(self, kind, address, content=None):
        """One page; its content counts for the kinds that have any."""
        page = bytes(DIGEST_SIZE) if content is None else hashlib.sha384(content).digest()
        information = self.digest + page + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address)
        self.digest = hashlib.sha384(information).digest()

    def add_all(self, address, content):
        for at in range(0, len(content), PAGE):
            self.add(PAGE_NORMAL, address + at, content[at:at + PAGE])


class Firmware(ovmf.Firmware):
    """What OVMF says of SEV-SNP."""

    def sections(self):
        """(address, size, kind) of each area that SEV needs."""
        start = len(self.data) - self.number(METADATA, "which areas SEV-SNP needs")
        if start < 0 or start + 16 > len(self.data):
            raise ValueError("the firmware's SEV metadata does not fit")
        magic, size, version, count = struct.unpack_from("<4sIII", self.data, start)
        if magic != b"ASEV" or version != 1 or size != 16 + 12 * count \
                or start + size > len(self.data):
            raise ValueError("the firmware's SEV metadata is damaged or of another version")
        return [struct.unpack_from("<III", self.data, start + 16 + 12 * index)
                for index in range(count)]

    def hash_table_address(self):
        address = self.number(HASH_TABLE, "where hashes of kernel, initrd and command line go")
        if not address:
            raise ValueError("the firmware takes no hashes of kernel, initrd and command line")
        return address


def hash_page(kernel, initrd, cmdline, offset):
    """The page with QEMU's table of hashes at @offset."""
    parts = {"kernel": kernel, "initrd": initrd or b"", "cmdline": (cmdline or "").encode() + b"\0"}
    entries = b"".join(guid.bytes_le + struct.pack("<H", 50) + hashlib.sha256(parts[name]).digest()
                       for name, guid in HASH_ENTRIES)
    table = HASHES.bytes_le + struct.pack("<H", 18 + len(entries)) + entries
    table += bytes(-len(table) % 16)
    if offset + len(table) > PAGE:
        raise ValueError("the firmware's table of hashes leaves its page")
    return (bytes(offset) + table).ljust(PAGE, b"\0")


def processor_signature(name):
    """CPUID Fn0000_0001_EAX of a processor of QEMU."""
    base = name.rsplit("-v", 1)[0] if name.rpartition("-v")[2].isdigit() else name
    if base not in PROCESSORS:
        raise ValueError(f"the processor {name} is not known: {', '.join(PROCESSORS)}")
    family, model, stepping = PROCESSORS[base]
    return family - 15 << 20 | model >> 4 << 16 | 15 << 8 | (model & 15) << 4 | stepping


def vmsa(entry, signature, guest_features, monitor):
    """The page with the first state of a processor that starts at @entry."""
    traits, page = MONITORS[monitor], bytearray(PAGE)
    segments = dict.fromkeys(SEGMENTS, (0, 0x93, 0))
    segments.update({
        "cs": (0xF000, traits["cs"][entry != RESET_VECTOR], entry & 0xFFFF0000),
        "ss": (0, traits["ss"], 0), "gdtr": (0, 0, 0), "ldtr": (0, 0x82, 0), "idtr": (0, 0, 0),
        "tr": (0, traits["tr"], 0)})
    for index, name in enumerate(SEGMENTS):
        selector, attributes, base = segments[name]
        struct.pack_into("<HHIQ", page, 16 * index, selector, attributes, 0xFFFF, base)
    # EFER.SVME and CR4.MCE are of KVM; the rest is the state after a reset.
    values = {"efer": 0x1000, "cr4": 0x40, "cr0": 0x10, "dr7": 0x400, "dr6": 0xFFFF0FF0,
              "rflags": 2, "rip": entry & 0xFFFF, "g_pat": 0x0007040600070406,
              "rdx": signature if traits["signature"] else 0, "sev_features": guest_features,
              "xcr0": 1, "mxcsr": traits["mxcsr"], "fcw": traits["fcw"]}
    for name, value in values.items():
        offset, size = VMSA_FIELDS[name]
        page[offset:offset + size] = value.to_bytes(size, "little")
    return bytes(page)


def add_sections(launch, firmware, hashes, monitor):
    """The areas of the firmware's metadata; EC2 hands the CPUID pages over last."""
    sections = firmware.sections()
    if monitor == "ec2":
        sections = ([s for s in sections if s[2] != SECTION_CPUID]
                    + [s for s in sections if s[2] == SECTION_CPUID])
    for address, size, kind in sections:
        if kind not in SECTION_PAGES:
            raise ValueError(f"the firmware's SEV metadata has an area of the unknown kind {kind}")
        if kind == SECTION_HASHES and hashes is not None:
            launch.add(PAGE_NORMAL, address, hashes)
            continue
        length = size if SECTION_PAGES[kind] == PAGE_ZERO else PAGE
        for at in range(0, length, PAGE):
            launch.add(SECTION_PAGES[kind], address + at)


def launch_measurement(firmware, vcpus, vcpu_type, guest_features, kernel=None, initrd=None,
                       cmdline=None, *, monitor="qemu", firmware_digest=None):
    """The 48 bytes that the attestation report calls MEASUREMENT. @kernel, @initrd and @cmdline are
    what QEMU's -kernel, -initrd and -append get with kernel-hashes=on; without @kernel nothing but
    the firmware is bound. @guest_features is SEV_FEATURES (1: SNP). @firmware_digest stands for the
    firmware's own pages where @firmware is no more than its end. ValueError."""
    if vcpus < 1:
        raise ValueError("a machine has a processor at least")
    if kernel is None and (initrd is not None or cmdline is not None):
        raise ValueError("initrd and command line are measured together with a kernel only")
    image, hashes = Firmware(firmware), None
    launch = Launch(firmware_digest or bytes(DIGEST_SIZE))
    if firmware_digest is None:
        launch.add_all(image.address, firmware)
    if kernel is not None:
        table = image.hash_table_address()
        hashes = hash_page(kernel, initrd, cmdline, table % PAGE)
        if not any(kind == SECTION_HASHES for _, _, kind in image.sections()):
            launch.add(PAGE_NORMAL, table - table % PAGE, hashes)
    add_sections(launch, image, hashes, monitor)
    signature = processor_signature(vcpu_type)
    entries = [RESET_VECTOR] + [image.number(RESET_BLOCK, "where further processors start")
                                for _ in range(vcpus - 1)]
    for entry in entries:
        launch.add(PAGE_VMSA, VMSA_ADDRESS, vmsa(entry, signature, guest_features, monitor))
    return launch.digest
