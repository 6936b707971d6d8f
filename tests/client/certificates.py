# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Servers that are not the one of the configuration."""

from case import case, need, need_equal


def refused_at_once(place, broker, sentence, *more, **options):
    result = place.fetch(broker, *more, deadline=20, **options)
    place.refused(result, rf"https://localhost:\d+: auth: TLS: {sentence}")
    need(result.seconds < 5, "it was tried again")
    need_equal(broker.log(), [], "requests that arrived")


@case("wrong-ca")
def wrong_ca(place):
    refused_at_once(place, place.broker(),
                    r"the server's certificate was not issued by the CA of the configuration .*",
                    ca="other-ca.pem")


@case("expired-certificate")
def expired(place):
    refused_at_once(place, place.broker(certificate="expired"),
                    r"the certificate of the server expired on [0-9-]+ [0-9:]+ UTC; this machine's "
                    r"clock says .*certificate-dates = false")


@case("hostname-mismatch")
def mismatch(place):
    refused_at_once(place, place.broker(certificate="wrong-name"),
                    r"the server's certificate is for another name than \"localhost\"")


@case("wrong-pin")
def wrong_pin(place):
    broker = place.broker(certificate="wrong-name")
    pin = "sha256//" + 43 * "A" + "="
    broker.stop()
    refused_at_once(place, place.broker(), r"the server's public key is not the pinned one",
                    "--kbs-pin", pin)


@case("plain-http")
def plain_http(place):
    """There is no way to do without TLS."""
    result = place.fetch("http://localhost:1")
    need(result.code in (1, 2) and "https://" in result.err, "http:// is not refused")
    broker = place.broker(options=["--plain"])
    result = place.fetch(broker, deadline=3)
    place.refused(result, r"gave up .*: auth: TLS: .*")
    need_equal(broker.log(), [], "requests that arrived")
