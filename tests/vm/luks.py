# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
The LUKS2 header of a root partition: read, rewritten and authenticated without cvmroot's code. The
layout is that of the LUKS2 On-Disk Format Specification, the MAC that of cvmroot(7).
"""

import hashlib
import hmac
import json
import pathlib
import struct
import subprocess
from uuid import UUID

import disk
from disk import MIB

MAGIC = b"LUKS\xba\xbe\x00\x02"
METADATA_SIZE = 16384  # of each of the two copies
LABEL_OFFSET, LABEL_SIZE = 24, 48
UUID_OFFSET, UUID_SIZE = 168, 40
CHECKSUM_OFFSET, CHECKSUM_SIZE = 448, 64
JSON_OFFSET = 4096
CIPHER = "aes-xts-plain64"  # the only one that cvmroot takes
KEY_SIZE = 64
FACTS_LABEL, MAC_LABEL = b"cvmroot-facts-v1", b"cvmroot header v1"


# ---- Reading ----

def metadata(path, start=None):
    """The JSON of the first copy, that of the root partition or at @start; None without a magic."""
    start = disk.root_partition(path)[0] if start is None else start
    head = disk.read_at(path, start, METADATA_SIZE)
    if not head.startswith(MAGIC):
        return None
    return json.loads(head[JSON_OFFSET:].split(b"\0", 1)[0])


def field(path, offset, size):
    return disk.read_at(path, disk.root_partition(path)[0] + offset, size).rstrip(b"\0").decode()


def uuid(path):
    return field(path, UUID_OFFSET, UUID_SIZE)


def label(path):
    return field(path, LABEL_OFFSET, LABEL_SIZE)


def token(header, kind):
    """The one token of a kind in the JSON."""
    found = [entry for entry in header["tokens"].values() if entry["type"] == kind]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} tokens of type {kind}")
    return found[0]


def volume_key(path, passphrase, folder):
    """cryptsetup's answer for the slot that a passphrase opens, from the raw disk."""
    header = pathlib.Path(folder) / "header"
    header.write_bytes(disk.read_at(path, disk.root_partition(path)[0], disk.SHIFT) + bytes(MIB))
    key = pathlib.Path(folder) / "volume.key"
    key.unlink(missing_ok=True)
    subprocess.run(["cryptsetup", "luksDump", "--batch-mode", "--dump-volume-key",
                    "--volume-key-file", str(key), "--key-file", "-", str(header)],
                   input=passphrase, check=True, stdout=subprocess.DEVNULL)
    return key.read_bytes()


def decrypt(path, key, target, size=None):
    """Write the plaintext of the root partition's segment to a file."""
    segment = metadata(path)["segments"]["0"]
    if segment["encryption"] != CIPHER or int(segment["offset"]) != disk.SHIFT:
        raise AssertionError(f"unexpected segment {segment}")
    step = segment["sector_size"]
    start, whole = disk.root_partition(path)
    size = size or whole - disk.SHIFT
    cipher = disk.Xts(key)
    with open(path, "rb") as source, open(target, "wb") as output:
        source.seek(start + disk.SHIFT)
        for offset in range(0, size, step):
            data = source.read(step)
            # plain64 counts sectors of 512 bytes, whatever the sector size.
            output.write(cipher.crypt(data, offset // 512))
    return target


# ---- Forging ----

def rewrite(path, change, fields=None):
    """
    Both copies on a disk, their JSON changed by a function, checksums right.
    @fields: offset -> bytes, changed in front of the JSON.
    """
    start = disk.root_partition(path)[0]
    header = metadata(path, start)
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) >= METADATA_SIZE - JSON_OFFSET:
        raise AssertionError("the forged header is too long")
    for place in start, start + METADATA_SIZE:
        copy = bytearray(disk.read_at(path, place, METADATA_SIZE))
        for offset, data in (fields or {}).items():
            copy[offset:offset + len(data)] = data
        copy[JSON_OFFSET:] = text.ljust(METADATA_SIZE - JSON_OFFSET, b"\0")
        copy[CHECKSUM_OFFSET:CHECKSUM_OFFSET + CHECKSUM_SIZE] = bytes(CHECKSUM_SIZE)
        copy[CHECKSUM_OFFSET:CHECKSUM_OFFSET + 32] = hashlib.sha256(copy).digest()
        disk.write_at(path, place, copy)


# ---- Authenticating ----

def hkdf(material, info):
    """RFC 5869 with SHA-256, no salt, one block."""
    key = hmac.digest(bytes(32), material, "sha256")
    return hmac.digest(key, info + b"\x01", "sha256")


def fingerprint(key, identity):
    """Of a volume key; a TPM's log shows it to everybody."""
    return hmac.digest(key, f"cryptsetup:root:{identity}".encode(), "sha256")


def facts(header, identity, key):
    """What the MAC of keyslot 0 covers, of a header with this JSON, UUID and volume key."""
    epoch = int(token(header, "cvmroot")["epoch"])
    segment = header["segments"]["0"]
    return (FACTS_LABEL + struct.pack("<IIQQII", 0, segment["sector_size"],
                                      int(segment["offset"]), epoch, KEY_SIZE, 0)
            + UUID(identity).bytes + CIPHER.encode().ljust(32, b"\0")
            + fingerprint(key, identity))


def mac(secret, covered):
    return hmac.digest(hkdf(secret, MAC_LABEL), covered, "sha256")
