# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Every recorded exchange with Trustee's KBS, replayed: same statuses, same errors, same shapes.

The requests go out as recorded. What must be fresh is made to agree in the broker: the nonce of a
session is set to the recorded one, so that recorded evidence, TPM quotes too, is about it; cookies
and tokens are exchanged for ours."""

import base64
import json
import re
import time
import unittest

from jwcrypto import jwk

import vectors
from harness import Client, Running, open_answer
from jose import decode

COOKIE = re.compile(r"kbs-session-id=([0-9a-f]{32}); Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")
# Members whose values differ from run to run, or name another program.
FRESH = {"iat", "exp", "build", "jwk"}
# Bodies that the record only describes.
BODIES = {"auth/big": b" " * (3 << 20), "admin/set-big": b"x" * 100000,
          "admin/set-binary": bytes(range(256))}
# What Trustee's log names as the cause, and what ours names.
CAUSES = {
    "snp/test-vlek-report.bin/server-log": ("VMPL Check Failed", "VMPL 0"),
    "snp/flipped/server-log": ("VEK does not sign", "did not sign"),
    "snp/e2e/server-log": ("Report Data Mismatch", "report data is another"),
}


def shape(value):
    """Members and types."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return type(value).__name__


def steady(value):
    """A value without what is fresh."""
    if isinstance(value, dict):
        return {n: shape(p) if n in FRESH else steady(p) for n, p in value.items()}
    return value


def token_parts(text):
    return [json.loads(decode(part)) for part in text.split(".")[:2]]


class Replay(unittest.TestCase):
    maxDiff = None

    def replay(self, name, session_seconds, minimum):
        vectors.need()
        self.cookies, self.tokens, count = {}, {}, 0
        with Running(session_seconds=session_seconds, roots=[vectors.AMD]) as self.running:
            for record in vectors.load(f"trustee-transcripts/{name}"):
                self.learn(record)
                if record["case"] in CAUSES:
                    with self.subTest(record["case"]):
                        self.compare_cause(record)
                if "request" in record:
                    with self.subTest(record["case"]):
                        self.one(record)
                    count += 1
        self.assertGreaterEqual(count, minimum)

    def compare_cause(self, record):
        """What a server's log says and no client sees."""
        theirs, ours = CAUSES[record["case"]]
        self.assertIn(theirs, record["cause"])
        refusals = [line["reason"] for line in self.running.log.lines
                    if line["event"] == "attest" and line["result"] == "refused"]
        self.assertIn(ours, refusals[-1])

    def learn(self, record):
        """Before a step of the recorded session that had run out, ours runs out."""
        if record["case"] == "expiry/attest":
            recorded = COOKIE.match(record["request"]["headers"]["Cookie"] + "; Expires=Mon, "
                                    "23 Nov 2026 06:22:50 GMT").group(1)
            self.session(self.cookies[recorded]).expires = time.time() - 1

    def session(self, cookie):
        return self.running.broker.exchange.sessions[cookie]

    def one(self, record):
        request, wanted = record["request"], record["response"]
        with Client(self.running.port) as client:
            body = request["body"]
            if body is not None:
                body = BODIES.get(record["case"]) or body.encode("latin-1")
            status, headers, data = client.ask(request["method"], request["path"], body,
                                               self.headers(request["headers"]))
        self.assertEqual(status, wanted["status"])
        self.compare_headers(headers, wanted["headers"])
        self.remember(request, wanted, headers)
        self.compare_bodies(record, data.decode())

    def headers(self, recorded):
        ours = dict(recorded)
        for old, new in self.cookies.items():
            if "Cookie" in ours:
                ours["Cookie"] = ours["Cookie"].replace(old, new)
        kind, _, token = ours.get("Authorization", "").partition(" ")
        if token in self.tokens:
            ours["Authorization"] = f"{kind} {self.tokens[token]}"
        return ours

    def compare_headers(self, headers, wanted):
        self.assertEqual(headers.get("content-type"), wanted.get("content-type"))
        self.assertEqual(headers.get("connection"), wanted.get("connection"))
        self.assertEqual(set(map(str.lower, headers)) - {"content-length"},
                         set(wanted) - {"content-length"})
        if "set-cookie" in wanted:
            self.assertRegex(headers["set-cookie"], COOKIE)

    def remember(self, request, wanted, headers):
        """Tie a new session of ours to the recorded one."""
        if wanted["status"] != 200 or request["path"] != "/kbs/v0/auth":
            return
        ours = COOKIE.match(headers["set-cookie"]).group(1)
        self.cookies[COOKIE.match(wanted["headers"]["set-cookie"]).group(1)] = ours
        self.session(ours).nonce = json.loads(wanted["body"])["nonce"]

    def compare_bodies(self, record, text):
        wanted = record["response"]["body"]
        if not wanted.startswith("{"):
            if wanted != "(dropped)":
                self.assertEqual(text, wanted)
            self.compare_plaintext(record, text)
            return
        ours, theirs = json.loads(text), json.loads(wanted)
        self.assertEqual(list(ours), list(theirs))
        self.assertEqual(shape(ours), shape(theirs))
        if "token" in theirs:
            self.tokens[theirs["token"]] = ours["token"]
            for mine, other in zip(token_parts(ours["token"]), token_parts(theirs["token"])):
                self.assertEqual(shape(mine), shape(other))
                self.assertEqual(steady(mine), steady(other))
        elif "ciphertext" in theirs:
            self.compare_jwe(ours, theirs)
            self.compare_plaintext(record, text)
        elif "nonce" not in theirs:
            self.assertEqual(text, wanted)

    def compare_jwe(self, ours, theirs):
        header, other = (json.loads(decode(answer["protected"])) for answer in (ours, theirs))
        self.assertEqual(shape(header), shape(other))
        self.assertEqual((header["alg"], header["enc"]), (other["alg"], other["enc"]))
        for name in ("encrypted_key", "iv", "ciphertext", "tag"):
            self.assertEqual(len(ours[name]), len(theirs[name]), name)

    def compare_plaintext(self, record, text):
        """Ours opens with the recorded TEE key, and holds the recorded secret."""
        if "key_pem" not in record:
            return
        plaintext = open_answer(text, jwk.JWK.from_pem(record["key_pem"].encode()))
        if record["case"] == "shape/big/resource":
            self.assertEqual(plaintext, BODIES["admin/set-big"])
            return
        wanted = base64.b64decode(record["plaintext_b64"])
        if "provisioner" in record["case"]:  # the key in it is another in each run
            self.assertEqual(*(re.sub(rb'"\w{32}"', b'"32"', t) for t in (plaintext, wanted)))
        else:
            self.assertEqual(plaintext, wanted)

    def test_exchange(self):
        self.replay("exchange.json", 300, 80)

    def test_provisioner_policy_expiry(self):
        self.replay("provisioner-policy-expiry.json", 61, 30)


if __name__ == "__main__":
    unittest.main()
