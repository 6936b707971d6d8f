# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Rows 1, 2, 4: LUKS2 headers that the host has rewritten, every checksum made right."""

import json
import hashlib

import disk
from lab import converted
from rows import attack

METADATA_SIZE = 16384
JSON_OFFSET, CHECKSUM_OFFSET, CHECKSUM_SIZE = 4096, 448, 64


def rewrite(path, change, fields=None):
    """
    Both copies of the header on a disk, their JSON changed by a function, checksums right.
    @fields: offset -> bytes, changed in front of the JSON.
    """
    metadata = disk.luks_metadata(path)
    change(metadata)
    text = json.dumps(metadata, separators=(",", ":")).encode()
    with open(path, "r+b") as file:
        for start in (disk.START, disk.START + METADATA_SIZE):
            file.seek(start)
            copy = bytearray(file.read(METADATA_SIZE))
            for offset, data in (fields or {}).items():
                copy[offset:offset + len(data)] = data
            copy[JSON_OFFSET:] = text.ljust(METADATA_SIZE - JSON_OFFSET, b"\0")
            copy[CHECKSUM_OFFSET:CHECKSUM_OFFSET + CHECKSUM_SIZE] = bytes(CHECKSUM_SIZE)
            copy[CHECKSUM_OFFSET:CHECKSUM_OFFSET + 32] = hashlib.sha256(copy).digest()
            file.seek(start)
            file.write(copy)


@attack(4, "refused, nothing written", weaken="requirements", red="no .* on the console")
def requirements(name):
    """Forged "re-encryption in progress" metadata (CVE-2021-4122)."""
    lab = converted(name)
    rewrite(lab.disk, lambda metadata: metadata["config"].update(
        requirements={"mandatory": ["online-reencrypt-v2"]}))
    lab.refuse(r"cvmroot.*has requirements")
    return "refused: it has requirements; the disk unchanged"
