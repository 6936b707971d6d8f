# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Clients whose clock is years wrong, or jumps."""

import datetime

from case import case, need, need_equal
from surroundings import BUSY, ROOT

SHIM = ROOT / "build" / "tests" / "client" / "libwrong_clock.so"
YEAR = 365 * 86400


def wrong_clock(seconds, step=0):
    """The command in front of a client that gives it another time of day, further off by @step
    seconds each time that it asks."""
    return ["env", f"LD_PRELOAD={SHIM}", f"WRONG_CLOCK_SECONDS={seconds}",
            f"WRONG_CLOCK_STEP={step}"]


def said_year(seconds):
    """What a client with that clock says when it tells the time."""
    there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return there.strftime("this machine's clock says %Y-%m-%d ")


def config(place, broker, dates):
    return place.config(f"""
[kbs]
url = "{broker.url}"
ca = "@pki@/ca.pem"
certificate-dates = {dates}
""")


@case("clock-ahead", attack=True)
def ahead(place):
    """The certificates hold for ten years: a year more changes nothing, the cookie's end nor the
    token's either."""
    broker = place.broker("expired-cookie")
    place.fetched(place.fetch(None, *config(place, broker, "true"),
                              before=wrong_clock(YEAR)))
    place.fetched(place.fetch(None, *config(place, broker, "false"),
                              before=wrong_clock(YEAR)))


@case("clock-behind", attack=True)
def behind(place):
    """The certificates are not valid yet: the rule on certificate dates decides, nothing else."""
    broker = place.broker()
    result = place.fetch(None, *config(place, broker, "true"), deadline=10,
                         before=wrong_clock(-YEAR))
    place.refused(result, r"https://localhost:\d+: auth: TLS: the certificate of (the server|its "
                          r"CA) is not valid before .*; this machine's clock says .*"
                          r"certificate-dates = false")
    need(said_year(-YEAR) in result.err, "the clock was not wrong")
    place.fetched(place.fetch(None, *config(place, broker, "false"),
                              before=wrong_clock(-YEAR)))


@case("clock-and-expired", attack=True)
def expired(place):
    """Without the dates an expired certificate passes; another CA's never does."""
    broker = place.broker(certificate="expired")
    result = place.fetch(None, *config(place, broker, "true"), deadline=10,
                         before=wrong_clock(YEAR))
    place.refused(result, r".*: auth: TLS: the certificate of the server expired on .*")
    need(said_year(YEAR) in result.err, "the clock was not wrong")
    place.fetched(place.fetch(None, *config(place, broker, "false"),
                              before=wrong_clock(YEAR)))
    text = config(place, broker, "false")
    path = place.folder / "cvmroot.toml"
    path.write_text(path.read_text().replace("/ca.pem", "/other-ca.pem"))
    place.refused(place.fetch(None, *text, deadline=10), r".*: auth: TLS: .* not issued by .*")


@case("clock-retry-after", attack=True)
def retry_after(place):
    for seconds in (YEAR, -YEAR):
        broker = place.broker("unavailable=1:1")
        place.fetched(place.fetch(None, *config(place, broker, "false"), deadline=15,
                                  before=wrong_clock(seconds)))


@case("clock-jumps", attack=True)
def jumps(place):
    """By a day, whenever the time is asked for: forward, so that a session or a wait by it would be
    over; back, so that a deadline by it would never come."""
    broker = place.broker("unavailable=1:2")
    result = place.fetch(None, *config(place, broker, "false"), deadline=15,
                         before=wrong_clock(0, 86400))
    place.fetched(result)
    need(2 <= result.seconds < 15, f"it waited for {result.seconds:.1f} s, not 2 s")
    need_equal(broker.count("auth"), 2, "requests for a challenge")
    broker = place.broker("blackhole")
    result = place.fetch(None, *config(place, broker, "false"), deadline=3,
                         before=wrong_clock(0, -86400))
    place.refused(result, r"gave up after [3-9] s: .*")
    need(result.seconds < 3 + BUSY, f"it gave up after {result.seconds:.1f} s, not 3 s")
