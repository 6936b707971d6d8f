# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence "tpm": a quote of a TPM 2.0 (TCG TPM 2.0 Library, part 2: TPMS_ATTEST, TPMT_SIGNATURE).

What the quote must be: RSASSA with SHA-256 by the attestation key (RSA) that comes with it, over
exactly the SHA-256 PCRs 0 to 23, with the first 32 bytes of the report data as its nonce. Whether
the attestation key is one to trust is for the policy."""

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from binary import Reader, Refused, base64_text, hex_text, member

GENERATED = 0xFF544347
ATTEST_QUOTE = 0x8018
ALG_RSASSA, ALG_SHA256 = 0x0014, 0x000B
PCR_COUNT = 24
NONCE_SIZE = 32


def parse_quote(message):
    """Nonce and PCR digest of a TPMS_ATTEST that quotes all PCRs of the SHA-256 bank."""
    reader = Reader(message, "quote")
    if reader.be(4) != GENERATED or reader.be(2) != ATTEST_QUOTE:
        raise Refused("quote: it was not made by TPM2_Quote")
    reader.bytes(reader.be(2))  # qualified name of the signer
    nonce = reader.bytes(reader.be(2))
    reader.bytes(8 + 4 + 4 + 1 + 8)  # clock, resets, restarts, safe; firmware version
    if reader.be(4) != 1:
        raise Refused("quote: it is not over one bank of PCRs")
    if (reader.be(2), reader.bytes(reader.be(1))) != (ALG_SHA256, b"\xff\xff\xff"):
        raise Refused("quote: it is not over the SHA-256 PCRs 0 to 23")
    digest = reader.bytes(reader.be(2))
    reader.end()
    return nonce, digest


def parse_signature(data):
    """The RSA signature inside a TPMT_SIGNATURE."""
    reader = Reader(data, "quote signature")
    if reader.be(2) != ALG_RSASSA or reader.be(2) != ALG_SHA256:
        raise Refused("quote signature: it is not RSASSA with SHA-256")
    signature = reader.bytes(reader.be(2))
    reader.end()
    return signature


def check_quote(message, signature, key, pcrs):
    """Check signature and PCR values of a quote; return its nonce."""
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise Refused("attestation key: it is no RSA key of 2048 bits or more")
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Refused("quote: the attestation key did not sign it") from None
    nonce, digest = parse_quote(message)
    if hashlib.sha256(b"".join(pcrs)).digest() != digest:
        raise Refused("quote: the PCR values are not the ones that it was made over")
    return nonce


def read_pcrs(texts):
    pcrs = [hex_text(text, "pcrs") if isinstance(text, str) else b"" for text in texts]
    if len(pcrs) != PCR_COUNT or any(len(value) != 32 for value in pcrs):
        raise Refused("evidence: pcrs are not 24 values of 32 bytes")
    return pcrs


def check_init_data(pcrs, digest):
    """PCR 8 was extended once, by the digest of the init-data, which is a SHA-256."""
    if digest is None:
        return
    if len(digest) != 32:
        raise Refused("init-data: a PCR takes only a SHA-256")
    if hashlib.sha256(bytes(32) + digest).digest() != pcrs[8]:
        raise Refused("init-data: PCR 8 does not bind it")


def load_key(der):
    try:
        return serialization.load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused("evidence: ak_public is no public key") from None


def inspect(evidence):
    """Every check that needs no nonce. Return nonce and PCRs."""
    quote = member(evidence, "tpm_quote", dict)
    key = load_key(base64_text(member(evidence, "ak_public", str), "ak_public"))
    pcrs = read_pcrs(member(quote, "pcrs", list))
    signature = parse_signature(base64_text(member(quote, "signature", str), "signature"))
    message = base64_text(member(quote, "message", str), "message")
    return check_quote(message, signature, key, pcrs), pcrs


def verify(evidence, report_data, init_data, _context):
    """Claims of @evidence; Refused. @report_data is the digest, @init_data a digest or None."""
    nonce, pcrs = inspect(evidence)
    if nonce != report_data[:NONCE_SIZE].ljust(NONCE_SIZE, b"\0"):
        raise Refused("quote: its nonce is not the report data")
    check_init_data(pcrs, init_data)
    claims = {f"pcr{index:02}": value.hex() for index, value in enumerate(pcrs)}
    claims["ak_public"] = evidence["ak_public"]
    return {"claims": claims, "report_data": nonce.hex(), "init_data": pcrs[8].hex()}
