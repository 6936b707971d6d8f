# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The table of cases, and what they check with."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
CVMROOT = ROOT / "build" / "src" / "cli" / "cvmroot"
IMAGE_TOOLS = ROOT / "image-tools"

CASES = {}  # name: (function, seconds until the runner ends it)


class Skip(Exception):
    """This machine lacks what the case needs."""


def case(name, timeout=60):
    """Register a function that is called with a scratch folder of its own."""
    def register(function):
        if name in CASES:
            raise ValueError(f"two cases are called {name}")
        CASES[name] = (function, timeout)
        return function
    return register


def need(condition, text):
    if not condition:
        raise AssertionError(text)


def need_equal(seen, wanted, what):
    need(seen == wanted, f"{what}: {seen!r}, not {wanted!r}")


def vectors(name=""):
    """A file or folder of the published test vectors; the case is skipped without them."""
    folder = os.environ.get("CVMROOT_VECTORS")
    if not folder:
        raise Skip("CVMROOT_VECTORS is not set")
    return pathlib.Path(folder) / name
