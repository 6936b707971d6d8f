# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Event logs of confidential computing (UEFI: EFI_CC_EVENT_LOG; TCG PC Client Platform Firmware
Profile: TCG_PCR_EVENT2) and what they replay to. Index 1 to 4 is RTMR 0 to 3."""

import hashlib

from binary import Reader, Refused

SIZES = {0x0004: 20, 0x000B: 32, 0x000C: 48, 0x000D: 64, 0x0012: 32}
SHA384 = 0x000C
NO_ACTION, EVENT_TAG = 3, 6
# Events of the attestation agent: tag, size and text, and the digest is over all of these.
AGENT_TAG = (0x4141454C).to_bytes(4, "little")
PADDING = (b"\xff" * 8, b"\0" * 8)


def events(log):
    """(index, type, SHA-384 digest, data) of each event after the header."""
    reader = Reader(log, "event log")
    reader.le(4)
    if reader.le(4) != NO_ACTION:
        raise Refused("event log: it does not begin with a header")
    reader.bytes(20)
    reader.bytes(reader.le(4))
    while reader.left() and reader.data[reader.at:reader.at + 8] not in PADDING:
        yield one_event(reader)


def one_event(reader):
    index, kind, digests = reader.le(4), reader.le(4), {}
    for _ in range(reader.le(4)):
        algorithm = reader.le(2)
        if algorithm not in SIZES or algorithm in digests:
            raise Refused("event log: a digest of an unknown algorithm, or two of one")
        digests[algorithm] = reader.bytes(SIZES[algorithm])
    data = reader.bytes(reader.le(4))
    if SHA384 not in digests and kind != NO_ACTION:
        raise Refused("event log: an event without SHA-384")
    if kind == EVENT_TAG and data[:4] == AGENT_TAG:
        if hashlib.sha384(data).digest() != digests[SHA384]:
            raise Refused("event log: the digest of an agent's event is not over its data")
    return index, kind, digests.get(SHA384), data


def replay(log):
    """RTMR 0 to 3 after all events of @log."""
    registers = [bytes(48)] * 4
    for index, kind, digest, _ in events(log):
        if kind == NO_ACTION:
            continue
        if not 1 <= index <= 4:
            raise Refused(f"event log: an event for register {index}")
        registers[index - 1] = hashlib.sha384(registers[index - 1] + digest).digest()
    return registers
