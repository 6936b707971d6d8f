# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Disks of the small virtual machines, made and taken apart without a loop device or a mount."""

import base64
import ctypes
import hashlib
import json
import os
import random
import shutil
import subprocess

MIB = 1 << 20
SHIFT = 16 * MIB  # ciphertext lies this much higher than the plaintext did
TAIL = 2 * SHIFT  # free room behind the file system
START = MIB       # of the first partition
ROOT_TYPE = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"  # root partition of x86-64 (UAPI.2)
DATA_TYPE = "0fc63daf-8483-4772-8e79-3d69d8477de4"  # Linux file system data (UAPI.2)
MARKER = "marker of the image"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, **options).stdout


# ---- Making ----

def write_tree(folder, guest, size, seed):
    """A root with the guest program as init and about @size bytes of files, each marked."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in "dev", "proc", "sys", "run", "tmp", "etc", "sbin", "data", "usr/lib", "var":
        (folder / name).mkdir(parents=True)
    shutil.copy(guest, folder / "sbin" / "init")
    (folder / "sbin" / "other").symlink_to("init")
    (folder / "usr/lib/os-release").write_text('ID=vmtest\nNAME="vmtest"\n')
    (folder / "etc/os-release").symlink_to("../usr/lib/os-release")
    source = random.Random(seed)
    number = 0
    while size > 0:
        length = min(size, source.choice((100, 5000, 300000, 3 * MIB)))
        head = f"{MARKER} {seed} {number}\n".encode()
        (folder / "data" / f"file{number}").write_bytes(head + source.randbytes(length))
        size -= length
        number += 1
    # A hole, and zeros that are stored.
    with open(folder / "data" / "holes", "wb") as file:
        file.write(b"start")
        file.seek(5 * MIB)
        file.write(b"end")
    (folder / "data" / "zeros").write_bytes(bytes(2 * MIB))


def tree_hashes(folder):
    return {
        "/" + str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()
    }


def make_filesystem(path, tree, size, uuid, block_size=4096):
    path.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-b", block_size, "-U", uuid, "-L", "vmroot", "-d", tree,
        path, f"{size // 1024}k", stderr=subprocess.DEVNULL)


def make_disk(path, filesystem, tail=TAIL, behind=MIB, part_uuid=None, part_type=ROOT_TYPE):
    """GPT with one root partition: the file system and @tail bytes; @behind bytes stay free."""
    size = os.path.getsize(filesystem)
    with open(path, "wb") as file:
        file.truncate(START + size + tail + behind)
    script = (f"label: gpt\nstart={START // 512}, size={(size + tail) // 512}, "
              f"type={part_type}, name=root{', uuid=' + part_uuid if part_uuid else ''}\n")
    subprocess.run(["sfdisk", "-q", str(path)], input=script, check=True, text=True)
    write_partition(path, filesystem)


def set_type(path, part_type):
    """Of the one partition."""
    run("sfdisk", "-q", "--part-type", path, 1, part_type)


def write_partition(path, content, offset=START):
    run("dd", f"if={content}", f"of={path}", "bs=1M", f"seek={offset // MIB}",
        "conv=notrunc,sparse", "status=none")


def format_foreign(path, uuid, label, passphrase=b"somebody's passphrase"):
    """A LUKS2 disk of somebody else's in place of the root partition's content."""
    foreign = path.with_suffix(".luks")
    with open(foreign, "wb") as file:
        file.truncate(partition_size(path))
    subprocess.run(
        ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
         "--pbkdf-force-iterations", "1000", "--uuid", uuid, "--label", label, "--key-file", "-",
         str(foreign)], input=passphrase, check=True)
    write_partition(path, foreign)


def grow(path, size):
    """The host enlarges the disk; the partition table stays as it is."""
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) + size)


def copy(source, target):
    run("cp", "--sparse=always", "--reflink=auto", source, target)
    return target


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- Taking apart ----

def root_partition(path):
    """Start and size in bytes of the one partition of the root type."""
    table = json.loads(run("sfdisk", "--json", path))["partitiontable"]
    roots = [entry for entry in table["partitions"] if entry["type"].lower() == ROOT_TYPE]
    if len(roots) != 1:
        raise AssertionError(f"{len(roots)} root partitions on {path}")
    return roots[0]["start"] * 512, roots[0]["size"] * 512


def partition_size(path):
    return root_partition(path)[1]


def read_at(path, offset, size):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def write_at(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


class Xts:
    """AES-256-XTS with plain64 IVs by OpenSSL, sector by sector."""

    def __init__(self, key, encrypt=False):
        self.library = ctypes.CDLL("libcrypto.so.3")
        for name in "EVP_CIPHER_CTX_new", "EVP_aes_256_xts":
            getattr(self.library, name).restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.EVP_CIPHER_CTX_new())
        self.key = key
        self.direction = ctypes.c_int(1 if encrypt else 0)
        self.call("EVP_CipherInit_ex", self.context,
                  ctypes.c_void_p(self.library.EVP_aes_256_xts()), None, key, None,
                  self.direction)

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 1:
            raise OSError(f"{name} failed")

    def crypt(self, data, number):
        output = ctypes.create_string_buffer(len(data))
        size = ctypes.c_int()
        self.call("EVP_CipherInit_ex", self.context, None, None, None,
                  number.to_bytes(16, "little"), self.direction)
        self.call("EVP_CipherUpdate", self.context, output, ctypes.byref(size), data, len(data))
        return output.raw


def check_filesystem(path):
    """None where e2fsck finds a file system clean, else its words."""
    result = subprocess.run(["e2fsck", "-fn", str(path)], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    return None if result.returncode == 0 else result.stdout


def read_file(filesystem, name):
    """A file of an ext4 image."""
    return run("debugfs", "-R", f"cat {name}", filesystem, stderr=subprocess.DEVNULL)


def file_hashes(filesystem, names):
    return {name: hashlib.sha256(read_file(filesystem, name)).hexdigest() for name in names}


def plaintext_blocks(filesystem, size=4096):
    """The blocks of an image that can be told apart from noise and from emptiness."""
    blocks = set()
    with open(filesystem, "rb") as file:
        while block := file.read(size):
            if block.count(block[:1]) != len(block):
                blocks.add(block)
    return blocks


def find_plaintext(path, blocks, markers, size=4096):
    """Scan the whole raw disk: offsets of any block of @blocks and of any marker."""
    found = []
    window = b""
    position = 0
    with open(path, "rb") as file:
        while chunk := file.read(MIB):
            found += [position + offset for offset in range(0, len(chunk), size)
                      if chunk[offset:offset + size] in blocks]
            window = window[-256:] + chunk
            found += [position for marker in markers if marker in window]
            position += len(chunk)
    return found


def encodings(secret):
    """A secret in the forms in which it could leak."""
    return [secret, secret.hex().encode(), secret.hex().upper().encode(),
            base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")]
