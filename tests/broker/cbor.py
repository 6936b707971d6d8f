# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A reader of CBOR (RFC 8949) for what attestation tokens hold: integers, byte and text strings,
arrays, maps, tags, true, false and null, all of known length."""

from binary import Reader, Refused

DEEPEST = 16
SIMPLE = {20: False, 21: True, 22: None}


class Tag:
    def __init__(self, number, value):
        self.number, self.value = number, value


def read(data, what):
    """The one item that @data is."""
    reader = Reader(data, what)
    value = item(reader, 0)
    reader.end()
    return value


def argument(reader, low):
    if low < 24:
        return low
    if low > 27:
        raise Refused(f"{reader.what}: CBOR of unknown length")
    return reader.be(1 << low - 24)


def item(reader, depth):
    if depth > DEEPEST:
        raise Refused(f"{reader.what}: CBOR nested too deep")
    first = reader.be(1)
    kind, value = first >> 5, argument(reader, first & 31)
    if kind == 0:
        return value
    if kind == 1:
        return -1 - value
    if kind == 2:
        return reader.bytes(value)
    if kind == 3:
        return text(reader, value)
    if kind == 4:
        check_count(reader, value)
        return [item(reader, depth + 1) for _ in range(value)]
    if kind == 5:
        check_count(reader, value)
        return pairs(reader, value, depth)
    if kind == 6:
        return Tag(value, item(reader, depth + 1))
    if value not in SIMPLE or first & 31 > 23:
        raise Refused(f"{reader.what}: CBOR of a kind that tokens do not hold")
    return SIMPLE[value]


def check_count(reader, count):
    if count > reader.left():
        raise Refused(f"{reader.what}: it ends too early")


def text(reader, size):
    try:
        return reader.bytes(size).decode()
    except UnicodeDecodeError:
        raise Refused(f"{reader.what}: text that is no UTF-8") from None


def pairs(reader, count, depth):
    found = {}
    for _ in range(count):
        key = item(reader, depth + 1)
        if not isinstance(key, (int, str)) or key in found:
            raise Refused(f"{reader.what}: a map with a key twice, or with a strange one")
        found[key] = item(reader, depth + 1)
    return found
