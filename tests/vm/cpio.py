# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Archives that the kernel unpacks: an initrd and what lies over it; cpio, format newc."""

import stat


def member(number, name, mode, data):
    name = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return pad(head) + pad(data)


def pad(data):
    return data + bytes(-len(data) % 4)


def archive(files):
    """@files: path -> bytes, (bytes, mode), or "-> target" for a symbolic link."""
    result = b""
    folders = set()
    number = 1
    for path, content in files.items():
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                result += member(number, folder, stat.S_IFDIR | 0o755, b"")
                number += 1
        mode = stat.S_IFREG | 0o644
        if isinstance(content, str):
            mode, content = stat.S_IFLNK | 0o777, content.removeprefix("-> ").encode()
        elif isinstance(content, tuple):
            mode, content = stat.S_IFREG | content[1], content[0]
        result += member(number, "/".join(parts), mode, content)
        number += 1
    result += member(0, "TRAILER!!!", 0, b"")
    return result + bytes(-len(result) % 512)


def append(initrd, target, files):
    """The initrd followed by an archive, on the boundary that the kernel looks at."""
    data = initrd.read_bytes()
    target.write_bytes(data + bytes(-len(data) % 512) + archive(files))
    return target


def members(data):
    """Path, mode, number of the inode and size of each; hard links carry it once, at the last."""
    at = 0
    while True:
        fields = [int(data[at + 6 + 8 * index:at + 14 + 8 * index], 16) for index in range(13)]
        number, mode, size, length = fields[0], fields[1], fields[6], fields[11]
        name = data[at + 110:at + 110 + length - 1].decode()
        if name == "TRAILER!!!":
            return
        yield name, mode, number, size
        for part in 110 + length, size:
            at += part + -part % 4
