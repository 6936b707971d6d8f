# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Registers, and what is extended into them: by firmware, EFI stub, kernel, systemd and cvmroot."""

import dataclasses
import hashlib
import struct

BANKS = ("sha256", "sha384")
AGENT_TAG = 0x4141454C  # "AAEL"


@dataclasses.dataclass
class Event:
    """@data is what is hashed; a digest that is made otherwise is given by a function, or is among
    @digests, which need not have every bank."""
    text: str  # for people
    data: bytes = b""
    make: object = None
    digests: dict = None

    def knows(self, algorithm):
        return self.digests is None or algorithm in self.digests

    def digest(self, algorithm):
        if self.digests is not None:
            return self.digests[algorithm]
        if self.make:
            return self.make(algorithm)
        return hashlib.new(algorithm, self.data).digest()


def replay(events, algorithm, value=None):
    value = value or bytes(hashlib.new(algorithm).digest_size)
    for event in events:
        value = hashlib.new(algorithm, value + event.digest(algorithm)).digest()
    return value


def phase_event(phase):
    return Event(f"phase {phase}", phase.encode())


def word_event(name, content):
    """What cvmroot puts into a PCR."""
    word = f"cvmroot:{name}:{content}" if content else f"cvmroot:{name}"
    return Event(word, word.encode())


def agent_event(name, content):
    """The same in an RTMR, in the form of CoCo's attestation agent."""
    text = f"cvmroot {name} {content or '-'}".encode()
    return Event(text.decode(), struct.pack("<II", AGENT_TAG, len(text)) + text)


def volume_key_word(uuid):
    return f"cryptsetup:root:{uuid}"


def volume_key_event(uuid, digests):
    """@digests: bank to the HMAC under the volume key, as systemd-cryptsetup measures it; they are
    extended as they are."""
    return Event(f"{volume_key_word(uuid)}, under the volume key", digests=digests)
