# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Each misbehaviour does what its line in the listing says, and nothing else goes wrong."""

import http.client
import json
import socket
import time
import unittest

from jwcrypto import jwe

import misbehave
from harness import Client, Running
from jose import decode

SECRET = b"the secret of the root"


class Misbehaving(unittest.TestCase):
    def start(self, *misbehaviours, timeout=10, **options):
        """A client of a broker that misbehaves so."""
        self.running = self.enterContext(Running(misbehaviours, **options))
        self.running.store.secrets["default/luks/root"] = SECRET
        return self.enterContext(Client(self.running.port, timeout=timeout))

    def again(self, **options):
        return self.enterContext(Client(self.running.port, **options))

    def attested(self, *misbehaviours):
        client = self.start(*misbehaviours)
        self.assertEqual((client.auth()[0], client.attest()[0]), (200, 200))
        return client

    def test_listing(self):
        """Every name is tried here or has its test, and is listed."""
        with open(__file__, encoding="utf-8") as stream:
            text = stream.read()
        for name in misbehave.TABLE:
            self.assertIn(f'"{name}', text)
            self.assertIn(f"  {name}", misbehave.listing())

    def test_wrong_names(self):
        for text in ("unknown", "slow=1", "status", "status=x", "unavailable=x", "slow@later",
                     "error=NoSuch", "session-expires=auth", "session-expires=attest:twice"):
            with self.assertRaises(ValueError):
                misbehave.Misbehaviour(text)


class Connections(Misbehaving):
    def test_refuse_tls(self):
        with self.assertRaises(OSError):
            self.start("refuse-tls").auth()

    def test_slow_start(self):
        with self.assertRaises(OSError):
            self.start("slow-start=1000").auth()
        client = self.start("slow-start=1000")
        self.running.broker.misbehaviours.start -= 1001
        self.assertEqual(client.fetch(), SECRET)

    def test_blackhole(self):
        with self.assertRaises(TimeoutError):
            self.start("blackhole", timeout=0.3).auth()
        client = self.start("blackhole@attest", timeout=0.3)
        self.assertEqual(client.auth()[0], 200)
        with self.assertRaises(TimeoutError):
            client.attest()

    def test_slow(self):
        client = self.start("slow", timeout=3)
        with socket.create_connection(("127.0.0.1", self.running.port), timeout=10) as connection:
            start = time.monotonic()
            connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            self.assertIn(b"200", connection.recv(4096))  # not a request of a client
            connection.sendall(b"POST /kbs/v0/auth HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
            self.assertEqual(b"".join(connection.recv(1) for _ in range(3)), b"HTT")
            self.assertGreaterEqual(time.monotonic() - start, 2)
        client.http.close()

    def test_close(self):
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionError)):
            self.start("close@auth").auth()
        client = self.start("close-once")
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionError)):
            client.auth()
        client.http.close()
        self.assertEqual(client.fetch(), SECRET)

    def test_no_keep_alive(self):
        client = self.start("no-keep-alive")
        self.assertEqual(client.auth()[1]["connection"], "close")
        self.assertEqual(client.attest()[0], 200)
        self.assertEqual(next(self.running.http.serials), 3)

    def test_truncate(self):
        with self.assertRaises(http.client.IncompleteRead):
            self.start("truncate").auth()

    def test_endless(self):
        client = self.start("endless")
        client.http.request("POST", "/kbs/v0/auth", "{}")
        answer = client.http.getresponse()
        self.assertEqual(len(answer.read(1 << 22)), 1 << 22)

    def test_oversize(self):
        for text, size in (("oversize", 1 << 24), ("oversize=100000", 100000)):
            data = self.start(text).auth()[2]
            self.assertEqual((len(data), sorted(json.loads(data))),
                             (size, ["extra-params", "nonce"]))


class Statuses(Misbehaving):
    def test_redirect(self):
        status, headers, _ = self.start("redirect").auth()
        self.assertEqual((status, headers["location"]), (307, "/elsewhere/kbs/v0/auth"))
        headers = self.start("redirect=https://example.com/").auth()[1]
        self.assertEqual(headers["location"], "https://example.com/")

    def test_status(self):
        client = self.start("status=500:attest")
        self.assertEqual((client.auth()[0], client.attest()[0]), (200, 500))

    def test_error(self):
        client = self.start("error=TokenVerifierError:luks")
        self.assertEqual((client.auth()[0], client.attest()[0]), (200, 200))
        status, _, data = client.get()
        self.assertEqual((status, json.loads(data)["detail"]), (401, "Token Verifier error"))

    def test_later(self):
        for name, wanted in (("unavailable", 503), ("too-many", 429)):
            client = self.start(f"{name}=2")
            status, headers, _ = client.auth()
            self.assertEqual((status, headers["retry-after"]), (wanted, None))
            self.assertEqual((client.auth()[0], client.auth()[0]), (wanted, 200))
            self.assertEqual(self.start(f"{name}=1:7").auth()[1]["retry-after"], "7")
        client = self.start("retry-after=3")
        self.assertEqual(client.auth()[1]["retry-after"], "3")
        self.assertEqual(client.auth()[0], 200)

    def test_plain_error_body(self):
        status, headers, data = self.start("plain-error-body").auth()
        self.assertEqual((status, headers["content-type"], data[:6]), (502, "text/html", b"<html>"))
        self.assertEqual(self.start("plain-error-body=401").auth()[0], 401)


