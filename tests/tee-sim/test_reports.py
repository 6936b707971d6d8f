# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What the simulators sign is what the reference broker's verifiers take, and nothing else is."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BROKER = HERE.parent / "broker"
TEE_SIM = HERE.parents[1] / "build" / "tests" / "tee-sim" / "tee-sim"
sys.path.insert(0, str(BROKER))

# pylint: disable=wrong-import-position
import roots
import verify_azure
import verify_cca
import verify_snp
import verify_tdx
from binary import Refused

REPORT_DATA = bytes(range(1, 49))  # of SHA-384's size
INITDATA = bytes(range(101, 133))
MEASUREMENT = bytes(range(200, 248))


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.keys = cls.folder / "roots"
        subprocess.run(["/usr/bin/python3", str(BROKER), "make-roots", str(cls.keys)], check=True)
        cls.roots = roots.Roots([cls.keys])

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def make(self, provider, *options):
        """The report, and what comes beside it."""
        report, beside = self.folder / "report", self.folder / "beside"
        beside.unlink(missing_ok=True)
        subprocess.run([TEE_SIM, "make-report", "--provider", provider, "--keys", self.keys,
                        "--report-data", REPORT_DATA.hex(), "--initdata", INITDATA.hex(),
                        "--measurement", MEASUREMENT.hex(), "--auxiliary", beside, *options,
                        report], check=True)
        return report.read_bytes(), beside.read_bytes() if beside.exists() else b""

    def vcek(self):
        return roots.read_pem((self.keys / "snp-vcek.pem").read_bytes(), "VCEK")[0]

    def check_snp(self, data):
        return verify_snp.check_report(data, self.vcek(), (), self.roots.snp)

    def test_snp(self):
        for version in 3, 5:
            report = self.check_snp(self.make("sev_guest", "--snp-version", str(version))[0])
            self.assertEqual(report.version, version)
            self.assertEqual(report.report_data, REPORT_DATA + bytes(16))
            self.assertEqual(report.host_data, INITDATA)
            self.assertEqual(report.measurement, MEASUREMENT)

    def test_snp_certificates(self):
        table = self.make("sev_guest")[1]
        found = {}
        for at in range(0, len(table), 24):
            guid = table[at:at + 16]
            if guid == bytes(16):
                break
            begin, size = (int.from_bytes(table[at + i:at + i + 4], "little") for i in (16, 20))
            found[guid.hex()] = roots.read_der(table[begin:begin + size], "table")
        self.assertEqual(found["63da758de6644564adc5f4b93be8accd"], self.vcek())
        self.assertEqual(len(found), 3)
        self.roots.snp.check(self.vcek(), list(found.values()))

    def test_snp_bad(self):
        with self.assertRaises(Refused):
            self.check_snp(self.make("sev_guest", "--bad-signature")[0])

    def test_tdx(self):
        data, _ = self.make("tdx_guest", "--rtmr", "2=" + "ab" * 48)
        body = verify_tdx.check_quote(data, self.roots.tdx).body
        self.assertEqual(body["report_data"], REPORT_DATA + bytes(16))
        self.assertEqual(body["mr_config_id"], INITDATA + bytes(16))
        self.assertEqual(body["mr_td"], MEASUREMENT)
        self.assertEqual(body["rtmr_2"], b"\xab" * 48)
        self.assertEqual(body["rtmr_3"], bytes(48))

    def test_tdx_bad(self):
        with self.assertRaises(Refused):
            verify_tdx.check_quote(self.make("tdx_guest", "--bad-signature")[0], self.roots.tdx)

    def hcl(self, name, kind):
        report = verify_azure.Hcl(self.make(name)[0], kind)
        self.assertTrue(report.user_data().startswith(REPORT_DATA))
        self.assertEqual(report.key().key_size, 2048)
        return report

    def test_hcl_snp(self):
        report = self.hcl("hcl-snp", verify_azure.REPORT_SNP)
        found = self.check_snp(report.hardware)
        self.assertEqual(found.report_data, report.digest + bytes(32))

    def test_hcl_tdx(self):
        report = self.hcl("hcl-tdx", verify_azure.REPORT_TDX)
        # REPORTDATA of the TDREPORT
        self.assertEqual(report.hardware[128:192], report.digest + bytes(32))

    def check_cca(self, *options):
        return verify_cca.check_token(self.make("arm_cca_guest", *options)[0], self.roots.cpaks)

    def test_cca(self):
        _, realm = self.check_cca("--rtmr", "1=" + "cd" * 32)
        self.assertEqual(realm[10], REPORT_DATA + bytes(16))
        self.assertEqual(realm[44235], INITDATA + bytes(32))
        self.assertEqual(realm[44238], MEASUREMENT[:32])
        self.assertEqual(realm[44239][1], b"\xcd" * 32)

    def test_cca_bad(self):
        with self.assertRaises(Refused):
            self.check_cca("--bad-signature")


if __name__ == "__main__":
    unittest.main()
