# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A disk whose host does not keep still: an NBD server (fixed newstyle) that a test steers."""

import pathlib
import socket
import struct
import threading

GREETING = b"NBDMAGICIHAVEOPT"
OPTION_MAGIC, REPLY_MAGIC = b"IHAVEOPT", 0x3E889045565A9
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE = 1
HAS_FLAGS, SEND_FLUSH = 1, 4  # no FUA: what must last is flushed
OPTION_ABORT, OPTION_GO = 2, 7
REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 1, 3, 0x80000001
INFO_EXPORT = 0
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
EIO = 5


class NetworkDisk:
    """
    Serves a file from its own thread. What derives from it changes read(), write(), flush();
    OSError in these is an I/O error of the guest.
    """

    def __init__(self, path, address):
        self.file = open(path, "r+b")
        self.size = pathlib.Path(path).stat().st_size
        self.address = address
        self.error = None
        pathlib.Path(address).unlink(missing_ok=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(address))
        self.server.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """QEMU has ended by now, and the connection with it."""
        # This ends accept(), too, where QEMU has never connected.
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.server.close()
        self.file.close()
        if self.error:
            raise self.error

    def read(self, offset, size):
        self.file.seek(offset)
        return self.file.read(size)

    def write(self, offset, data):
        self.file.seek(offset)
        self.file.write(data)

    def flush(self):
        self.file.flush()

    def serve(self):
        try:
            client = self.server.accept()[0]
        except OSError:
            return
        with client:
            try:
                if self.negotiate(client):
                    while self.answer(client):
                        pass
            except (ConnectionError, EOFError):
                pass  # QEMU is gone
            except Exception as error:  # pylint: disable=broad-except
                self.error = error

    def negotiate(self, client):
        client.sendall(GREETING + struct.pack(">H", FIXED_NEWSTYLE))
        receive(client, 4)
        while True:
            magic, option, size = struct.unpack(">8sII", receive(client, 16))
            receive(client, size)
            if magic != OPTION_MAGIC or option == OPTION_ABORT:
                return False
            if option != OPTION_GO:
                client.sendall(reply(option, REPLY_UNSUPPORTED))
                continue
            export = struct.pack(">HQH", INFO_EXPORT, self.size, HAS_FLAGS | SEND_FLUSH)
            client.sendall(reply(option, REPLY_INFO, export) + reply(option, REPLY_ACK))
            return True

    def answer(self, client):
        """One request; false at the last."""
        magic, _, kind, handle, offset, size = struct.unpack(">IHHQQI", receive(client, 28))
        if magic != REQUEST_MAGIC:
            raise ValueError("not an NBD request")
        if kind == DISCONNECT:
            return False
        error, data = 0, b""
        try:
            if kind == READ:
                data = self.read(offset, size)
            elif kind == WRITE:
                self.write(offset, receive(client, size))
            elif kind == FLUSH:
                self.flush()
        except OSError:
            error = EIO
        client.sendall(struct.pack(">IIQ", ANSWER_MAGIC, error, handle) + data)
        return True


def receive(client, size):
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def reply(option, kind, data=b""):
    return struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data
