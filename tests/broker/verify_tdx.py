# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence "tdx": a quote of Intel TDX, version 4 or 5 (Intel TDX DCAP Quoting Library API,
appendix "Quote Format"), and the event log that replays to its RTMRs.

What the quote must be: ECDSA P-256 by its attestation key over header and body; bound by the report
of the quoting enclave, whose report data is SHA-256(attestation key || authentication data) and 32
zeros; that report signed by the PCK certificate that comes as PEM (certification data type 5 inside
type 6), which chains to a trusted root; REPORTDATA is the report data padded to 64 bytes;
MRCONFIGID is the digest of init-data, cut or padded to 48 bytes, where init-data is sent. Of the
quoting enclave's report nothing but its report data is looked at: TCB level and identity of the
enclave are not evaluated. Bytes after the signature are taken."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import eventlog
import initdata
import roots
from binary import Reader, Refused, base64_text, member

TEE_TDX, ECDSA_P256 = 0x81, 2
BODY_SIZES = {2: 584, 3: 648}
QE_REPORT, PCK_CHAIN = 6, 5
QE_REPORT_SIZE, QE_REPORT_DATA = 384, 320
FIELDS = (("tcb_svn", 16), ("mr_seam", 48), ("mrsigner_seam", 48), ("seam_attributes", 8),
          ("td_attributes", 8), ("xfam", 8), ("mr_td", 48), ("mr_config_id", 48), ("mr_owner", 48),
          ("mr_owner_config", 48), ("rtmr_0", 48), ("rtmr_1", 48), ("rtmr_2", 48), ("rtmr_3", 48),
          ("report_data", 64))
LATE_FIELDS = (("tee_tcb_svn2", 16), ("mr_service_td", 48))


class Quote:
    """The parts of a quote, bounds checked, nothing believed yet."""

    def __init__(self, data):
        reader = Reader(data, "quote")
        self.version, key_type, self.tee_type = reader.le(2), reader.le(2), reader.le(4)
        reader.bytes(4)
        self.vendor, _ = reader.bytes(16), reader.bytes(20)
        if self.version not in (4, 5) or (key_type, self.tee_type) != (ECDSA_P256, TEE_TDX):
            raise Refused("quote: it is no TDX quote of version 4 or 5 with ECDSA P-256")
        self.body = self._read_body(reader)
        self.signed = data[:reader.at]
        self._read_signature(Reader(reader.bytes(reader.le(4)), "quote signature"))

    def _read_body(self, reader):
        kind = reader.le(2) if self.version == 5 else 2
        if kind not in BODY_SIZES:
            raise Refused(f"quote: a body of type {kind}")
        if self.version == 5 and reader.le(4) != BODY_SIZES[kind]:
            raise Refused("quote: its body has another size")
        fields = FIELDS + LATE_FIELDS if kind == 3 else FIELDS
        return {name: reader.bytes(size) for name, size in fields}

    def _read_signature(self, reader):
        self.signature, self.key = reader.bytes(64), reader.bytes(64)
        if reader.le(2) != QE_REPORT:
            raise Refused("quote: no report of a quoting enclave certifies its key")
        inner = Reader(reader.bytes(reader.le(4)), "quote certification")
        reader.end()
        self.qe_report, self.qe_signature = inner.bytes(QE_REPORT_SIZE), inner.bytes(64)
        self.authentication = inner.bytes(inner.le(2))
        if inner.le(2) != PCK_CHAIN:
            raise Refused("quote: no PCK certificates come with it")
        self.chain = inner.bytes(inner.le(4))
        inner.end()


def check_p256(key, signature, data, what):
    """@signature is r and s, big-endian, 32 bytes each."""
    parts = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    try:
        key.verify(encode_dss_signature(*parts), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused(f"{what}: its signature is wrong") from None


def attestation_key(data):
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + data)
    except ValueError:
        raise Refused("quote: its attestation key is no point of P-256") from None


def check_quote(data, pool):
    """Every check that needs no nonce; the quote."""
    quote = Quote(data)
    certificates = roots.read_pem(quote.chain, "PCK certificate")
    if not certificates:
        raise Refused("quote: its PCK certificates are missing")
    pck = certificates[0].public_key()
    if not isinstance(pck, ec.EllipticCurvePublicKey) or pck.curve.name != "secp256r1":
        raise Refused("PCK certificate: its key is not on P-256")
    pool.check(certificates[0], certificates[1:])
    check_p256(pck, quote.qe_signature, quote.qe_report, "report of the quoting enclave")
    bound = hashlib.sha256(quote.key + quote.authentication).digest() + bytes(32)
    if quote.qe_report[QE_REPORT_DATA:] != bound:
        raise Refused("report of the quoting enclave: it is about another attestation key")
    check_p256(attestation_key(quote.key), quote.signature, quote.signed, "quote")
    return quote


def check_log(log, quote):
    for index, value in enumerate(eventlog.replay(log)):
        if value != quote.body[f"rtmr_{index}"]:
            raise Refused(f"event log: it does not replay to RTMR {index}")


def inspect(evidence, pool):
    """Every check that needs no nonce; the quote."""
    quote = check_quote(base64_text(member(evidence, "quote", str), "quote"), pool)
    if evidence.get("cc_eventlog") is not None:
        text = member(evidence, "cc_eventlog", str)
        check_log(base64_text(text, "cc_eventlog"), quote)
    return quote

# No collateral is looked at: a simulated platform has none, and policies want these claims.
TCB_CLAIMS = {"tcb_status": "UpToDate", "collateral_expiration_status": "0"}


def claims_of(quote):
    attributes = int.from_bytes(quote.body["td_attributes"], "little")
    return {"quote": {"header": {"version": quote.version, "tee_type": "81000000",
                                 "vendor_id": quote.vendor.hex()},
                      "body": {name: value.hex() for name, value in quote.body.items()}},
            "td_attributes": {"debug": bool(attributes & 1)}, **TCB_CLAIMS}


def verify(evidence, report_data, init_data, context):
    quote = inspect(evidence, context.roots.tdx)
    if quote.body["report_data"] != initdata.fit(report_data, 64):
        raise Refused("quote: its report data is another")
    if init_data is not None and quote.body["mr_config_id"] != initdata.fit(init_data, 48):
        raise Refused("init-data: MRCONFIGID does not bind it")
    return {"claims": claims_of(quote), "report_data": quote.body["report_data"].hex(),
            "init_data": quote.body["mr_config_id"].hex()}
