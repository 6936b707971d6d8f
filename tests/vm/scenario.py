# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The list of scenarios: each is a function with a name and a deadline."""

import os

SCENARIOS = {}
FULL = bool(os.environ.get("CVMROOT_TEST_FULL"))  # tests/run --full


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


def scenario(timeout=900, full=False):
    """
    Register a function as the scenario of its name, in seconds of time at most; @full: a short run
    leaves it out.
    """
    def register(function):
        add_scenario(function.__name__.replace("_", "-"), function, timeout, full)
        return function
    return register


def add_scenario(name, function, timeout=900, full=False):
    """The same for a function of many names."""
    SCENARIOS[name] = (function, timeout, full)
