# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A bounded reader of binary structures. Whatever does not fit raises Refused."""

import base64
import binascii


class Refused(Exception):
    """Evidence that is not believed, and why."""


class Reader:
    def __init__(self, data, what):
        self.data, self.what, self.at = data, what, 0

    def bytes(self, count):
        if count < 0 or count > len(self.data) - self.at:
            raise Refused(f"{self.what}: it ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size, order):
        return int.from_bytes(self.bytes(size), order)

    def be(self, size):
        return self.number(size, "big")

    def le(self, size):
        return self.number(size, "little")

    def left(self):
        return len(self.data) - self.at

    def end(self):
        if self.left():
            raise Refused(f"{self.what}: {self.left()} bytes follow it")


def member(value, name, kind):
    """A member of a JSON object that must be there and be of @kind."""
    if not isinstance(value, dict) or name not in value:
        raise Refused(f"evidence: there is no member {name}")
    found = value[name]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise Refused(f"evidence: member {name} is of another type")
    return found


def octets(value, name, size=None):
    """A JSON array of numbers as bytes."""
    found = member(value, name, list)
    if not all(type(number) is int and 0 <= number <= 255 for number in found):
        raise Refused(f"evidence: member {name} is no array of bytes")
    if size is not None and len(found) != size:
        raise Refused(f"evidence: member {name} has {len(found)} bytes, not {size}")
    return bytes(found)


def base64_text(text, name):
    """Standard base64, padded."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"evidence: member {name} is no base64") from None


def base64url_text(text, name):
    """Base64url, padded."""
    try:
        data = base64.b64decode(text, b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"evidence: member {name} is no base64url") from None
    if base64.urlsafe_b64encode(data).decode() != text:
        raise Refused(f"evidence: member {name} is no padded base64url")
    return data


def hex_text(text, name):
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise Refused(f"evidence: member {name} is no hex") from None
    if data.hex() != text.lower():
        raise Refused(f"evidence: member {name} is no hex")
    return data
