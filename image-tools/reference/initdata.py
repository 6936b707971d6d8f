# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""An initdata document of Confidential Containers, from which an image may take its configuration:
as strict as cvmroot is with it."""

import hashlib
import tomllib

from . import Refused

VERSION = "0.1.0"
ALGORITHMS = ("sha256", "sha384", "sha512")
CONFIG = "cvmroot.toml"
# The one that a TPM's PCR 8 binds, and the bank that it does so in.
TPM_ALGORITHM = "sha256"


def fit(digest, size):
    """A digest as a field of @size bytes holds it."""
    return digest[:size].ljust(size, b"\0")


class Initdata:
    """@config: the configuration in it. @digest: what the platform binds."""

    def __init__(self, data, name):
        try:
            document = tomllib.loads(data.decode("utf-8"))
        except (ValueError, UnicodeDecodeError) as error:
            raise Refused(f"{name}: {error}") from None
        unknown = set(document) - {"version", "algorithm", "data"}
        if unknown or document.get("version") != VERSION:
            raise Refused(f"{name} is not an initdata document of version {VERSION}")
        self.algorithm = document.get("algorithm")
        if self.algorithm not in ALGORITHMS:
            raise Refused(f"{name}: its algorithm is one of {', '.join(ALGORITHMS)}, not "
                          f"{self.algorithm!r}")
        texts = document.get("data")
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise Refused(f"{name}: [data] holds more than texts, or is missing")
        if CONFIG not in texts:
            raise Refused(f'{name}: [data] has no "{CONFIG}"')
        self.config = texts[CONFIG].encode()
        self.digest = hashlib.new(self.algorithm, data).digest()
