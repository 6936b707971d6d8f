# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Servers that are not the one of the configuration."""

import subprocess

from case import case, need, need_equal


def refused_at_once(place, broker, sentence, *more, **options):
    result = place.fetch(broker, *more, deadline=20, **options)
    place.refused(result, rf"https://localhost:\d+: auth: TLS: {sentence}")
    need("going on in" not in result.err, "it was tried again")
    need_equal(broker.log(), [], "requests that arrived")


@case("wrong-ca", attack=True)
def wrong_ca(place):
    refused_at_once(place, place.broker(),
                    r"the server's certificate was not issued by the CA of the configuration .*",
                    ca="other-ca.pem")


@case("self-signed", attack=True)
def self_signed(place):
    """For the right name."""
    made = place.folder / "self-signed"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=broker", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", f"{made}.key", "-out",
                    f"{made}.pem"], check=True, stderr=subprocess.DEVNULL)
    refused_at_once(place, place.broker(certificate=made),
                    r"the server's certificate was not issued by the CA of the configuration .*")


@case("expired-certificate")
def expired(place):
    refused_at_once(place, place.broker(certificate="expired"),
                    r"the certificate of the server expired on [0-9-]+ [0-9:]+ UTC; this machine's "
                    r"clock says .*certificate-dates = false")


@case("hostname-mismatch", attack=True)
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


@case("plain-http", attack=True)
def plain_http(place):
    """There is no way to do without TLS."""
    broker = place.broker(options=["--plain"])
    result = place.fetch(broker.url.replace("https://", "http://"))
    place.refused(result, r"http://localhost:\d+: the URL of a key broker begins with https://")
    result = place.fetch(broker, deadline=3)
    place.refused(result, r"gave up .*: auth: TLS: .*")
    need_equal(broker.log(), [], "requests that arrived")
