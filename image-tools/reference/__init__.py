# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Reference values: what the registers of a machine hold when it boots an image."""


class Refused(Exception):
    """The input is not what it should be, or what is asked for would promise too much."""
