# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""EFI programs and disks made up for tests: small, and right in what is measured of them."""

import os
import struct
import subprocess

FILE_ALIGNMENT, SECTION_ALIGNMENT = 512, 4096
HEADERS_SIZE = 4096
# EFI_CC_MEASUREMENT_PROTOCOL, as a program that uses it has it among its data.
CC_PROTOCOL = bytes.fromhex("3d1a7596f472a641a794ed5d0e67ae6b")
COMMAND_LINE = "root=/dev/mapper/root rw rd.shell=0"
ESP_START, ESP_SIZE = 1 << 20, 34 << 20


def padded(data, alignment):
    return data + bytes(-len(data) % alignment)


def program(sections, trailing=b""):
    """A PE32+ program for x86-64 of (name, bytes), in that order."""
    table, body, address = b"", b"", SECTION_ALIGNMENT
    for name, data in sections:
        raw = padded(data, FILE_ALIGNMENT)
        table += struct.pack("<8sIIIIIIHHI", name.encode(), len(data), address, len(raw),
                             HEADERS_SIZE + len(body), 0, 0, 0, 0, 0x60000020)
        body += raw
        address += len(padded(data, SECTION_ALIGNMENT))
    optional = struct.pack("<HBBIIIII", 0x20B, 2, 40, len(body), 0, 0, SECTION_ALIGNMENT,
                           SECTION_ALIGNMENT)
    optional += struct.pack("<QIIHHHHHHIIIIHHQQQQII", 0x140000000, SECTION_ALIGNMENT,
                            FILE_ALIGNMENT, 0, 0, 0, 0, 1, 0, 0, address, HEADERS_SIZE, 0, 10,
                            0x160, 0, 0, 0, 0, 0, 16)
    optional += bytes(16 * 8)
    header = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, len(optional), 0x206)
    start = b"MZ" + bytes(58) + struct.pack("<I", 64)
    headers = start + b"PE\0\0" + header + optional + table
    assert len(headers) <= HEADERS_SIZE
    return padded(headers, HEADERS_SIZE) + body + trailing


def kernel(text=b"a kernel", cc=True):
    return program([(".text", text + CC_PROTOCOL * cc),
                    (".data", b"LOADED_IMAGE::LoadOptions\0Linux initrd\0")])


def uki(stub=257, cc=True, **sections):
    """A UKI; a section that is None is left away."""
    found = {"osrel": b"ID=test\n", "cmdline": COMMAND_LINE.encode(), "uname": b"6.12.0-test",
             "initrd": b"an initrd", "linux": kernel()}
    found.update(sections)
    parts = [(".text", b"the stub" + CC_PROTOCOL * cc),
             (".sbat", b"sbat,1,SBAT Version\n"),
             (".sdmagic", b"#### LoaderInfo: systemd-stub %d.1-1 ####\0" % stub)]
    return program(parts + [("." + name, data) for name, data in found.items()
                            if data is not None])


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL,
                          capture_output=True, **options).stdout


def write_disk(path, boot_program, more=(), signature=b"\x16" * 16):
    """A disk image as bake makes it: GPT, ESP with the program, a root partition. @more are further
    files of the ESP, (path, bytes)."""
    esp = path.with_name("esp")
    esp.unlink(missing_ok=True)
    os.truncate(os.open(esp, os.O_CREAT | os.O_WRONLY), ESP_SIZE)
    run("mkfs.vfat", "-F", "32", "-n", "ESP", esp)
    source = path.with_name("source")
    for name, data in [("EFI/BOOT/BOOTX64.EFI", boot_program),
                       ("EFI/Linux/cvmroot.efi", boot_program), *more]:
        source.write_bytes(data)
        folders = name.split("/")[:-1]
        for count in range(1, len(folders) + 1):
            subprocess.run(["mmd", "-D", "s", "-i", str(esp), "::/" + "/".join(folders[:count])],
                           check=False, stdin=subprocess.DEVNULL, capture_output=True)
        run("mcopy", "-D", "o", "-o", "-i", esp, source, f"::/{name}")
    root_start = (ESP_START + ESP_SIZE) // 512
    script = "\n".join([
        "label: gpt", "label-id: " + signature.hex(),
        f"start={ESP_START // 512}, size={ESP_SIZE // 512}, "
        "type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, "
        "uuid=11111111-1111-4111-8111-111111111111, name=ESP",
        f"start={root_start}, size=2048, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, "
        "uuid=22222222-2222-4222-8222-222222222222, name=root"])
    with open(path, "wb") as file:
        file.truncate(ESP_START + ESP_SIZE + (4 << 20))
    subprocess.run(["sfdisk", "--quiet", str(path)], check=True, input=script.encode(),
                   capture_output=True)
    with open(path, "r+b") as file:
        file.seek(ESP_START)
        file.write(esp.read_bytes())
