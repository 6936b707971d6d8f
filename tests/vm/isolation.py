# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A network for one scenario alone: loopback, a name server, and nothing else of the host."""

import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import threading

from scenario import Skip

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
TYPE_A, TYPE_AAAA = 1, 28
NAME_ERROR = 3

libc = ctypes.CDLL(None, use_errno=True)


def require_done(result, what):
    if result != 0:
        raise Skip(f"{what}: {os.strerror(ctypes.get_errno())}")


def start_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        name = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(handle, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def isolate(folder, names):
    """
    From here on, this process and what it starts have no network but a loopback of their own,
    where a name server answers for @names (name -> addresses); QEMU's user network forwards the
    guest's questions to it.
    """
    require_done(libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "no network namespace can be made")
    require_done(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount namespace")
    start_loopback()
    resolv = pathlib.Path(folder) / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\nnameserver ::1\n", encoding="ascii")
    target = os.path.realpath("/etc/resolv.conf").encode()
    require_done(libc.mount(str(resolv).encode(), target, None, MS_BIND, None), "resolv.conf")
    return NameServer(names)


class NameServer:
    """DNS over UDP (RFC 1035), as much of it as one question needs."""

    def __init__(self, names):
        self.names = names
        self.questions = []
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            server = socket.socket(family, socket.SOCK_DGRAM)
            server.bind((address, 53))
            threading.Thread(target=self.serve, args=(server,), daemon=True).start()

    def serve(self, server):
        while True:
            question, client = server.recvfrom(512)
            try:
                server.sendto(self.answer(question), client)
            except (IndexError, struct.error, UnicodeDecodeError):
                pass  # not a question

    def answer(self, message):
        labels, position = [], 12
        while size := message[position]:
            labels.append(message[position + 1:position + 1 + size].decode("ascii"))
            position += 1 + size
        kind = struct.unpack_from(">H", message, position + 1)[0]
        question = message[12:position + 5]
        name = ".".join(labels).lower()
        self.questions.append(name)
        records = b""
        found = [self.pack(kind, address) for address in self.names.get(name, ())]
        found = [data for data in found if data]
        for data in found:
            records += struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(data)) + data
        status = 0 if name in self.names else NAME_ERROR
        head = message[:2] + struct.pack(">HHHHH", 0x8180 | status, 1, len(found), 0, 0)
        return head + question + records

    @staticmethod
    def pack(kind, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        wanted = TYPE_AAAA if ":" in address else TYPE_A
        return socket.inet_pton(family, address) if kind == wanted else None
