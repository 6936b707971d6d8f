# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The initdata document of Confidential Containers: its digest, and what it says."""

import hashlib
import tomllib

from binary import Refused, member

ALGORITHMS = ("sha256", "sha384", "sha512")


def read(value):
    """(digest, claims) of the member "init-data" of an attestation; (None, None) without one."""
    if value is None:
        return None, None
    if member(value, "format", str) != "toml":
        raise Refused("init-data: its format is not toml")
    text = member(value, "body", str)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"init-data: {error}") from None
    algorithm, data = document.get("algorithm"), document.get("data")
    if document.get("version") != "0.1.0" or algorithm not in ALGORITHMS:
        raise Refused("init-data: its version or its algorithm is not known")
    if not isinstance(data, dict) or not all(isinstance(part, str) for part in data.values()):
        raise Refused("init-data: [data] holds more than strings")
    return hashlib.new(algorithm, text.encode()).digest(), {n: claim(n, t) for n, t in data.items()}


def claim(name, text):
    """Configuration of Confidential Containers is shown parsed."""
    if name not in ("aa.toml", "cdh.toml"):
        return text
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"init-data: {name}: {error}") from None


def fit(digest, size):
    """A digest as a field of @size bytes holds it."""
    return digest[:size].ljust(size, b"\0")
