# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What the release binary refuses."""

from case import case, need, need_equal
from surroundings import PROGRAM, RELEASE


@case("release-without-sample")
def without_sample(place):
    """The platform that proves nothing is not there, by any name."""
    broker = place.broker()
    result = place.fetch(broker, program=RELEASE)
    place.refused(result, r"there is no such platform as \"sample\"; known are auto, .*")
    need_equal(broker.log(), [], "requests")
    # Its title, and what nm(1) would show of it.
    for mark in (b"proves nothing", b"sample_evidence"):
        need(mark in PROGRAM.read_bytes(), f"{mark} is no mark of the platform")
        need(mark not in RELEASE.read_bytes(), f"{mark} is in the release binary")


@case("environment")
def environment(place):
    """Nothing in it matters: no CA, no proxy, no file for TLS secrets."""
    secrets = place.folder / "tls-secrets"
    before = ["env", f"SSLKEYLOGFILE={secrets}", f"SSL_CERT_FILE={place.pki / 'ca.pem'}",
              "https_proxy=http://127.0.0.1:9", "ALL_PROXY=http://127.0.0.1:9",
              f"OPENSSL_CONF={place.folder}/none"]
    broker = place.broker()
    place.fetched(place.fetch(broker, before=before))
    need(not secrets.exists(), "the secrets of TLS were written to a file")
    place.refused(place.fetch(broker, before=before, ca="other-ca.pem"), r".* not issued by .*")


@case("usage")
def usage(place):
    for words in (["kbs:///a/b"], ["kbs:///a/b/c/d"], ["kbs:///a/../c"], ["file:///etc/passwd"]):
        result = place.run([str(RELEASE), "fetch", *words], 0)
        need_equal(result.code, 1, f"exit code of {words}")
        need_equal(result.out, b"", "standard output")
    need_equal(place.run([str(RELEASE), "fetch"], 0).code, 2, "exit code without a URI")
