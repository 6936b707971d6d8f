# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Answers that refuse, and answers that are wrong."""

from case import case, need, need_equal

# Another try would end alike; may end otherwise, but the server does not say so; will be mended.
ONCE, AGAIN, UNTIL_DEADLINE = "once", "again", "until the deadline"


def refuses(name, misbehaviour, how_often, sentence, step="auth", attack=False):
    @case(name, attack=attack)
    def run(place):
        broker = place.broker(misbehaviour)
        deadline = 3 if how_often == UNTIL_DEADLINE else 30
        result = place.fetch(broker, deadline=deadline)
        front = r"gave up after \d+ s: " if how_often == UNTIL_DEADLINE else ""
        place.refused(result, rf"{front}https://localhost:\d+: {step}: {sentence}")
        tries = broker.count("auth")
        if how_often == ONCE:
            need_equal(tries, 1, "tries")
        elif how_often == AGAIN:
            need_equal(tries, 4, "tries")
        else:
            need(tries >= 2, "it was not tried again")


# 401 of each kind, and the other statuses.
refuses("401-attestation", "error=AttestationError@attest", AGAIN,
        r"HTTP 401 AttestationError \"Attestation error: RCAR handshake Attest failed\": the "
        r"broker did not accept the evidence, or the session ended.*", "attest")
refuses("401-no-token", "error=TokenNotFound@resource", AGAIN,
        r"HTTP 401 TokenNotFound \"Attestation Token not found\": the broker does not know the "
        r"session any more", "resource")
refuses("401-token", "error=TokenVerifierError@resource", AGAIN,
        r"HTTP 401 TokenVerifierError \"Token Verifier error\": .*", "resource")
refuses("401-policy", "error=PolicyDeny@resource", ONCE,
        r"HTTP 401 PolicyDeny \"Access denied by policy\": the evidence is good, but the broker's "
        r"policy does not give this resource for it.*", "resource")
refuses("401-policy-broken", "error=ParsePolicyError@resource", ONCE,
        r"HTTP 401 ParsePolicyError \"Parse Policy error\": .*", "resource")
refuses("401-plugin", "error=PluginInternalError@resource", AGAIN,
        r"HTTP 401 PluginInternalError \"Plugin internal error\": the broker has no such "
        r"resource, .*", "resource")
refuses("401-jwe", "error=JweError@resource", ONCE, r"HTTP 401 JweError \"JWE error\": .*",
        "resource")
refuses("401-of-a-proxy", "status=401@auth", ONCE, r"HTTP 401: the answer is not one of a key "
                                                   r"broker; is a proxy in front of it\?")
refuses("404-plugin", "error=PluginNotFound@resource", ONCE, r"HTTP 404 PluginNotFound .*",
        "resource")
refuses("404-path", "error=InvalidRequestPath@resource", ONCE, r"HTTP 404 InvalidRequestPath .*",
        "resource")
refuses("404", "status=404@auth", ONCE, r"HTTP 404: there is no key broker at this URL")
refuses("413", "status=413@attest", ONCE, r"HTTP 413: the evidence is larger than .*", "attest")
refuses("429", "too-many=99", UNTIL_DEADLINE, r"HTTP 429: the broker is asked too often .*")
refuses("500", "status=500", UNTIL_DEADLINE,
        r"HTTP 500: the broker, or a proxy in front of it, failed")
refuses("502-page-of-a-proxy", "plain-error-body", UNTIL_DEADLINE, r"HTTP 502: the broker, or a "
                                                                   r"proxy in front of it, failed")
refuses("503", "unavailable=99", UNTIL_DEADLINE,
        r"HTTP 503: the broker is not ready, or overloaded")
refuses("redirect", "redirect", ONCE, r"HTTP 307: redirects are not followed; .*", attack=True)

