# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Policies and reference values that an administrator sets: they decide, and only once they are
read in full. The evidence is quotes of simulated TPMs."""

import base64
import json
import pathlib
import sys
import tempfile
import unittest

import simulate
import tee_roots
from harness import Client, Running

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "image-tools"))
from reference import policy, rvps  # noqa: E402

ZERO = "00" * 32
RTMRS = [bytes([number]) * 48 for number in (0, 1, 2, 0)]
AFFIRM_PCR_11 = """\
package policy

import rego.v1

default executables := 96

executables := 3 if input.tpm.pcr11 in query_reference_value("wanted")

trust_claims := {"executables": executables}
"""
ALLOW_AFFIRMING = """\
package policy

default allow = false

allow if {
	not some_other
	count(input.submods) > 0
}

some_other if {
	some _, submod in input.submods
	submod["ear.status"] != "affirming"
}
"""


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class Administered(unittest.TestCase):
    """A broker with one secret, and its administrator."""

    def start(self, **options):
        self.running = self.enterContext(Running(**options))
        self.running.store.secrets["default/luks/root"] = b"secret"
        self.tpm = simulate.Tpm()

    def post(self, name, body, status=200):
        with Client(self.running.port) as client:
            answer = client.ask("POST", f"/kbs/v0/{name}", json.dumps(body))
        self.assertEqual(answer[0], status, answer[2])
        return answer[2]

    def attestation(self, text, status=200, name="default_cpu"):
        return self.post("attestation-policy", {"policy_id": name, "policy": encoded(text)}, status)

    def resource(self, text, status=200):
        return self.post("resource-policy", {"policy": encoded(text)}, status)

    def register(self, values):
        payload = base64.b64encode(json.dumps(values).encode()).decode()
        self.post("reference-value", {"version": "0.1.0", "type": "sample", "payload": payload})

    def fetch(self, status, path="resource/default/luks/root"):
        """The whole exchange, and the status of its last answer."""
        with Client(self.running.port) as client:
            client.auth(tee="tpm")
            self.assertEqual(client.attest(self.tpm.evidence(client.digest()))[0], 200)
            answer = client.get(path)
            self.assertEqual(answer[0], status, answer[2])
            if status == 200:
                self.assertEqual(client.open(answer[2]), b"secret")

    def logged(self, event):
        return [line for line in self.running.log.lines if line["event"] == event][-1]


class Policies(Administered):
    def setUp(self):
        self.start()

    def test_attestation_policy(self):
        self.resource(ALLOW_AFFIRMING)
        self.fetch(401)
        self.attestation(AFFIRM_PCR_11)
        self.fetch(401)
        self.register({"wanted": [ZERO]})
        self.fetch(200)
        self.tpm.extend(11, bytes(32))
        self.fetch(401)
        self.assertIn("the resource policy says no", self.logged("resource")["reason"])
        self.register({"wanted": [ZERO, self.tpm.pcrs[11].hex()]})
        self.fetch(200)

    def test_other_identifier(self):
        """Policies for other classes of devices change nothing."""
        self.resource(ALLOW_AFFIRMING)
        self.register({"wanted": [ZERO]})
        self.attestation(AFFIRM_PCR_11, name="default_gpu")
        self.fetch(401)

    def test_refused(self):
        """A text that is not understood leaves the policy before it in force."""
        self.resource(ALLOW_AFFIRMING)
        self.attestation(AFFIRM_PCR_11)
        self.register({"wanted": [ZERO]})
        for text in ("", "package policy\nallow if input.x[_]\n", "package other\nallow := true\n",
                     "package policy\nallow { input }\n"):
            self.assertIn(b"ParsePolicyError", self.resource(text, 401))
            self.assertIn(b"ParsePolicyError", self.attestation(text, 401))
        for body in ({}, [], {"policy": 1}, {"policy": "!"}, {"policy": encoded("x")[:-1] + "\n"}):
            for name in ("resource-policy", "attestation-policy"):
                self.post(name, {**body, "policy_id": "default_cpu"} if body else body, 401)
        self.fetch(200)

    def test_claims_nothing(self):
        """An attestation policy that claims nothing, or nonsense, ends the attestation."""
        for claims in ('"x"', '{"executables": "3"}', '{"other": 3}', '{"executables": 1000}',
                       '{"executables": true}', '{"executables": input.missing}'):
            self.attestation(f"package policy\ntrust_claims := {claims}\n")
            with Client(self.running.port) as client:
                client.auth(tee="tpm")
                self.assertEqual(client.attest(self.tpm.evidence(client.digest()))[0], 401, claims)
        self.attestation("package policy\nx := 1\n")
        with Client(self.running.port) as client:
            client.auth(tee="tpm")
            self.assertEqual(client.attest(self.tpm.evidence(client.digest()))[0], 401)

    def test_resource_policy(self):
        self.resource('package policy\nallow if {\n\tdata.plugin == "resource"\n'
                      '\tdata["resource-path"][0] == "default"\n\tcount(data.query) == 0\n}\n')
        self.fetch(200)
        self.resource('package policy\nallow if data["resource-path"] == ["default", "luks"]\n')
        self.fetch(401)
        self.resource('package policy\nallow := "true"\n')
        self.fetch(401)
        self.resource("package policy\nallow := 1 if input.submods\nallow if input.submods\n")
        self.fetch(401)
        self.assertIn("two values", self.logged("resource")["reason"])
        self.resource('package policy\nallow if "x" in query_reference_value("y")\n')
        self.fetch(401)
        self.assertIn("no reference values", self.logged("resource")["reason"])

    def test_ours(self):
        """The policies that image-tools makes: a key until PCR 15 is extended."""
        self.tpm.extend(11, b"\x11" * 32)
        key = base64.b64encode(self.tpm.spki()).decode()
        values = {"cvmroot-reference": 1, "attestation-keys": [key],
                  "pcrs": {"sha256": {str(number): {"fetch": [self.tpm.pcrs[number].hex()]}
                                      for number in (2, 4, 9, 11, 12)}}}
        self.attestation(policy.attestation_policy(values, "tpm"))
        self.resource(policy.resource_policy(values, "tpm", "default/luks/root"))
        self.fetch(401)
        self.post("reference-value", rvps.message(values, "tpm"))
        self.fetch(200)
        claims = self.logged("attest")["claims"]
        self.assertEqual((claims["pcr11"], claims["pcr15"], claims["ak_public"]),
                         (self.tpm.pcrs[11].hex(), ZERO, key))
        other, self.tpm = self.tpm, simulate.Tpm(1)
        self.tpm.pcrs = other.pcrs
        self.fetch(401)
        self.tpm = other
        self.fetch(401, "resource/default/luks/other")
        self.tpm.extend(15, b"volume")
        self.fetch(401)
        self.assertEqual(self.logged("attest")["claims"]["pcr15"], self.tpm.pcrs[15].hex())


class Platforms(Administered):
    """The policies that image-tools makes, on simulated platforms."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        tee_roots.make(self.folder)
        self.start(roots=[self.folder])

    def set_policies(self, tee, **more):
        values = {"cvmroot-reference": 1,
                  "pcrs": {"sha256": {str(n): {"fetch": [ZERO]} for n in (2, 4, 9, 11, 12)}},
                  "tdx": {"mrtd": ["22" * 48],
                          "rtmrs": {str(n): {"fetch": [RTMRS[n].hex()]} for n in (1, 2)}},
                  "snp": {"measurement": ["11" * 48], "kernel-hashes": True}, **more}
        self.attestation(policy.attestation_policy(values, tee))
        self.resource(policy.resource_policy(values, tee))
        self.post("reference-value", rvps.message(values, tee))

    def ask(self, tee, evidence, status):
        with Client(self.running.port) as client:
            client.auth(tee=tee)
            answer = client.attest(evidence(client.digest()))
            self.assertEqual(answer[0], 200, self.logged("attest"))
            self.assertEqual(client.get()[0], status, self.logged("attest"))

    def test_snp(self):
        self.set_policies("snp")
        self.ask("snp", lambda d: simulate.snp(self.folder, d), 200)
        self.set_policies("tdx")
        self.ask("snp", lambda d: simulate.snp(self.folder, d), 401)

    def test_tdx(self):
        self.set_policies("tdx")
        self.ask("tdx", lambda d: simulate.tdx(self.folder, d, rtmrs=RTMRS), 200)
        late = [*RTMRS[:2], bytes([9]) * 48, RTMRS[3]]
        self.ask("tdx", lambda d: simulate.tdx(self.folder, d, rtmrs=late), 401)
        debugged = b"\1" + bytes(7)
        self.ask("tdx", lambda d: simulate.tdx(self.folder, d, rtmrs=RTMRS, attributes=debugged),
                 401)

    def test_initdata(self):
        """What the machine was started with counts, whether its document is sent or not."""
        digest, other = b"\x77" * 32, b"\x78" * 32
        for tee, make in (("snp", lambda d, bound: simulate.snp(self.folder, d, host_data=bound)),
                          ("tdx", lambda d, bound: simulate.tdx(self.folder, d, rtmrs=RTMRS,
                                                                config_id=bound))):
            with self.subTest(tee):
                self.set_policies(tee, initdata=digest.hex())
                for bound, status in ((digest, 200), (other, 401), (b"", 401)):
                    self.ask(tee, lambda d, make=make, bound=bound: make(d, bound), status)

    def test_azure(self):
        for tee in ("az-snp-vtpm", "az-tdx-vtpm"):
            tpm = simulate.Tpm()
            with self.subTest(tee):
                self.set_policies(tee)
                self.ask(tee, lambda d: simulate.azure(self.folder, tee, d, tpm=tpm), 200)
                tpm.extend(15, b"volume")
                self.ask(tee, lambda d: simulate.azure(self.folder, tee, d, tpm=tpm), 401)


if __name__ == "__main__":
    unittest.main()
