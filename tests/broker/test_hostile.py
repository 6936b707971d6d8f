# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence of any other shape is refused in order: never believed, never a fault of the broker."""

import base64
import copy
import hashlib
import tempfile
import unittest

import cbor
import eventlog
import simulate
import tee_roots
import verify
import verify_azure
import verify_cca
import verify_snp
import verify_tdx
import verify_tpm
from binary import Refused

REPORT_DATA = hashlib.sha384(b"report data").digest()
STRANGE = (None, True, 0, -1, 1 << 70, 0.5, "", "x", "\xff", "A" * 5000, [], [[]], [256], [-1], {},
           {"": 0})
# Members that nobody needs: an SNP report whose fields were zero may have null there.
FREE = ("fmc", "launch_mit_vector", "current_mit_vector", "cc_eventlog", "cert_chain")


def places(value, path=()):
    """Paths to every member of nested objects, and to the first element of arrays."""
    yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, path + (name,))
    elif isinstance(value, list) and value:
        yield from places(value[0], path + (0,))


def replaced(value, path, other):
    value = copy.deepcopy(value)
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = other
    return value


def get(value, path):
    for name in path:
        value = value[name]
    return value


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = holder.name
        tee_roots.make(cls.folder)
        cls.context = verify.Context(folders=[cls.folder])
        log, rtmrs = simulate.event_log([b"a b c"])
        cls.good = {
            "tpm": simulate.Tpm().evidence(REPORT_DATA),
            "snp": simulate.snp(cls.folder, REPORT_DATA),
            "tdx": simulate.tdx(cls.folder, REPORT_DATA, log=log, rtmrs=rtmrs),
            "az-snp-vtpm": simulate.azure(cls.folder, "az-snp-vtpm", REPORT_DATA),
            "az-tdx-vtpm": simulate.azure(cls.folder, "az-tdx-vtpm", REPORT_DATA),
            "cca": simulate.cca(cls.folder, REPORT_DATA),
        }

    def verify(self, tee, evidence):
        verify.verify(tee, evidence, REPORT_DATA, None, self.context)

    def refused(self, call, *arguments):
        with self.assertRaises((Refused, ValueError)):
            call(*arguments)

    def test_members(self):
        count = 0
        for tee, evidence in self.good.items():
            self.verify(tee, evidence)
            for path in places(evidence):
                for strange in STRANGE:
                    if not path:
                        self.refused(self.verify, tee, strange)
                    elif not (path[-1] in FREE or get(evidence, path) == strange):
                        with self.subTest(tee=tee, path=path, strange=strange):
                            self.refused(self.verify, tee, replaced(evidence, path, strange))
                    count += 1
        self.assertGreater(count, 1000)

    def cut(self, data, check, step):
        for size in range(0, len(data), step):
            with self.subTest(size=size):
                self.refused(check, data[:size])

    def test_cut(self):
        quote = self.good["tpm"]["tpm_quote"]
        self.cut(base64.b64decode(quote["message"]), verify_tpm.parse_quote, 1)
        self.cut(base64.b64decode(quote["signature"]), verify_tpm.parse_signature, 1)
        self.cut(base64.b64decode(self.good["tdx"]["quote"]), verify_tdx.Quote, 7)
        token = bytes(self.good["cca"]["token"])
        self.cut(token, lambda data: verify_cca.check_token(data, self.context.roots.cpaks), 1)
        report = simulate.snp_report(self.folder, REPORT_DATA)
        self.cut(report, verify_snp.Report, 7)
        hcl = base64.urlsafe_b64decode(self.good["az-snp-vtpm"]["hcl_report"])
        self.cut(hcl, lambda data: verify_azure.Hcl(data, 2), 7)
        log, _ = simulate.event_log([b"a b c"])
        self.cut(log[:-8], lambda data: list(eventlog.events(data)) if len(data) != 69 else
                 self.fail_as_refused(), 1)

    def fail_as_refused(self):
        """A log of a header alone is a whole one."""
        raise Refused("header alone")

    def test_added(self):
        quote = self.good["tpm"]["tpm_quote"]
        for data, check in (
                (base64.b64decode(quote["message"]), verify_tpm.parse_quote),
                (base64.b64decode(quote["signature"]), verify_tpm.parse_signature),
                (simulate.snp_report(self.folder, REPORT_DATA), verify_snp.Report),
                (bytes(self.good["cca"]["token"]), lambda data: cbor.read(data, "token"))):
            check(data)
            self.refused(check, data + b"\0")

    def test_cbor(self):
        for text in ("", "1c", "1f", "5f4100ff", "9fff", "bfff", "f97e00", "f818",
                     "fb0000000000000000", "a2010001", "a201000100", "a1410000",
                     "9b7fffffffffffffff", "5b7fffffffffffffff", "61ff", "81" * 17 + "00",
                     "a18000"):
            self.refused(cbor.read, bytes.fromhex(text), "item")
        found = cbor.read(bytes.fromhex("a2012063616263f4"), "item")
        self.assertEqual(found, {1: -1, "abc": False})


if __name__ == "__main__":
    unittest.main()
