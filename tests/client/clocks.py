# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Clients whose clock is a year wrong."""

import shutil

from case import Skip, case

WRONG = {"ahead": "+365d", "behind": "-365d"}


def wrong_clock(offset):
    """The command in front of a client that gives it another time of day, and no other timers."""
    if not shutil.which("faketime"):
        raise Skip("faketime is not installed")
    return ["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1", "faketime", "-f",
            offset]


def config(place, broker, dates):
    return place.config(f"""
[kbs]
url = "{broker.url}"
ca = "@pki@/ca.pem"
certificate-dates = {dates}
""")


@case("clock-ahead")
def ahead(place):
    """The certificates hold for ten years: a year more changes nothing, the cookie's end nor the
    token's either."""
    broker = place.broker("expired-cookie")
    place.fetched(place.fetch(None, *config(place, broker, "true"),
                              before=wrong_clock(WRONG["ahead"])))
    place.fetched(place.fetch(None, *config(place, broker, "false"),
                              before=wrong_clock(WRONG["ahead"])))


@case("clock-behind")
def behind(place):
    """The certificates are not valid yet: the rule on certificate dates decides, nothing else."""
    broker = place.broker()
    result = place.fetch(None, *config(place, broker, "true"), deadline=10,
                         before=wrong_clock(WRONG["behind"]))
    place.refused(result, r"https://localhost:\d+: auth: TLS: the certificate of (the server|its "
                          r"CA) is not valid before .*; this machine's clock says .*"
                          r"certificate-dates = false")
    place.fetched(place.fetch(None, *config(place, broker, "false"),
                              before=wrong_clock(WRONG["behind"])))


@case("clock-and-expired")
def expired(place):
    """Without the dates an expired certificate passes; another CA's never does."""
    broker = place.broker(certificate="expired")
    place.fetched(place.fetch(None, *config(place, broker, "false"),
                              before=wrong_clock(WRONG["ahead"])))
    text = config(place, broker, "false")
    path = place.folder / "cvmroot.toml"
    path.write_text(path.read_text().replace("/ca.pem", "/other-ca.pem"))
    place.refused(place.fetch(None, *text, deadline=10), r".*: auth: TLS: .* not issued by .*")


@case("clock-retry-after")
def retry_after(place):
    for offset in WRONG.values():
        broker = place.broker("unavailable=1:1")
        place.fetched(place.fetch(None, *config(place, broker, "false"), deadline=15,
                                  before=wrong_clock(offset)))