# What is not the protocol.
for part, in_auth in (("bad-json", True), ("not-object", True), ("duplicate-keys", True)):
    refuses(f"{part}-auth", f"{part}@auth", ONCE, r"the challenge is not one of the protocol")
    refuses(f"{part}-attest", f"{part}@attest", ONCE,
            r"the answer to the attestation holds no token", "attest")
    refuses(f"{part}-resource", f"{part}@resource", ONCE,
            r"the answer is not an encrypted resource .*", "resource")
refuses("no-nonce", "without=nonce", ONCE, r"the challenge is not one of the protocol")
refuses("no-token", "without=token", ONCE, r"the answer to the attestation holds no token",
        "attest")
refuses("no-cookie", "no-cookie", ONCE, r"the answer opens no session: no cookie kbs-session-id")
refuses("unknown-hash", "hash=md5", ONCE,
        r"the challenge asks for a hash algorithm that was not offered")
refuses("truncated", "truncate@resource", UNTIL_DEADLINE, r"answer: cut short after \d+ bytes",
        "resource")
refuses("oversized", "oversize", ONCE, r"answer: longer than 65536 bytes", attack=True)
refuses("oversized-resource", "oversize@resource", ONCE, r"answer: longer than \d+ bytes",
        "resource", attack=True)
refuses("endless", "endless", ONCE, r"answer: longer than 65536 bytes", attack=True)
refuses("wrong-nonce", "wrong-nonce", AGAIN, r"HTTP 401 AttestationError .*", "attest")
refuses("session-never-lasts", "session-expires=resource:always", AGAIN,
        r"HTTP 401 TokenNotFound .*", "resource")

# What is not our secret.
refuses("wrong-tag", "wrong-tag", ONCE,
        r"the encrypted resource was changed on the way: its authentication tag is wrong",
        "resource")
refuses("wrong-key", "wrong-key", ONCE,
        r"the resource was encrypted for another key than the one that was attested", "resource",
        attack=True)
refuses("unknown-alg", "alg=dir", ONCE, r"the resource is not encrypted with \"alg\" .*",
        "resource")
refuses("unknown-enc", "enc=A128GCM", ONCE, r"the resource is not encrypted with \"enc\" .*",
        "resource")
refuses("unknown-crit", "crit", ONCE,
        r"the header of the encrypted resource has a member \"crit\", which is not accepted",
        "resource")
refuses("compressed", "zip", ONCE,
        r"the header of the encrypted resource has a member \"zip\", which is not accepted",
        "resource")
refuses("empty-secret", "empty-secret", ONCE,
        r"the resource is empty: no key can be made of it", "resource")


@case("retry-after-deadline")
def retry_after_deadline(place):
    """What the server asks for is over our deadline: there is nothing to wait for."""
    result = place.fetch(place.broker("unavailable=9:60"), deadline=10)
    place.refused(result, r"gave up .*: auth: HTTP 503: .* \(to be asked again after 60 s\)")
    need("going on in" not in result.err and result.seconds < 10, "it waited in vain")


@case("replay", attack=True)
def replay(place):
    """The answer that another client got before."""
    broker = place.broker("replay")
    place.fetched(place.fetch(broker))
    place.refused(place.fetch(broker, deadline=10),
                  r"https://localhost:\d+: resource: the resource was encrypted for another key "
                  r"than the one that was attested")


@case("policy")
def policy(place):
    """A policy that says no from then on."""
    file = place.folder / "policy.json"
    file.write_text("{}")
    broker = place.broker(options=["--policy", str(file)])
    place.fetched(place.fetch(broker))
    file.write_text('{"allow": false}')
    place.refused(place.fetch(broker, deadline=10), r".*: resource: HTTP 401 PolicyDeny .*")


@case("no-such-resource")
def no_such_resource(place):
    result = place.fetch(place.broker(), deadline=10, resource="kbs:///default/luks/other")
    place.refused(result, r".*: resource: HTTP 401 PluginInternalError .*")