class Bodies(Misbehaving):
    def test_json(self):
        with self.assertRaises(ValueError):
            self.start("bad-json").auth()
        data = self.start("duplicate-keys@auth").ask(
            "POST", "/kbs/v0/auth", '{"version":"0.4.0","tee":"sample","extra-params":""}')[2]
        names = json.loads(data, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
        self.assertEqual(names, ["nonce", "nonce", "extra-params", "extra-params"])
        data = self.start("not-object@resource")
        data.auth(), data.attest()
        self.assertIsInstance(json.loads(data.get()[2]), list)

    def test_members(self):
        client = self.start("unknown-member")
        self.assertIn("broker-test", json.loads(client.auth()[2]))
        self.assertEqual(client.attest()[0], 200)
        client = self.attested("without=tag@resource")
        self.assertNotIn("tag", json.loads(client.get()[2]))

    def test_hash(self):
        client = self.start("hash=sha512")
        self.assertEqual(json.loads(client.auth()[2])["extra-params"],
                         {"selected-hash-algorithm": "sha512"})
        self.assertEqual(client.attest()[0], 401)
        self.assertEqual(client.attest(client.sample(client.digest("sha512")))[0], 200)

    def test_wrong_nonce(self):
        client = self.start("wrong-nonce")
        self.assertEqual((client.auth()[0], client.attest()[0]), (200, 401))
        self.assertRegex(self.running.log.lines[-1]["reason"], "nonce")

    def test_cookies(self):
        self.assertIsNone(self.start("no-cookie").auth()[1]["set-cookie"])
        client = self.start("expired-cookie")
        self.assertIn("Expires=Thu, 01 Jan 2015", client.auth()[1]["set-cookie"])
        self.assertEqual(client.attest()[0], 200)
        client = self.start("two-cookies")
        found = client.auth()[1].get_all("set-cookie")
        self.assertEqual([text.split("=")[0] for text in found], ["broker-lb", "kbs-session-id"])
        self.assertEqual(client.attest()[0], 200)

    def test_session_expires(self):
        client = self.start("session-expires=attest")
        self.assertEqual((client.auth()[0], client.attest()[0]), (200, 401))
        self.assertEqual(client.fetch(), SECRET)
        client = self.start("session-expires=resource:always")
        for _ in range(2):
            self.assertEqual((client.auth()[0], client.attest()[0]), (200, 200))
            self.assertIn(b"TokenNotFound", client.get()[2])


class Answers(Misbehaving):
    def test_secret(self):
        client = self.attested("empty-secret")
        self.assertEqual(client.open(client.get()[2]), b"")

    def test_not_for_us(self):
        for name in ("wrong-tag", "wrong-key"):
            client = self.attested(name)
            with self.assertRaises(jwe.InvalidJWEData):
                client.open(client.get()[2])

    def test_headers(self):
        for text, member, value in (("alg=dir", "alg", "dir"), ("enc=A128GCM", "enc", "A128GCM"),
                                    ("crit", "crit", ["broker-test"]), ("zip", "zip", "DEF")):
            client = self.attested(text)
            answer = json.loads(client.get()[2])
            self.assertEqual(json.loads(decode(answer["protected"]))[member], value)
            self.assertEqual(set(answer),
                             {"protected", "encrypted_key", "iv", "ciphertext", "tag"})

    def test_header_is_all(self):
        """An altered header comes with the right tag: only a client that reads it refuses."""
        client = self.attested("enc=A256GCM")
        self.assertEqual(client.open(client.get()[2]), SECRET)

    def test_replay(self):
        client = self.attested("replay")
        first = client.get()[2]
        self.assertEqual(client.open(first), SECRET)
        other = self.again()
        self.assertEqual((other.auth()[0], other.attest()[0]), (200, 200))
        second = other.get()[2]
        self.assertEqual(second, first)
        with self.assertRaises(jwe.InvalidJWEData):
            other.open(second)


if __name__ == "__main__":
    unittest.main()
