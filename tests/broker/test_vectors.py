# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Published evidence of real machines: good ones are believed, and no longer once one bit of their
signed part is changed."""

import base64
import copy
import unittest

from cryptography.hazmat.primitives import serialization
from jwcrypto import jwk

import eventlog
import roots
import vectors
import verify
import verify_azure
import verify_cca
import verify_snp
import verify_tdx
import verify_tpm
from binary import Refused, base64url_text
from jose import encode

TRUSTEE = "trustee/deps/verifier/test_data/"

# Report, end certificate.
SNP = (
    ("go-sev-guest/verify/testdata/attestation.bin", "go-sev-guest/verify/testdata/vcek.testcer"),
    ("virtee-sev/tests/certs_data/report_milan.hex", "virtee-sev/tests/certs_data/vcek_milan.der"),
    (TRUSTEE + "snp/test-report.bin", TRUSTEE + "snp/test-vcek.der"),
    (TRUSTEE + "snp/test-vlek-report.bin", TRUSTEE + "snp/test-vlek.der"),
    ("trustee/derived/e2e-evidence-report.bin", "trustee/derived/e2e-evidence-vcek.der"),
)
TDX = (
    "go-tdx-guest/testing/testdata/tdx_prod_quote_SPR_E4.dat",
    "go-tdx-guest/testing/testdata/quote_v5_sample.dat",
    "go-tdx-guest/testing/testdata/ccel/cos-113-tdx-quote.dat",
    TRUSTEE + "tdx_quote_4.dat", TRUSTEE + "tdx_quote_5.dat", TRUSTEE + "tdx_quote_6.dat",
    TRUSTEE + "az-tdx-vtpm/td-quote.bin",
)
AZURE = (
    ("az-snp-vtpm", "evidence-v0.json"), ("az-snp-vtpm", "evidence-v1.json"),
    ("az-snp-vtpm", "evidence-v2.json"), ("az-snp-vtpm", "evidence-genoa.json"),
    ("az-tdx-vtpm", "evidence-v0.json"), ("az-tdx-vtpm", "evidence-v1.json"),
)


def flip(data, at, bit=0):
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def spread(size, count):
    """Places all over @size bytes, both ends included."""
    return sorted({index * (size - 1) // (count - 1) for index in range(count)})


def read_report(name):
    data = vectors.read(name)
    return bytes.fromhex(data.decode()) if name.endswith(".hex") else data


class Published(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        vectors.need()
        cls.context = verify.Context(folders=[vectors.AMD, vectors.INTEL])
        cls.pools = cls.context.roots

    def refused(self, *call):
        with self.assertRaises(Refused):
            call[0](*call[1:])


class Snp(Published):
    def test_reports(self):
        for name, certificate in SNP:
            data, leaf = read_report(name), roots.read_der(vectors.read(certificate), certificate)
            with self.subTest(name):
                verify_snp.check_report(data, leaf, (), self.pools.snp)
                for at in spread(verify_snp.SIGNED_SIZE, 40):
                    self.refused(verify_snp.check_report, flip(data, at), leaf, (), self.pools.snp)

    def test_other_certificate(self):
        leaf = roots.read_der(vectors.read(SNP[2][1]), "VCEK")
        for name in (SNP[0][0], SNP[1][0]):
            self.refused(verify_snp.check_report, read_report(name), leaf, (), self.pools.snp)
        data = read_report(SNP[2][0])
        for name in ("legacy", "new"):
            bad = roots.read_der(vectors.read(f"{TRUSTEE}snp/test-vcek-invalid-{name}.der"), name)
            self.refused(verify_snp.check_report, data, bad, (), self.pools.snp)

    def test_unknown_root(self):
        leaf = roots.read_der(vectors.read(SNP[2][1]), "VCEK")
        self.refused(verify_snp.check_report, read_report(SNP[2][0]), leaf, (), roots.Pool())

    def test_json(self):
        evidence = vectors.load("trustee/attestation-service/tests/e2e/evidence.json")
        binary = vectors.read("trustee/derived/e2e-evidence-report.bin")
        self.assertEqual(verify_snp.encode(evidence["attestation_report"]), binary)
        verify_snp.inspect(evidence, self.pools.snp)
        for name, _, _ in verify_snp.BYTES:
            changed = copy.deepcopy(evidence)
            changed["attestation_report"][name][0] ^= 1
            self.refused(verify_snp.inspect, changed, self.pools.snp)
        for name, _, _ in verify_snp.NUMBERS:
            changed = copy.deepcopy(evidence)
            changed["attestation_report"][name] ^= 1
            self.refused(verify_snp.inspect, changed, self.pools.snp)
        changed = copy.deepcopy(evidence)
        changed["cert_chain"] = []
        self.refused(verify_snp.inspect, changed, self.pools.snp)


class Tdx(Published):
    def test_quotes(self):
        for name in TDX:
            data = vectors.read(name)
            with self.subTest(name):
                quote = verify_tdx.check_quote(data, self.pools.tdx)
                for at in spread(len(quote.signed), 40):
                    self.refused(verify_tdx.check_quote, flip(data, at), self.pools.tdx)
                self.check_certification(data, quote)
                self.refused(verify_tdx.check_quote, data, roots.Pool())

    def check_certification(self, data, quote):
        """One bit in each part that certifies the attestation key."""
        for part in (quote.signature, quote.key, quote.qe_report, quote.qe_signature,
                     quote.authentication):
            at = data.index(part)
            self.refused(verify_tdx.check_quote, flip(data, at + len(part) - 1), self.pools.tdx)

    def test_event_log(self):
        folder = "go-tdx-guest/testing/testdata/ccel/"
        quote = verify_tdx.Quote(vectors.read(folder + "cos-113-tdx-quote.dat"))
        log = vectors.read(folder + "ccel_data.dat")
        verify_tdx.check_log(log, quote)
        digest = next(digest for index, _, digest, _ in eventlog.events(log) if index == 1)
        self.refused(verify_tdx.check_log, flip(log, log.index(digest)), quote)
        twice = "go-eventlog/testdata/eventlogs/ccel/cos-113-intel-tdx-dupe-separator-unpadded.bin"
        self.refused(verify_tdx.check_log, vectors.read(twice), quote)

    def test_agent_events(self):
        log = vectors.read("trustee/deps/eventlog/test_data/CCEL_AAEL_alibabacloud")
        found = [data for _, kind, _, data in eventlog.events(log)
                 if kind == eventlog.EVENT_TAG and data[:4] == eventlog.AGENT_TAG]
        self.assertEqual(len(found), 2)
        at = log.index(found[0])
        self.refused(eventlog.replay, flip(log, at + 9))


class Azure(Published):
    def load(self, tee, name):
        return vectors.load(f"{TRUSTEE}{tee}/{name}")

    def inspect(self, value, tee):
        return verify_azure.inspect(value, tee, self.context)

    def test_evidence(self):
        for tee, name in AZURE:
            with self.subTest(tee=tee, name=name):
                value = self.load(tee, name)
                evidence = self.inspect(value, tee)[0]
                for part in ("hcl", "message", "signature", "hardware"):
                    data = getattr(evidence, part)
                    # The TD report in an HCL report is not what is sent: the quote made of it is.
                    hcl = (0x20, 0x90, 0x4F0) if tee == "az-snp-vtpm" else (0x4F0,)
                    places = {"hcl": hcl, "hardware": (60, 200)}
                    for at in places.get(part, (5, len(data) - 1)):
                        self.refused(self.inspect, self.changed(value, part, flip(data, at)), tee)
                pcrs = [flip(evidence.pcrs[0], 0), *evidence.pcrs[1:]]
                self.refused(self.inspect, self.changed(value, "pcrs", pcrs), tee)

    def changed(self, value, part, data):
        """@value with one of its parts replaced, in its own form."""
        value = copy.deepcopy(value)
        late = "version" in value
        quote = value["tpm_quote"] if "tpm_quote" in value else value["quote"]
        if part == "pcrs":
            quote["pcrs"] = [item.hex() if late else list(item) for item in data]
        elif part in ("message", "signature"):
            quote[part] = data.hex() if late else list(data)
        elif part == "hcl":
            name = "report" if "report" in value else "hcl_report"
            value[name] = self.padded(data) if late else list(data)
        else:
            name = "vcek" if "vcek" in value else "td_quote"
            if name == "vcek" and not late:
                value[name] = ("-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(data).decode()
                               + "-----END CERTIFICATE-----\n")
            else:
                value[name] = self.padded(data) if late else list(data)
        return value

    def padded(self, data):
        text = encode(data)
        return text + "=" * (-len(text) % 4)

    def test_nonce_and_user_data(self):
        value = self.load("az-snp-vtpm", "evidence-v2.json")
        _, hcl, nonce, _ = self.inspect(value, "az-snp-vtpm")
        self.assertEqual(len(nonce), 48)
        check = verify_azure.verify_as("az-snp-vtpm")
        if hcl.user_data().startswith(nonce):
            check(value, nonce, None, self.context)
        else:
            self.refused(check, value, nonce, None, self.context)
        self.refused(check, value, flip(nonce, 0), None, self.context)
        self.refused(check, value, nonce, bytes(32), self.context)

    def test_cut_report(self):
        value = self.load("az-snp-vtpm", "evidence-v1.json")
        data = base64url_text(value["hcl_report"], "hcl_report")
        end = 0x4D4 + int.from_bytes(data[0x4D0:0x4D4], "little")
        self.inspect(self.changed(value, "hcl", data[:end]), "az-snp-vtpm")
        self.refused(self.inspect, self.changed(value, "hcl", data[:end - 1]), "az-snp-vtpm")

    def test_legacy(self):
        context = verify.Context(legacy=True, folders=[vectors.AMD])
        verify_azure.inspect(self.load("az-snp-vtpm", "evidence-v0.json"), "az-snp-vtpm", context)
        value = self.load("az-snp-vtpm", "evidence-v1.json")
        self.refused(verify_azure.inspect, value, "az-snp-vtpm", context)

    def test_other_chip(self):
        folder = "azure-cvm-tooling/az-cvm-vtpm/test/"
        hcl = verify_azure.Hcl(vectors.read(folder + "hcl-report-snp.bin"), 2)
        leaf = roots.read_pem(vectors.read(folder + "certs.pem"), "certs.pem")[0]
        self.pools.snp.check(leaf)
        self.refused(verify_snp.check_report, hcl.hardware, leaf, (), self.pools.snp)


class Tpm(Published):
    def test_evidence(self):
        evidence = vectors.load(TRUSTEE + "tpm_evidence.json")
        nonce, pcrs = verify_tpm.inspect(evidence)
        verify_tpm.check_init_data(pcrs, None)
        self.assertTrue(nonce)
        for name in ("message", "signature"):
            changed = copy.deepcopy(evidence)
            text = changed["tpm_quote"][name]
            at = len(text) // 2
            changed["tpm_quote"][name] = text[:at] + ("B" if text[at] == "A" else "A") + text[at+1:]
            self.refused(verify_tpm.inspect, changed)
        for index in range(24):
            changed = copy.deepcopy(evidence)
            changed["tpm_quote"]["pcrs"][index] = "00" * 31 + "01"
            self.refused(verify_tpm.inspect, changed)
        changed = copy.deepcopy(evidence)
        changed["tpm_quote"]["pcrs"].pop()
        self.refused(verify_tpm.inspect, changed)

    def test_selection(self):
        """A quote of fewer PCRs is refused even where its digest is right."""
        message = vectors.read("keylime/test-data/files/quote.out")
        with self.assertRaisesRegex(Refused, "bank|SHA-256 PCRs"):
            verify_tpm.parse_quote(message)


class Cca(Published):
    def keys(self):
        members = vectors.load(TRUSTEE + "cca/misc/cpak-pub.json")
        public = vectors.read("veraison-ccatoken/realm/testvectors/tf-rmm/cca_platform.pub")
        return [jwk.JWK(**members).get_op_key("verify"), serialization.load_pem_public_key(public)]

    def test_tokens(self):
        for name in (TRUSTEE + "cca/misc/cca-example-token.cbor",
                     "veraison-ccatoken/realm/testvectors/tf-rmm/cca_token.cbor"):
            data = vectors.read(name)
            with self.subTest(name):
                platform, realm = verify_cca.check_token(data, self.keys())
                verify_cca.claims_of(platform, realm)
                for at in spread(len(data), 60):
                    self.refused(verify_cca.check_token, flip(data, at), self.keys())
                self.refused(verify_cca.check_token, data, [])


if __name__ == "__main__":
    unittest.main()
