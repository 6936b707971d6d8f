# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Run the tests that the arguments name: see tests/run --help."""

import sys

import report
import suites


def usage_error(text):
    print(f"tests/run: {text}", file=sys.stderr)
    return 2


def select(arguments):
    """The suites in their order, each with the tests asked for; ValueError for an unknown name."""
    wanted = {argument.split("/", 1)[0] for argument in arguments}
    unknown = wanted - set(suites.SUITES)
    if unknown:
        raise ValueError(f"there is no suite {sorted(unknown)[0]}; "
                         f"the suites are {', '.join(suites.SUITES)}")
    selected = []
    for name in suites.SUITES:
        if arguments and name not in wanted:
            continue
        suite = suites.load(name)
        suite.keep([] if name in arguments else
                   [a.split("/", 1)[1] for a in arguments if a.startswith(name + "/")])
        selected.append(suite)
    return selected


def main(arguments):
    listing = "--list" in arguments
    try:
        selected = select([a for a in arguments if a != "--list"])
    except (ValueError, OSError) as error:
        return usage_error(error)
    if listing:
        for suite in selected:
            for test in suite.tests:
                print(f"{suite.name}/{test.name}")
        return 0
    return report.run_all(selected)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
