# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What a baked image holds: its partition table, its boot program, and the files that cvmroot reads
in the initrd."""

import contextlib
import pathlib
import re
import struct
import subprocess
import tempfile
import uuid
import zlib

from . import Refused

SECTOR = 512
MIB = 1 << 20
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
GPT_HEADER = 92
# What the stub would take from the ESP, and measure, besides what is in the UKI.
STUB_FOLDERS = re.compile(r"::/(?:loader/(?:addons|credentials|extensions)/"
                          r"|EFI/[^:]*\.efi\.extra\.d/).", re.I)
BOOT_PROGRAMS = ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI")
INSTALLED = "EFI/Linux/cvmroot.efi"

CPIO_MAGIC, CPIO_HEADER = b"070701", 110
CPIO_NUMBERS = re.compile(rb"[0-9A-Fa-f]{104}")
CPIO_BLOCK = 512
FOLDER = "etc/cvmroot"
NAMES = ("cvmroot.toml", "root.manifest", "tpm2-pcr-public-key.pem", "tpm2-pcr-signature.json")


def run(*command):
    command = [str(word) for word in command]
    try:
        return subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                              capture_output=True).stdout
    except FileNotFoundError:
        raise Refused(f"not installed: {command[0]}; run image-tools/install-packages "
                      "first") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise Refused(f"{command[0]} failed: {said}") from None


def read_disk(image, start, size, folder):
    """A piece of a disk image, raw or qcow2."""
    with open(image, "rb") as file:
        if file.read(4) != b"QFI\xfb":
            file.seek(start)
            return file.read(size)
    piece = folder / "piece"
    first = start // MIB
    run("qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"if={image}", f"of={piece}", "bs=1M",
        f"skip={first}", f"count={-(-(start + size) // MIB)}")
    with open(piece, "rb") as file:
        file.seek(start - first * MIB)
        data = file.read(size)
    piece.unlink()
    return data


class PartitionTable:
    """A GPT. @event is what firmware measures of it (TCG PC Client Platform Firmware Profile,
    UEFI_GPT_DATA)."""

    def __init__(self, data, name):
        self.data, self.name = data, name
        header = data[SECTOR:SECTOR + GPT_HEADER]
        if header[:8] != b"EFI PART" or struct.unpack_from("<I", header, 12)[0] != GPT_HEADER:
            raise Refused(f"{name} has no GPT")
        table, count, size = struct.unpack_from("<QII", header, 72)
        if size != 128 or count > 1024 or table * SECTOR + count * size > len(data):
            raise Refused(f"the GPT of {name} has a form that is not known")
        entries = [data[table * SECTOR + size * index:][:size] for index in range(count)]
        self.entries = [entry for entry in entries if any(entry[:16])]
        self.table, self.table_size = table * SECTOR, count * size
        self.event = header + struct.pack("<Q", len(self.entries)) + b"".join(self.entries)

    def grown(self, disk_size):
        """The table on a disk of that many bytes, after cvmroot has let the root partition, which
        is the last one, have all of it: whole MiB, and nothing changes for less."""
        data = bytearray(self.data)
        sectors = disk_size // SECTOR
        last_usable = sectors - 2 - self.table_size // SECTOR
        starts = {struct.unpack_from("<Q", data, at + 32)[0]: at
                  for at in range(self.table, self.table + self.table_size, 128)
                  if any(data[at:at + 16])}
        start = max(starts)
        old_size = struct.unpack_from("<Q", data, starts[start] + 40)[0] + 1 - start
        new_size = (last_usable + 1 - start) * SECTOR // MIB * MIB // SECTOR
        if new_size < old_size:
            raise Refused(f"{self.name} does not fit on a disk of {disk_size} bytes")
        if (new_size - old_size) * SECTOR < MIB:
            return self
        struct.pack_into("<Q", data, starts[start] + 40, start + new_size - 1)
        table = bytes(data[self.table:self.table + self.table_size])
        struct.pack_into("<I", data, SECTOR + 88, zlib.crc32(table))
        struct.pack_into("<Q", data, SECTOR + 32, sectors - 1)
        struct.pack_into("<Q", data, SECTOR + 48, last_usable)
        struct.pack_into("<I", data, SECTOR + 16, 0)
        struct.pack_into("<I", data, SECTOR + 16,
                         zlib.crc32(bytes(data[SECTOR:SECTOR + GPT_HEADER])))
        return PartitionTable(bytes(data), self.name)

    def esp(self):
        """Start and size in bytes."""
        found = [entry for entry in self.entries
                 if uuid.UUID(bytes_le=bytes(entry[:16])) == ESP_TYPE]
        if len(found) != 1:
            raise Refused(f"{self.name} has {len(found)} EFI system partitions; one is expected")
        first, last = struct.unpack_from("<QQ", found[0], 32)
        return first * SECTOR, (last + 1 - first) * SECTOR


class Esp:
    def __init__(self, path, name):
        self.path = path
        self.name = name

    def names(self):
        listing = run("mdir", "-b", "-/", "-i", self.path, "::/").decode(errors="replace")
        return [line.strip() for line in listing.splitlines() if line.strip()]

    def read(self, path):
        return run("mcopy", "-n", "-i", self.path, f"::/{path}", "-")

    def boot_program(self):
        names = self.names()
        for name in names:
            if STUB_FOLDERS.match(name):
                raise Refused(f"the ESP of {self.name} holds {name.removeprefix('::')}, which the "
                              "EFI stub would measure as well; take it away")
        lower = {name.removeprefix("::/").lower() for name in names}
        programs = [path for path in BOOT_PROGRAMS if path.lower() in lower]
        if len(programs) != 1:
            raise Refused(f"the ESP of {self.name} has {len(programs)} boot programs "
                          f"({' or '.join(BOOT_PROGRAMS)}); one is expected")
        program = self.read(programs[0])
        if INSTALLED.lower() in lower and self.read(INSTALLED) != program:
            raise Refused(f"{programs[0]} and {INSTALLED} of {self.name} differ; give the one that "
                          "boots with --uki")
        return program


def read_image(image):
    """The boot program and the partition table of a disk image."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="cvmroot-measure-")))
        table = PartitionTable(read_disk(image, 0, MIB, folder), image)
        start, size = table.esp()
        esp = folder / "esp"
        esp.write_bytes(read_disk(image, start, size, folder))
        return Esp(esp, image).boot_program(), table


