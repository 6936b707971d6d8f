# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A broker in this process for the self tests, and a client that is as plain as can be."""

import base64
import hashlib
import http.client
import json
import struct
import threading

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from jwcrypto import jwe, jwk

import broker
import misbehave
import rcar
import resources
import server
from jose import canonical, decode, tee_key


def open_answer(text, key):
    """The plaintext of a JWE answer; an exception when it is none for @key."""
    parts = json.loads(text)
    if parts["ciphertext"] == "":
        return open_empty(parts, key)
    token = jwe.JWE(algs=["ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM"])
    token.deserialize(text)
    token.decrypt(key)
    return token.payload


def open_empty(parts, key):
    """As open_answer, for a secret of no bytes, which jwcrypto takes for a failure."""
    header = json.loads(decode(parts["protected"]))
    ephemeral = jwk.JWK(**header["epk"]).get_op_key("wrapKey")
    shared = key.get_op_key("unwrapKey").exchange(ec.ECDH(), ephemeral)
    name = header["alg"].encode()
    info = struct.pack(">I", len(name)) + name + struct.pack(">III", 0, 0, 256)
    wrapping = ConcatKDFHash(hashes.SHA256(), 32, info).derive(shared)
    content = keywrap.aes_key_unwrap(wrapping, decode(parts["encrypted_key"]))
    return AESGCM(content).decrypt(decode(parts["iv"]), decode(parts["tag"]),
                                   parts["protected"].encode())


class Memory:
    """A log that tests read."""

    def __init__(self):
        self.lines = []

    def __call__(self, event, _request, **members):
        self.lines.append({"event": event, **members})


class Running:
    """A broker on a free port of the loopback, over plain HTTP, until the block ends."""

    def __init__(self, misbehaviours=(), tls=None, **options):
        self.log = Memory()
        self.store = resources.Resources()
        settings = rcar.Options()
        settings.allow_sample = True
        for name, value in options.items():
            setattr(settings, name, value)
        wrong = misbehave.Misbehaviours(misbehaviours)
        self.broker = broker.Broker(settings, wrong, self.store, self.log)
        self.http = server.Server(("127.0.0.1", 0), self.broker, tls)
        self.port = self.http.server_port

    def __enter__(self):
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_exception):
        self.http.stop()
        self.thread.join()


class Client:
    """One exchange with sample evidence. Answers are (status, headers, body)."""

    def __init__(self, port, context=None, timeout=10, key=None, host="localhost"):
        if context:
            self.http = http.client.HTTPSConnection(host, port, context=context, timeout=timeout)
        else:
            self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.key = key or jwk.JWK.generate(kty="EC", crv="P-256")
        alg = "ECDH-ES+A256KW" if self.key["kty"] == "EC" else "RSA-OAEP-256"
        self.public = tee_key({**self.key.export_public(as_dict=True), "alg": alg})
        self.cookie, self.nonce, self.token = None, None, None

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.http.close()

    def ask(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.cookie:
            headers.setdefault("Cookie", f"kbs-session-id={self.cookie}")
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        return answer.status, answer.headers, answer.read()

    def auth(self, version="0.4.0", tee="sample", **members):
        body = {"version": version, "tee": tee, "extra-params": "", **members}
        status, headers, data = self.ask("POST", "/kbs/v0/auth", json.dumps(body))
        if status == 200:
            self.nonce = json.loads(data)["nonce"]
            for value in headers.get_all("set-cookie") or ():
                name, _, value = value.split(";")[0].partition("=")
                if name == "kbs-session-id":
                    self.cookie = value
        return status, headers, data

    def digest(self, algorithm="sha384", additional=True):
        runtime = {"nonce": self.nonce, "tee-pubkey": self.public}
        if additional:
            runtime["additional-evidence"] = ""
        return hashlib.new(algorithm, canonical(runtime)).digest()

    def sample(self, digest=None):
        text = base64.b64encode(digest or self.digest()).decode()
        return {"svn": "1", "report_data": text}

    def attest(self, evidence=None, init_data=None, **runtime):
        evidence = evidence or self.sample()
        body = {"init-data": init_data,
                "runtime-data": {"nonce": self.nonce, "tee-pubkey": self.public, **runtime},
                "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}
        status, headers, data = self.ask("POST", "/kbs/v0/attest", json.dumps(body))
        if status == 200:
            self.token = json.loads(data)["token"]
        return status, headers, data

    def get(self, path="resource/default/luks/root", headers=None):
        return self.ask("GET", f"/kbs/v0/{path}", headers=headers)

    def open(self, data):
        """The plaintext of a JWE answer; an exception of jwcrypto when it is none for this key."""
        return open_answer(data.decode(), self.key)

    def fetch(self, path="resource/default/luks/root"):
        """The whole exchange; the secret."""
        for status, _, data in (self.auth(), self.attest()):
            if status != 200:
                raise AssertionError(f"{status}: {data!r}")
        status, _, data = self.get(path)
        if status != 200:
            raise AssertionError(f"{status}: {data!r}")
        return self.open(data)
