# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence "az-snp-vtpm" and "az-tdx-vtpm": confidential VMs of Azure, by the vTPM that the
paravisor gives them and by its report ("HCL report": a hardware report and JSON that it is about).

What it must be: the hardware report (SNP: inside the HCL report, with its VCEK; TDX: a quote) good
by verify_snp.py or verify_tdx.py, about SHA-256 of the runtime JSON; a quote of the vTPM by the key
"HCLAkPub" of that JSON, over exactly the SHA-256 PCRs 0 to 23, with the whole report data as its
nonce; "user-data" of the JSON beginning with the report data (evidence of version 2 only); PCR 8
extended once by the digest of init-data, where init-data is sent.

Three forms are taken: version 2, version 1, and the earliest one, which has no number and writes
bytes as arrays. A broker with legacy names takes only the earliest. A report may be cut after its
JSON."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import rsa

import roots
import verify_snp
import verify_tdx
import verify_tpm
from binary import Reader, Refused, base64url_text, hex_text, member, octets
from jose import decode

HARDWARE_AT, HEADER_AT = 0x20, 0x4C0
REPORT_SNP, REPORT_TDX, HASH_SHA256 = 2, 4, 1
ATTESTATION_KEY = "HCLAkPub"


class Hcl:
    """An HCL report."""

    def __init__(self, data, kind):
        reader = Reader(data, "HCL report")
        if reader.bytes(4) != b"HCLA":
            raise Refused("HCL report: it does not begin with HCLA")
        reader.bytes(HEADER_AT - 4)
        reader.le(4), reader.le(4)
        if reader.le(4) != kind or reader.le(4) != HASH_SHA256:
            raise Refused("HCL report: it is for another TEE, or with another hash")
        text = reader.bytes(reader.le(4))
        self.hardware, self.digest = data[HARDWARE_AT:HEADER_AT], hashlib.sha256(text).digest()
        try:
            self.runtime = json.loads(text)
        except ValueError:
            raise Refused("HCL report: its runtime data are no JSON") from None

    def key(self):
        for key in member(self.runtime, "keys", list):
            if isinstance(key, dict) and key.get("kid") == ATTESTATION_KEY:
                parts = (int.from_bytes(decode(member(key, name, str)), "big") for name in "en")
                return rsa.RSAPublicNumbers(*parts).public_key()
        raise Refused("HCL report: there is no HCLAkPub in it")

    def user_data(self):
        return hex_text(member(self.runtime, "user-data", str), "user-data")


class Evidence:
    """The parts of evidence in any of its forms."""

    def __init__(self, value, tee, legacy):
        self.version = value.get("version")
        if self.version is None:
            self._read_earliest(value, tee)
        elif legacy:
            raise Refused("evidence: a server this old takes only the form without a version")
        elif type(self.version) is not int or self.version not in (1, 2):
            raise Refused(f"evidence: version {self.version}")
        else:
            self._read(value, tee)

    def _read(self, value, tee):
        quote = member(value, "tpm_quote", dict)
        self.message = hex_text(member(quote, "message", str), "message")
        self.signature = hex_text(member(quote, "signature", str), "signature")
        self.pcrs = verify_tpm.read_pcrs(member(quote, "pcrs", list))
        self.hcl = base64url_text(member(value, "hcl_report", str), "hcl_report")
        if tee == "az-snp-vtpm":
            self.hardware = base64url_text(member(value, "vcek", str), "vcek")
        else:
            self.hardware = base64url_text(member(value, "td_quote", str), "td_quote")

    def _read_earliest(self, value, tee):
        snp = tee == "az-snp-vtpm"
        quote = member(value, "quote" if snp else "tpm_quote", dict)
        self.message, self.signature = octets(quote, "message"), octets(quote, "signature")
        self.pcrs = [octets({"pcrs": part}, "pcrs", 32) for part in member(quote, "pcrs", list)]
        if len(self.pcrs) != verify_tpm.PCR_COUNT:
            raise Refused("evidence: pcrs are not 24 values")
        self.hcl = octets(value, "report" if snp else "hcl_report")
        if not snp:
            self.hardware = octets(value, "td_quote")
            return
        certificates = roots.read_pem(member(value, "vcek", str).encode(), "vcek")
        if not certificates:
            raise Refused("evidence: vcek is no certificate")
        self.hardware = roots.public_bytes(certificates[0])


def inspect(value, tee, context):
    """Every check that needs no nonce. Return evidence, HCL report, nonce, claims."""
    evidence = Evidence(value, tee, context.legacy)
    hcl = Hcl(evidence.hcl, REPORT_SNP if tee == "az-snp-vtpm" else REPORT_TDX)
    nonce = verify_tpm.check_quote(evidence.message, evidence.signature, hcl.key(), evidence.pcrs)
    if tee == "az-snp-vtpm":
        report = verify_snp.check_report(hcl.hardware, roots.read_der(evidence.hardware, "vcek"),
                                         (), context.roots.snp)
        about, claims = report.report_data, claims_of_snp(report)
        if report.vmpl != 0:
            raise Refused("report: it was not made at VMPL 0")
    else:
        quote = verify_tdx.check_quote(evidence.hardware, context.roots.tdx)
        about, claims = quote.body["report_data"], verify_tdx.claims_of(quote)
    if about[:32] != hcl.digest:
        raise Refused("HCL report: the hardware report is about other runtime data")
    return evidence, hcl, nonce, claims


def claims_of_snp(report):
    """As of an SNP report, but numbers as text and the measurement as base64."""
    claims = {name: str(value).lower() for name, value in verify_snp.claims_of(report).items()}
    claims["measurement"] = base64.b64encode(report.measurement).decode()
    return claims


def verify_as(tee):
    def verify(value, report_data, init_data, context):
        evidence, hcl, nonce, claims = inspect(value, tee, context)
        if nonce != report_data:
            raise Refused("quote: its nonce is not the report data")
        if evidence.version == 2 and not hcl.user_data().startswith(report_data):
            raise Refused("HCL report: its user-data is not the report data")
        verify_tpm.check_init_data(evidence.pcrs, init_data)
        pcrs = {f"pcr{index:02}": pcr.hex() for index, pcr in enumerate(evidence.pcrs)}
        return {"claims": {**claims, "tpm": pcrs}, "report_data": nonce.hex(),
                "init_data": evidence.pcrs[8].hex()}
    return verify
