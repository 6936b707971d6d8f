# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Launch measurements against published known answers."""

import hashlib
import json
import pathlib
import re
import sys

from case import IMAGE_TOOLS, Skip, case, need, need_equal, vectors

sys.path.insert(0, str(IMAGE_TOOLS))
from reference import snp, tdx  # noqa: E402

OVMF_DIGEST = ("086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa"
               "16aff8c374c2a55c467a50da6d466b74")


def text_of(value):
    """The string inside the notation of a known answer: Some("x".into()), "x", None."""
    found = re.search(r'"([^"]*)"', value)
    return found.group(1) if found else None


def answer_of(known, digest):
    folder = vectors("virtee-sev")
    firmware = (folder / text_of(known["ovmf_file"])).read_bytes()
    names = {"kernel_file": b"", "initrd_file": b""}
    for name in names:
        path = text_of(known[name])
        need(path in (None, "/dev/null"), f"another file: {path}")
        names[name] = b"" if path else None
    monitor = "ec2" if "EC2" in known["vmm_type"] else "qemu"
    need_equal(known["vcpu_type"], "CpuType::EpycV4", "processor")
    return snp.launch_measurement(
        firmware, int(known["vcpus"]), "EPYC-v4",
        int(re.search("0x[0-9a-f]+", known["guest_features"]).group(), 16),
        names["kernel_file"], names["initrd_file"], text_of(known["append"]),
        monitor=monitor, firmware_digest=digest)


@case("launch-snp-known")
def snp_known(_folder):
    """Every published answer, of QEMU and of EC2. The files are the last page of a firmware: some
    answers stand on the digest of the whole, which is known, the others on this page alone."""
    count = 0
    for known in json.loads(vectors("virtee-sev/launch-digest-kat.json").read_text()):
        digest = bytes.fromhex(OVMF_DIGEST) if "ovmf_hash" in known["ovmf_hash_str"] else None
        if known["test"].endswith("should_fail"):
            refused(lambda known=known: answer_of(known, None), "takes no hashes")
        else:
            need_equal(answer_of(known, digest).hex(), known["expected_launch_digest"],
                       known["test"])
        count += 1
    need_equal(count, 14, "known answers")


def refused(function, sentence):
    try:
        function()
    except ValueError as error:
        need(re.search(sentence, str(error)), f"refused for another reason: {error}")
        return
    raise AssertionError(f"nothing was refused: {sentence}")


@case("launch-snp-inputs")
def snp_inputs(_folder):
    """Each input counts, and the measured digest is of all of them."""
    firmware = vectors("virtee-sev/tests/measurement/ovmf_AmdSev_suffix.bin").read_bytes()
    base = {"firmware": firmware, "vcpus": 2, "vcpu_type": "EPYC-Milan", "guest_features": 1,
            "kernel": b"kernel", "initrd": b"initrd", "cmdline": "root=/dev/mapper/root"}
    other = {"firmware": b"\1" + firmware[1:], "vcpus": 3, "vcpu_type": "EPYC-Genoa",
             "guest_features": 0x21, "kernel": b"Kernel", "initrd": b"Initrd",
             "cmdline": "root=/dev/mapper/root ro"}
    seen = {snp.launch_measurement(**base)}
    need_equal(snp.launch_measurement(**base), seen.copy().pop(), "the same inputs again")
    for name, value in other.items():
        seen.add(snp.launch_measurement(**{**base, name: value}))
    need_equal(len(seen), 1 + len(other), "different measurements")
    need_equal(snp.launch_measurement(**{**base, "vcpu_type": "EPYC-Milan-v2"}),
               snp.launch_measurement(**base), "a later version of the same processor")
    for change, sentence in (({"vcpus": 0}, "a processor at least"),
                             ({"vcpu_type": "Opteron"}, "is not known"),
                             ({"kernel": None}, "with a kernel only"),
                             ({"firmware": firmware[:-1]}, "whole number of pages"),
                             ({"firmware": bytes(4096)}, "not OVMF")):
        refused(lambda change=change: snp.launch_measurement(**{**base, **change}), sentence)


def other_mrtd(data):
    """MRTD by another way: all that is hashed is written down first, and sections are found by
    their signature, not by the firmware's table."""
    start = data.rindex(b"TDVF")
    count = int.from_bytes(data[start + 12:start + 16], "little")
    stream = bytearray()

    def step(text, address):
        stream.extend(text + bytes(16 - len(text)) + address.to_bytes(8, "little") + bytes(104))

    for index in range(count):
        entry = data[start + 16 + 32 * index:start + 48 + 32 * index]
        offset, size = (int.from_bytes(entry[i:i + 4], "little") for i in (0, 4))
        address, space = (int.from_bytes(entry[i:i + 8], "little") for i in (8, 16))
        for page in range(space // 4096):
            step(b"MEM.PAGE.ADD", address + 4096 * page)
            if entry[28] & 1:
                for part in range(16):
                    at = 4096 * page + 256 * part
                    step(b"MR.EXTEND", address + at)
                    stream.extend(data[offset:offset + size][at:at + 256])
    return hashlib.sha384(stream).digest()


OVMF = pathlib.Path("/usr/share/ovmf/OVMF.fd")


@case("launch-tdx")
def tdx_twice(_folder):
    """No published MRTD of a firmware in Debian is known: two implementations agree, on the real
    firmware, and the parts count that must."""
    if not OVMF.exists():
        raise Skip(f"{OVMF} is missing")
    firmware = OVMF.read_bytes()
    value = tdx.mrtd(firmware)
    need_equal(value.hex(), other_mrtd(firmware).hex(), "MRTD")
    need(tdx.mrtd(firmware, order="section") != value, "the order of the steps does not count")
    sections = tdx.Firmware(firmware).sections()
    need_equal([measured for _, _, measured in sections], [True] + [False] * 5, "measured sections")
    code = firmware.index(sections[0][1])
    for at, counts in ((code, True), (len(firmware) - 1, True), (0, False), (code - 1, False)):
        changed = bytearray(firmware)
        changed[at] ^= 1
        need_equal(tdx.mrtd(bytes(changed)) != value, counts, f"byte {at} counts")
    start = firmware.rindex(b"TDVF")
    for at, sentence in ((start, "damaged"), (start + 8, "version"), (start + 16 + 3, "not fit"),
                         (start + 16 + 29, "unknown attribute"), (start + 12 + 1, "damaged")):
        changed = bytearray(firmware)
        changed[at] ^= 0x80
        refused(lambda changed=changed: tdx.mrtd(bytes(changed)), sentence)
    refused(lambda: tdx.mrtd(bytes(4096)), "not OVMF")
