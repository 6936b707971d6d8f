# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The folder of published evidence and recorded exchanges that CVMROOT_VECTORS names."""

import json
import os
import pathlib
import unittest

FOLDER = pathlib.Path(os.environ.get("CVMROOT_VECTORS") or
                      pathlib.Path(__file__).resolve().parents[2] / "../shared/vectors")
AMD = FOLDER / "trustee/deps/verifier/src/snp"
INTEL = FOLDER / "go-tdx-guest/verify"


def need():
    """Skip the test, saying so, without the vectors."""
    if not FOLDER.is_dir():
        raise unittest.SkipTest("no published vectors (CVMROOT_VECTORS)")


def read(name):
    return (FOLDER / name).read_bytes()


def load(name):
    return json.loads(read(name))
