# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence of simulated TEEs under the roots of make-roots: what is bound to the nonce and to
init-data, and every rule of the verifiers broken once."""

import hashlib
import tempfile
import unittest

import simulate
import tee_roots
import verify
from binary import Refused

REPORT_DATA = hashlib.sha384(b"report data").digest()
OTHER = hashlib.sha384(b"other").digest()
INIT_DATA = hashlib.sha256(b"init-data").digest()
OTHER_INIT_DATA = hashlib.sha256(b"other").digest()


class Simulated(unittest.TestCase):
    tee = None

    @classmethod
    def setUpClass(cls):
        # One folder and its context for all classes: making keys takes time.
        if not hasattr(Simulated, "context"):
            Simulated.holder = tempfile.TemporaryDirectory()
            Simulated.folder = Simulated.holder.name
            unittest.addModuleCleanup(Simulated.holder.cleanup)
            tee_roots.make(cls.folder)
            Simulated.context = verify.Context(folders=[cls.folder])
            with tempfile.TemporaryDirectory() as other:
                tee_roots.make(other)
                Simulated.strange = verify.Context(folders=[other])

    def good(self, evidence, init_data=None, report_data=REPORT_DATA):
        return verify.verify(self.tee, evidence, report_data, init_data, self.context)

    def bad(self, reason, evidence, init_data=None, report_data=REPORT_DATA, context=None):
        with self.assertRaisesRegex(Refused, reason):
            verify.verify(self.tee, evidence, report_data, init_data, context or self.context)


class Tpm(Simulated):
    tee = "tpm"

    def setUp(self):
        self.tpm = simulate.Tpm()

    def test_good(self):
        found = self.good(self.tpm.evidence(REPORT_DATA))
        self.assertEqual(found["claims"]["pcr11"], "00" * 32)
        self.assertEqual(found["report_data"], REPORT_DATA[:32].hex())

    def test_nonce(self):
        self.bad("nonce", self.tpm.evidence(OTHER))
        self.bad("nonce", self.tpm.evidence(REPORT_DATA[:31]))

    def test_selection(self):
        for selection in (b"\xff\xff\x7f", b"\xfe\xff\xff", b"\0\0\0"):
            self.bad("PCRs 0 to 23", self.tpm.evidence(REPORT_DATA, selection=selection))
        self.bad("PCRs 0 to 23", self.tpm.evidence(REPORT_DATA, bank=b"\0\4"))

    def test_not_a_quote(self):
        self.bad("TPM2_Quote", self.tpm.evidence(REPORT_DATA, magic=b"\0TCG"))
        self.bad("TPM2_Quote", self.tpm.evidence(REPORT_DATA, kind=b"\x80\x17"))

    def test_other_key(self):
        evidence = self.tpm.evidence(REPORT_DATA)
        evidence["ak_public"] = simulate.Tpm(1).evidence(REPORT_DATA)["ak_public"]
        self.bad("did not sign", evidence)

    def test_short_key(self):
        self.bad("2048", simulate.Tpm(bits=1024).evidence(REPORT_DATA))

    def test_pcr_changed(self):
        evidence = self.tpm.evidence(REPORT_DATA)
        evidence["tpm_quote"]["pcrs"][11] = "11" * 32
        self.bad("PCR values", evidence)

    def test_init_data(self):
        self.bad("PCR 8", self.tpm.evidence(REPORT_DATA), INIT_DATA)
        self.tpm.extend(8, INIT_DATA)
        self.good(self.tpm.evidence(REPORT_DATA), INIT_DATA)
        self.good(self.tpm.evidence(REPORT_DATA))
        self.bad("PCR 8", self.tpm.evidence(REPORT_DATA), OTHER_INIT_DATA)
        self.bad("SHA-256", self.tpm.evidence(REPORT_DATA), hashlib.sha384(b"").digest())
        self.tpm.extend(8, INIT_DATA)
        self.bad("PCR 8", self.tpm.evidence(REPORT_DATA), INIT_DATA)


class Snp(Simulated):
    tee = "snp"

    def test_good(self):
        for version in (3, 4):
            found = self.good(simulate.snp(self.folder, REPORT_DATA, version=version))
            self.assertEqual(found["claims"]["measurement"], "11" * 48)
            self.assertEqual(found["claims"]["reported_tcb_microcode"], 115)
        self.good(simulate.snp(self.folder, REPORT_DATA, chain=False))

    def test_report_data(self):
        self.bad("report data", simulate.snp(self.folder, OTHER))

    def test_version(self):
        self.bad("version 2", simulate.snp(self.folder, REPORT_DATA, version=2))

    def test_vmpl(self):
        self.bad("VMPL", simulate.snp(self.folder, REPORT_DATA, vmpl=1))

    def test_init_data(self):
        bound = simulate.snp(self.folder, REPORT_DATA, host_data=INIT_DATA)
        self.good(bound, INIT_DATA)
        self.bad("HOST_DATA", bound, OTHER_INIT_DATA)
        self.bad("HOST_DATA", simulate.snp(self.folder, REPORT_DATA), INIT_DATA)
        long = hashlib.sha384(b"init-data").digest()
        self.good(simulate.snp(self.folder, REPORT_DATA, host_data=long[:32]), long)

    def test_certificate(self):
        self.bad("another chip", simulate.snp(self.folder, REPORT_DATA, chip=bytes(64)))
        tcb = {**tee_roots.SNP_TCB, "microcode": 116}
        self.bad("another TCB", simulate.snp(self.folder, REPORT_DATA, tcb=tcb))
        self.bad("VLEK", simulate.snp(self.folder, REPORT_DATA, key_info=4))
        self.bad("trusted root", simulate.snp(self.folder, REPORT_DATA), context=self.strange)
        self.bad("did not sign", simulate.snp(self.folder, REPORT_DATA, chain=False),
                 context=self.strange)

    def test_chain(self):
        """A chain must hold the end certificate, even where the roots have it."""
        evidence = simulate.snp(self.folder, REPORT_DATA)
        ask = list(simulate.der(self.folder, "snp-ask.pem"))
        for chain in ([], [{"cert_type": "ASK", "data": ask}]):
            self.bad("neither VCEK nor VLEK", {**evidence, "cert_chain": chain})
        self.bad("of type", {**evidence, "cert_chain": [{"cert_type": "X", "data": ask}]})
        strange = [{"cert_type": "VCEK", "data": ask}]
        self.bad("certificate", {**evidence, "cert_chain": strange})
        others = [{"cert_type": {"OTHER": "x"}, "data": [1]}, {"cert_type": "CRL", "data": [1]}]
        self.good({**evidence, "cert_chain": evidence["cert_chain"] + others})

    def test_shape(self):
        for name in ("report_data", "signature", "policy", "reported_tcb"):
            evidence = simulate.snp(self.folder, REPORT_DATA)
            del evidence["attestation_report"][name]
            self.bad("no member", evidence)
        evidence = simulate.snp(self.folder, REPORT_DATA)
        evidence["attestation_report"]["cpuid_fam_id"] = None
        self.bad("missing", evidence)
        evidence["attestation_report"]["report_data"].append(0)
        self.bad("65 bytes|missing", evidence)


class Tdx(Simulated):
    tee = "tdx"

    def test_good(self):
        for version in (4, 5):
            found = self.good(simulate.tdx(self.folder, REPORT_DATA, version=version))
            self.assertEqual(found["claims"]["quote"]["body"]["mr_td"], "22" * 48)

    def test_report_data(self):
        self.bad("report data", simulate.tdx(self.folder, OTHER))

    def test_version(self):
        self.bad("version 4 or 5", simulate.tdx(self.folder, REPORT_DATA, version=3))

    def test_binding(self):
        self.bad("another attestation key",
                 simulate.tdx(self.folder, REPORT_DATA, other_key=True))
        self.bad("trusted root", simulate.tdx(self.folder, REPORT_DATA), context=self.strange)

    def test_init_data(self):
        bound = simulate.tdx(self.folder, REPORT_DATA, config_id=INIT_DATA)
        self.good(bound, INIT_DATA)
        self.bad("MRCONFIGID", bound, OTHER_INIT_DATA)
        self.bad("MRCONFIGID", simulate.tdx(self.folder, REPORT_DATA), INIT_DATA)

    def test_event_log(self):
        log, rtmrs = simulate.event_log([b"domain operation content", b"a b c"])
        self.good(simulate.tdx(self.folder, REPORT_DATA, log=log, rtmrs=rtmrs))
        self.good(simulate.tdx(self.folder, REPORT_DATA, rtmrs=rtmrs))
        self.bad("RTMR 3", simulate.tdx(self.folder, REPORT_DATA, log=log))
        short, _ = simulate.event_log([b"domain operation content"])
        self.bad("RTMR 3", simulate.tdx(self.folder, REPORT_DATA, log=short, rtmrs=rtmrs))
        changed = log.replace(b"a b c", b"a b d")
        self.bad("not over its data",
                 simulate.tdx(self.folder, REPORT_DATA, log=changed, rtmrs=rtmrs))
        log, rtmrs = simulate.event_log([b"a b c"], index=3)
        self.good(simulate.tdx(self.folder, REPORT_DATA, log=log, rtmrs=rtmrs))


class AzureSnp(Simulated):
    tee = "az-snp-vtpm"

    def make(self, *arguments, **options):
        return simulate.azure(self.folder, self.tee, *arguments, **options)

    def test_good(self):
        for version in (0, 1, 2):
            self.good(self.make(REPORT_DATA, version=version))

    def test_legacy(self):
        """A server this old takes the earliest form only."""
        context = verify.Context(legacy=True, folders=[self.folder])
        for version, good in ((0, True), (1, False), (2, False)):
            evidence = self.make(REPORT_DATA, version=version)
            if good:
                verify.verify(self.tee, evidence, REPORT_DATA, None, context)
            else:
                self.bad("form without a version", evidence, context=context)

    def test_nonce(self):
        self.bad("nonce", self.make(OTHER))
        self.bad("nonce", self.make(REPORT_DATA[:32]))

    def test_user_data(self):
        self.bad("user-data", self.make(REPORT_DATA, user_data=OTHER))
        self.good(self.make(REPORT_DATA, user_data=OTHER, version=1))

    def test_version(self):
        self.bad("version 3", self.make(REPORT_DATA, version=3))

    def test_root(self):
        self.bad("trusted root", self.make(REPORT_DATA), context=self.strange)

    def test_other_key(self):
        mixed = self.make(REPORT_DATA)
        other = self.make(REPORT_DATA, tpm=simulate.Tpm(1))
        mixed["tpm_quote"] = other["tpm_quote"]
        self.bad("did not sign", mixed)

    def test_init_data(self):
        tpm = simulate.Tpm()
        self.bad("PCR 8", self.make(REPORT_DATA, tpm=tpm), INIT_DATA)
        tpm.extend(8, INIT_DATA)
        self.good(self.make(REPORT_DATA, tpm=tpm), INIT_DATA)

    def test_vmpl(self):
        self.bad("VMPL", self.make(REPORT_DATA, vmpl=1))


class AzureTdx(AzureSnp):
    tee = "az-tdx-vtpm"

    def test_vmpl(self):
        """There is no such thing here; a quote about something else instead."""
        mixed = self.make(REPORT_DATA)
        mixed["td_quote"] = self.make(REPORT_DATA, tpm=simulate.Tpm(1))["td_quote"]
        self.bad("other runtime data", mixed)


class Cca(Simulated):
    tee = "cca"

    def test_good(self):
        for as_cose_key in (False, True):
            found = self.good(simulate.cca(self.folder, REPORT_DATA, as_cose_key=as_cose_key))
            self.assertEqual(found["claims"]["realm"]["initial-measurement"], "33" * 32)

    def test_challenge(self):
        self.bad("challenge", simulate.cca(self.folder, OTHER))

    def test_binding(self):
        self.bad("another realm key", simulate.cca(self.folder, REPORT_DATA, other_key=True))
        self.bad("no trusted platform key", simulate.cca(self.folder, REPORT_DATA),
                 context=self.strange)

    def test_profile(self):
        self.bad("profile", simulate.cca(self.folder, REPORT_DATA, profile="http://example.com"))

    def test_lifecycle(self):
        self.bad("life cycle", simulate.cca(self.folder, REPORT_DATA, lifecycle=0x4003))

    def test_init_data(self):
        bound = simulate.cca(self.folder, REPORT_DATA, personal=INIT_DATA)
        self.good(bound, INIT_DATA)
        self.bad("personalisation", bound, OTHER_INIT_DATA)
        self.bad("personalisation", simulate.cca(self.folder, REPORT_DATA), INIT_DATA)


class Strangers(unittest.TestCase):
    def test_unknown(self):
        context = verify.Context()
        for tee, evidence in (("se", {}), ("snp", []), ("snp", None), ("tpm", {}), ("cca", {})):
            with self.assertRaises(Refused):
                verify.verify(tee, evidence, REPORT_DATA, None, context)
        with self.assertRaisesRegex(Refused, "allow-sample"):
            verify.verify("sample", {}, REPORT_DATA, None, context)


if __name__ == "__main__":
    unittest.main()
