# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Run a command in the network namespace of its own that "unshare" has made, where the only name
server is 127.0.0.1 and refuses, or takes questions and is silent.

    unshare --net --mount python3 island.py refuse|silent COMMAND...
"""

import fcntl
import socket
import struct
import subprocess
import sys
import tempfile

SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def replace(path, text):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        subprocess.run(["mount", "--bind", file.name, path], check=True)


def main(names, *command):
    raise_loopback()
    replace("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    replace("/etc/nsswitch.conf", "hosts: files dns\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        if names == "silent":
            server.bind(("127.0.0.1", 53))
        return subprocess.run(command, check=False).returncode


sys.exit(main(*sys.argv[1:]))