# --- The initrd ---

def cpio_entries(data, position):
    """(name, mode, content) of one archive in the "newc" form, and at last (None, None, end).
    ValueError when it is none."""
    while True:
        header = data[position:position + CPIO_HEADER]
        if header[:6] != CPIO_MAGIC or not CPIO_NUMBERS.fullmatch(header[6:]):
            raise ValueError("no entry")
        numbers = [int(header[at:at + 8], 16) for at in range(6, CPIO_HEADER, 8)]
        mode, size, name_size = numbers[1], numbers[6], numbers[11]
        name = data[position + CPIO_HEADER:position + CPIO_HEADER + name_size]
        content = position + CPIO_HEADER + name_size
        content += -(content - position) % 4
        end = content + size
        if end > len(data) or name[-1:] != b"\0" or b"\0" in name[:-1]:
            raise ValueError("a broken entry")
        position = end + -size % 4
        if name == b"TRAILER!!!\0":
            yield None, None, position
            return
        yield name[:-1].decode("ascii"), mode, data[content:end]


def appended_files(data, position):
    """{name: content} of the archives from there to the end, all as append-initrd writes them."""
    files = {}
    while position < len(data):
        for name, mode, content in cpio_entries(data, position):
            if name is None:
                position = content
            elif name in ("etc", FOLDER) and mode & 0o170000 == 0o040000:
                continue
            elif mode & 0o170000 == 0o100000 and name.removeprefix(FOLDER + "/") in NAMES:
                files[name.removeprefix(FOLDER + "/")] = content
            else:
                raise ValueError("another file")
        padding = data[position:-(-position // CPIO_BLOCK) * CPIO_BLOCK]
        if any(padding):
            raise ValueError("no padding")
        position += len(padding)
        if not any(data[position:]):
            break
    return files


def cvmroot_files(initrd):
    """The files that append-initrd put at the end of an initrd, the last of a name; {} if it did
    not."""
    for found in re.finditer(re.escape(CPIO_MAGIC), initrd):
        if found.start() % CPIO_BLOCK:
            continue
        try:
            return appended_files(initrd, found.start())
        except (ValueError, UnicodeDecodeError):
            continue
    return {}
