# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The measure suite: logs, evidence and reference values, with the release binary and image-tools
on this machine. --list, or the name of one case."""

import importlib
import pathlib
import sys
import tempfile

from case import CASES, Skip

# Each registers its cases.
MODULES = (
    "bound",
    "evidence",
    "launch",
    "logs",
    "policies",
    "reference_values",
)
SKIP_STATUS = 77


def run(name):
    function, _ = CASES[name]
    with tempfile.TemporaryDirectory(prefix="cvmroot-measure-") as folder:
        try:
            function(pathlib.Path(folder))
        except Skip as reason:
            print(f"skipped: {reason}")
            return SKIP_STATUS
        except AssertionError as error:
            print(f"{name}: {error}")
            return 1
    return 0


def main(arguments):
    for module in MODULES:
        importlib.import_module(module)
    if arguments == ["--list"]:
        for name, (_, timeout) in CASES.items():
            print(name, timeout)
        return 0
    if len(arguments) != 1 or arguments[0] not in CASES:
        print("usage: tests/measure --list | CASE", file=sys.stderr)
        return 2
    return run(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
