# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Keys, answers and tokens as JSON: JWK (RFC 7517), JWE (RFC 7516), JWT (RFC 7519), and the
canonical JSON of RFC 8785 for what goes into the report data."""

import base64
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwcrypto import jwe, jwk, jws

# What a typed TEE key keeps of a JWK; anything else is dropped, and then the digest differs.
MEMBERS = {"EC": ("alg", "crv", "kty", "x", "y"), "RSA": ("alg", "e", "kty", "n")}
ALGORITHMS = {"EC": ("ECDH-ES+A256KW",), "RSA": ("RSA-OAEP-256", "RSA1_5")}
COORDINATE_SIZES = {"P-256": 32, "P-521": 66}


def encode(data):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    """Base64url with or without padding."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", True)


def canonical(value):
    """RFC 8785 for what occurs here: objects, strings, booleans, whole numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def tee_key(members):
    """The members of a TEE public key that are known for its type; ValueError when it is none."""
    kind = members.get("kty")
    if kind not in MEMBERS or not all(isinstance(members.get(m), str) for m in MEMBERS[kind]):
        raise ValueError(f"no TEE key of a known type: {kind}")
    if members["alg"] not in ALGORITHMS[kind]:
        raise ValueError(f"TEE key with alg {members['alg']}")
    if kind == "EC":
        size = COORDINATE_SIZES.get(members["crv"])
        if size is None or any(len(decode(members[m])) != size for m in ("x", "y")):
            raise ValueError(f"TEE key on {members['crv']}: wrong curve or coordinate size")
    return {member: members[member] for member in MEMBERS[kind]}


def encrypt(plaintext, key, change=None):
    """A flattened JWE of exactly the members that Trustee's answers have. @change may alter the
    protected header; the tag is then made over the altered one, so that nothing but the header is
    wrong."""
    recipient = jwk.JWK(**key)
    header = {"alg": key["alg"], "enc": "A256GCM"}
    token = jwe.JWE(plaintext, recipient=recipient, protected=compact(header),
                    algs=list(ALGORITHMS[key["kty"]]) + ["A256GCM"])
    # The compact form, because only there the ephemeral key is part of the protected header.
    names = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    answer = dict(zip(names, token.serialize(compact=True).split(".")))
    if change is not None:
        header = json.loads(decode(answer["protected"]))
        change(header)
        answer["protected"] = encode(compact(header).encode())
        sealed = AESGCM(token.cek).encrypt(decode(answer["iv"]), plaintext,
                                           answer["protected"].encode())
        answer["ciphertext"], answer["tag"] = encode(sealed[:-16]), encode(sealed[-16:])
    return answer


def other_key(key):
    """A fresh TEE key like @key, of which nobody has the private half."""
    size = {"crv": key["crv"]} if key["kty"] == "EC" else {"size": 2048}
    members = jwk.JWK.generate(kty=key["kty"], **size).export_public(as_dict=True)
    return tee_key({**members, "alg": key["alg"]})


class Signer:
    """Signs attestation tokens with a P-256 key of this run."""

    def __init__(self):
        self.key = jwk.JWK.generate(kty="EC", crv="P-256")
        public = self.key.export_public(as_dict=True)
        self.public = {"alg": "ES256", "kty": "EC", "crv": "P-256",
                       "x": public["x"], "y": public["y"]}

    def sign(self, claims):
        token = jws.JWS(compact(claims).encode())
        header = {"typ": "JWT", "alg": "ES256", "jwk": self.public}
        token.add_signature(self.key, alg="ES256", protected=compact(header))
        return token.serialize(compact=True)

    def verify(self, text, now):
        """The claims of @text; ValueError unless this run signed it and it has not expired."""
        token = jws.JWS()
        try:
            token.deserialize(text, self.key, alg="ES256")
            claims = json.loads(token.payload)
        except (jws.InvalidJWSObject, jws.InvalidJWSSignature, ValueError) as error:
            raise ValueError(f"token: {error}") from None
        if claims.get("exp", 0) <= now:
            raise ValueError("token: it has expired")
        return claims
