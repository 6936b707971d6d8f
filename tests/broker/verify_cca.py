# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence "cca": the attestation token of an Arm CCA realm (Realm Management Monitor
specification, Arm DEN0137, "Realm token"; COSE_Sign1: RFC 9052).

What the token must be: CBOR tag 399 over a map of the platform token (44234) and the realm token
(44241), each a byte string of a COSE_Sign1 (tag 18 or bare) with ES384 and no unprotected header.
The realm token is signed by the P-384 key that it holds (44237: the uncompressed point, or a
COSE_Key); the platform token by a trusted platform key, and its challenge (10) is the hash, by the
algorithm that the realm token names (44240), of the realm key as the realm token holds it. The
realm's challenge (10) is the report data padded to 64 bytes; its personalisation value (44235) is
the digest of init-data, cut or padded to 64 bytes, where init-data is sent. Profiles: PROFILES of
the platform (265); the realm token has none, or one of them."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import cbor
import initdata
from binary import Refused, octets

TOKEN_TAG, SIGN1_TAG = 399, 18
PLATFORM, REALM = 44234, 44241
CHALLENGE, PROFILE = 10, 265
PERSONALIZATION, HASH, KEY = 44235, 44236, 44237
INITIAL, EXTENSIBLE, KEY_HASH = 44238, 44239, 44240
IMPLEMENTATION, INSTANCE, LIFECYCLE = 2396, 256, 2395
PROFILES = ("http://arm.com/CCA-SSD/1.0.0", "tag:arm.com,2023:cca_platform#1.0.0",
            "tag:arm.com,2023:realm#1.0.0")
ES384, SIGNATURE_SIZE = -35, 96
HASHES = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
LIFECYCLE_SECURED = range(0x3000, 0x3100)


def claim(claims, label, kind, size=None):
    value = claims.get(label)
    if not isinstance(value, kind) or (size is not None and len(value) != size):
        raise Refused(f"CCA token: claim {label} is missing or of another form")
    return value


class Signed:
    """A COSE_Sign1 with its claims, not yet believed."""

    def __init__(self, data, what):
        found = cbor.read(data, what)
        if isinstance(found, cbor.Tag) and found.number == SIGN1_TAG:
            found = found.value
        if not isinstance(found, list) or len(found) != 4 or found[1] != {}:
            raise Refused(f"{what}: it is no COSE_Sign1")
        self.what, (self.header, _, self.payload, self.signature) = what, found
        if not all(isinstance(part, bytes) for part in (self.header, self.payload, self.signature)):
            raise Refused(f"{what}: it is no COSE_Sign1")
        if cbor.read(self.header, what) != {1: ES384} or len(self.signature) != SIGNATURE_SIZE:
            raise Refused(f"{what}: it is not signed with ES384")
        self.claims = cbor.read(self.payload, what)
        if not isinstance(self.claims, dict):
            raise Refused(f"{what}: it holds no claims")

    def is_signed_by(self, key):
        parts = (int.from_bytes(part, "big") for part in (self.signature[:48], self.signature[48:]))
        text = (b"\x84" + b"\x6aSignature1" + string_head(self.header) + self.header + b"\x40"
                + string_head(self.payload) + self.payload)
        try:
            key.verify(encode_dss_signature(*parts), text, ec.ECDSA(hashes.SHA384()))
        except InvalidSignature:
            return False
        return True


def string_head(data):
    """The head of @data as a byte string, in its shortest form."""
    size = len(data)
    if size < 24:
        return bytes([0x40 + size])
    for code, width in ((0x58, 1), (0x59, 2), (0x5A, 4)):
        if size < 1 << 8 * width:
            return bytes([code]) + size.to_bytes(width, "big")
    raise Refused("CCA token: it is too long")


def realm_key(data):
    """The key in the two forms that tokens have it in."""
    if len(data) != 97:
        members = cbor.read(data, "realm key")
        if not isinstance(members, dict) or members.get(1) != 2 or members.get(-1) != 2:
            raise Refused("realm key: it is no key on P-384")
        point = (members.get(-2), members.get(-3))
        if not all(isinstance(part, bytes) and len(part) == 48 for part in point):
            raise Refused("realm key: a coordinate has another size")
        data = b"\x04" + point[0] + point[1]
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), data)
    except ValueError:
        raise Refused("realm key: it is no point of P-384") from None


def check_profile(claims, needed):
    found = claims.get(PROFILE)
    if found not in PROFILES and (needed or found is not None):
        raise Refused(f"CCA token: profile {found}")


def check_token(data, cpaks):
    """Every check that needs no nonce. Return the claims of platform and realm."""
    token = cbor.read(data, "CCA token")
    parts = token.value if isinstance(token, cbor.Tag) and token.number == TOKEN_TAG else None
    if not isinstance(parts, dict) or set(parts) != {PLATFORM, REALM}:
        raise Refused("CCA token: it does not hold a platform token and a realm token")
    platform = Signed(claim(parts, PLATFORM, bytes), "platform token")
    realm = Signed(claim(parts, REALM, bytes), "realm token")
    check_profile(platform.claims, True)
    check_profile(realm.claims, False)
    key = claim(realm.claims, KEY, bytes)
    if not realm.is_signed_by(realm_key(key)):
        raise Refused("realm token: the realm key did not sign it")
    if not any(platform.is_signed_by(cpak) for cpak in cpaks):
        raise Refused("platform token: no trusted platform key signed it")
    algorithm = HASHES.get(claim(realm.claims, KEY_HASH, str))
    if algorithm is None:
        raise Refused("realm token: its hash of the realm key is not known")
    if hashlib.new(algorithm, key).digest() != claim(platform.claims, CHALLENGE, bytes):
        raise Refused("CCA token: the platform token is about another realm key")
    return platform.claims, realm.claims


def claims_of(platform, realm):
    extensible = claim(realm, EXTENSIBLE, list)
    if not all(isinstance(part, bytes) for part in extensible):
        raise Refused("realm token: an extensible measurement is no byte string")
    return {"platform": {"cca-platform-profile": platform[PROFILE],
                         "cca-platform-implementation-id":
                             claim(platform, IMPLEMENTATION, bytes).hex(),
                         "cca-platform-instance-id": claim(platform, INSTANCE, bytes).hex(),
                         "cca-platform-lifecycle": claim(platform, LIFECYCLE, int)},
            "realm": {"initial-measurement": claim(realm, INITIAL, bytes).hex(),
                      "extensible-measurements": [part.hex() for part in extensible],
                      "hash-algo-id": claim(realm, HASH, str)}}


def verify(evidence, report_data, init_data, context):
    platform, realm = check_token(octets(evidence, "token"), context.roots.cpaks)
    if claim(platform, LIFECYCLE, int) not in LIFECYCLE_SECURED:
        raise Refused("platform token: the platform's life cycle is not the secured one")
    challenge = claim(realm, CHALLENGE, bytes, 64)
    if challenge != initdata.fit(report_data, 64):
        raise Refused("realm token: its challenge is not the report data")
    personal = claim(realm, PERSONALIZATION, bytes, 64)
    if init_data is not None and personal != initdata.fit(init_data, 64):
        raise Refused("init-data: the realm's personalisation value does not bind it")
    return {"claims": claims_of(platform, realm), "report_data": challenge.hex(),
            "init_data": personal.hex()}
