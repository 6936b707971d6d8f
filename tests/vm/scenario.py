# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The list of scenarios: each is a function with a name and a deadline."""

SCENARIOS = {}


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


def scenario(timeout=900):
    """Register a function as the scenario of its name, in seconds of time at most."""
    def register(function):
        SCENARIOS[function.__name__.replace("_", "-")] = (function, timeout)
        return function
    return register
