# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The broker suite: "cvmroot fetch" against the reference broker on this machine. --list, or the
name of one case."""

import sys
import tempfile

import answers
import certificates
import clocks
import connections
import exchange
import release
import storm
import trustee
from case import CASES, Skip
from surroundings import Surroundings

# Each registers its cases.
MODULES = (exchange, connections, certificates, answers, clocks, storm, release, trustee)
SKIP_STATUS = 77


def run(name):
    with tempfile.TemporaryDirectory(prefix="cvmroot-client-") as folder:
        surroundings = Surroundings(folder)
        try:
            CASES[name].function(surroundings)
        except Skip as reason:
            print(f"skipped: {reason}")
            return SKIP_STATUS
        except AssertionError as error:
            print(f"{name}: {error}")
            return 1
        finally:
            surroundings.close()
    return 0


def main(arguments):
    if arguments == ["--list"]:
        # The story of a user's own broker only where that is named.
        wanted = trustee.wanted()
        for name, known in CASES.items():
            if (name == trustee.NAME) == wanted and not known.attack:
                print(name, known.timeout)
        return 0
    if len(arguments) != 1 or arguments[0] not in CASES:
        print("usage: tests/client --list | CASE", file=sys.stderr)
        return 2
    return run(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
