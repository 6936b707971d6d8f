# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Registers, and what is extended into them: by firmware, EFI stub, kernel, systemd and cvmroot."""

import dataclasses
import hashlib
import hmac
import struct

BANKS = ("sha256", "sha384")
AGENT_TAG = 0x4141454C  # "AAEL"


@dataclasses.dataclass
class Event:
    """@data is what is hashed; a digest that is made otherwise is given by a function."""
    text: str  # for people
    data: bytes = b""
    make: object = None

    def digest(self, algorithm):
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


def volume_key_digest(key, uuid, algorithm):
    """As systemd-cryptsetup measures it: an HMAC under the volume key."""
    return hmac.new(key, volume_key_word(uuid).encode(), algorithm).digest()


def volume_key_event(uuid, digests):
    """@digests: bank to digest; they are extended as they are."""
    return Event(f"{volume_key_word(uuid)}, under the volume key", make=digests.__getitem__)


# --- What a policy of a TPM is made of (TPM 2.0 Part 3, TPM2_PolicyPCR) ---

ALGORITHM_IDS = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}
TPM_CC_POLICY_PCR = 0x0000017F


def policy_pcr(values, bank):
    """The policy digest of a SHA-256 session that wants these PCRs: number to value."""
    select = bytearray(3)
    for number in values:
        select[number // 8] |= 1 << number % 8
    selection = struct.pack(">IHB", 1, ALGORITHM_IDS[bank], len(select)) + bytes(select)
    joined = hashlib.sha256(b"".join(values[number] for number in sorted(values))).digest()
    return hashlib.sha256(bytes(32) + struct.pack(">I", TPM_CC_POLICY_PCR) + selection +
                          joined).digest()
