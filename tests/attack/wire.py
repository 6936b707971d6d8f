# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What runs between a machine and its vTPM, seen and changed by the host (TPM 2.0 Library, part 1:
sessions, parameter encryption).
"""

import hmac
import hashlib
import select
import socket
import struct
import subprocess
import threading

from vtpm import VirtualTpm

UNSEAL, NV_READ = 0x15E, 0x14E
ENCRYPT = 0x40  # TPMA_SESSION: the response's first parameter


class Wire(VirtualTpm):
    """
    The vTPM in a folder, with the host in front of it. change(command, response) returns what the
    machine gets as the response; None lets it wait for ever.
    """

    def __init__(self, folder, change=lambda command, response: response):
        super().__init__(folder)
        self.change = change
        self.exchanges = []

    def start(self):
        path = super().start()
        server, ours = self.listen("wire.sock")
        threading.Thread(target=self.serve, args=(server, path), daemon=True).start()
        return ours

    def serve(self, server, path):
        """Control messages pass; the data channel, whose socket is in one of them, is read."""
        machine, _ = server.accept()
        server.close()
        control = socket.socket(socket.AF_UNIX)
        control.connect(str(path))
        peers = {machine: control, control: machine}
        while True:
            for source in select.select(list(peers), [], [])[0]:
                data, descriptors, _, _ = socket.recv_fds(source, 65536, 1)
                if not data:
                    for end in peers:
                        end.close()
                    return
                if descriptors:
                    self.tap(descriptors[0], control, data)
                else:
                    peers[source].sendall(data)

    def tap(self, descriptor, control, message):
        ours, theirs = socket.socketpair()
        socket.send_fds(control, [message], [theirs.fileno()])
        theirs.close()
        machine = socket.socket(fileno=descriptor)
        threading.Thread(target=self.carry, args=(machine, ours), daemon=True).start()

    def carry(self, machine, tpm):
        while command := receive(machine):
            tpm.sendall(command)
            response = receive(tpm)
            self.exchanges.append((command, response))
            response = self.change(command, response)
            if response is not None:
                machine.sendall(response)

    def traffic(self):
        return b"".join(command + response for command, response in self.exchanges)


def receive(stream):
    """One command or response; its header says how long it is."""
    data, size = b"", 10
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            return b""
        data += more
        if len(data) == 10:
            size = struct.unpack(">HI", data[:6])[1]
    return data


def code(command):
    return struct.unpack(">I", command[6:10])[0]


def take(data):
    """A sized field, and what follows it."""
    size = struct.unpack(">H", data[:2])[0]
    return data[2:2 + size], data[2 + size:]


class Exchange:
    """A command with sessions and its response, read by whoever sees them."""

    def __init__(self, command, handles, response):
        self.code = code(command)
        self.head = response[:14]
        size = struct.unpack(">I", response[10:14])[0]
        self.parameters = response[14:14 + size]
        self.sessions = []
        callers = self.callers(command[10 + 4 * handles:])
        rest = response[14 + size:]
        for nonce_caller in callers:
            nonce_tpm, rest = take(rest)
            attributes, rest = rest[0], rest[1:]
            mac, rest = take(rest)
            self.sessions.append((nonce_caller, nonce_tpm, attributes, mac))

    @staticmethod
    def callers(data):
        """The caller's nonce of each session in a command."""
        size = struct.unpack(">I", data[:4])[0]
        area, found = data[4:4 + size], []
        while area:
            nonce, area = take(area[4:])
            found.append(nonce)
            _, area = take(area[1:])
        return found

    def secret(self):
        """The first parameter, if the encrypting session has a key that everybody knows: none."""
        for caller, tpm, attributes, _ in self.sessions:
            if attributes & ENCRYPT:
                return crypt("-d", caller, tpm, take(self.parameters)[0])
        return take(self.parameters)[0]

    def forge(self, content):
        """The response with another first parameter, as whoever knows the session's key would."""
        result = b""
        for caller, tpm, attributes, _ in self.sessions:
            if attributes & ENCRYPT:
                content = crypt("-e", caller, tpm, content)
        parameters = struct.pack(">H", len(content)) + content
        digest = hashlib.sha256(bytes(4) + struct.pack(">I", self.code) + parameters).digest()
        for caller, tpm, attributes, mac in self.sessions:
            if mac:
                mac = hmac.digest(b"", digest + tpm + caller + bytes([attributes]), "sha256")
            result += struct.pack(">H", len(tpm)) + tpm + bytes([attributes])
            result += struct.pack(">H", len(mac)) + mac
        return self.head + parameters + result


def crypt(direction, caller, tpm, data):
    """AES-128-CFB with key and IV by KDFa from an empty session key."""
    text = struct.pack(">I", 1) + b"CFB\0" + tpm + caller + struct.pack(">I", 256)
    derived = hmac.digest(b"", text, "sha256").hex()
    return subprocess.run(["openssl", "enc", direction, "-aes-128-cfb", "-K", derived[:32], "-iv",
                           derived[32:]], input=data, check=True, stdout=subprocess.PIPE).stdout
