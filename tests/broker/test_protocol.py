# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The exchange beside what is recorded of Trustee: version 0.2.0, names of TEEs, sessions, requests
that no client should send, policies, and the log."""

import base64
import hashlib
import json
import pathlib
import tempfile
import threading
import time
import unittest

import policy
import simulate
import tee_roots
from harness import Client, Running
from jose import canonical

SECRET = b"the secret of the root"
NAME = "default/luks/root"


def detail(data):
    return json.loads(data)["detail"]


class WithBroker(unittest.TestCase):
    def run_broker(self, *misbehaviours, **options):
        running = self.enterContext(Running(misbehaviours, **options))
        running.store.secrets[NAME] = SECRET
        return running

    def client(self, running, **options):
        return self.enterContext(Client(running.port, **options))

    def attested(self, running):
        client = self.client(running)
        self.assertEqual(client.auth()[0], 200)
        self.assertEqual(client.attest()[0], 200)
        return client


class Exchange(WithBroker):
    def test_one_connection(self):
        running = self.run_broker()
        with Client(running.port) as client:
            self.assertEqual(client.fetch(), SECRET)
        self.assertEqual([line["event"] for line in running.log.lines],
                         ["auth", "attest", "resource"])
        self.assertEqual(next(running.http.serials), 2)

    def test_version_2(self):
        running = self.run_broker(protocol="0.2.0", legacy_names=True)
        client = self.client(running)
        status, _, data = client.auth()
        self.assertEqual((status, detail(data)),
                         (401, "Attestation error: RCAR handshake Auth failed: KBS Client Protocol "
                               "Version Mismatch: expect =0.2.0 while the request is 0.4.0"))
        self.assertEqual(client.auth("0.2.0")[0], 200)
        early = {"tee-pubkey": client.public,
                 "tee-evidence": client.sample(client.digest(additional=False))}
        late = {"tee-pubkey": client.public, "tee-evidence": client.sample()}
        self.assertEqual(client.ask("POST", "/kbs/v0/attest", json.dumps(late))[0], 401)
        self.assertEqual(client.ask("POST", "/kbs/v0/attest", json.dumps(early))[0], 200)
        self.assertEqual(client.open(client.get()[2]), SECRET)

    def test_earliest_azure(self):
        """A server of version 0.2.0 with its own names, and evidence as it takes it."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        tee_roots.make(folder)
        for tee, name in (("az-snp-vtpm", "azsnpvtpm"), ("az-tdx-vtpm", "aztdxvtpm")):
            running = self.run_broker(protocol="0.2.0", legacy_names=True, roots=[folder])
            client = self.client(running)
            self.assertEqual(client.auth("0.2.0", name)[0], 200)
            for version, status in ((2, 401), (0, 200)):
                evidence = simulate.azure(folder, tee, client.digest(additional=False), version)
                body = json.dumps({"tee-pubkey": client.public, "tee-evidence": evidence})
                self.assertEqual(client.ask("POST", "/kbs/v0/attest", body)[0], status)
            self.assertEqual(client.open(client.get()[2]), SECRET)

    def test_names(self):
        for legacy, good, bad in ((False, "az-snp-vtpm", "azsnpvtpm"),
                                  (True, "aztdxvtpm", "az-tdx-vtpm")):
            client = self.client(self.run_broker(legacy_names=legacy))
            self.assertEqual(client.auth(tee=good)[0], 200)
            status, _, data = client.auth(tee=bad)
            self.assertEqual(status, 401)
            self.assertRegex(detail(data), "deserialize Request$")

    def test_duplicate_members(self):
        client = self.client(self.run_broker())
        body = '{"version":"0.4.0","tee":"sample","tee":"sample","extra-params":""}'
        status, _, data = client.ask("POST", "/kbs/v0/auth", body)
        self.assertEqual(status, 401)
        self.assertRegex(detail(data), "deserialize Request$")

    def test_deep_json(self):
        client = self.client(self.run_broker())
        self.assertEqual(client.ask("POST", "/kbs/v0/auth", "[" * 200000)[0], 401)

    def test_key_coordinates(self):
        client = self.client(self.run_broker())
        client.auth()
        client.public["x"] = client.public["x"][:-4]
        self.assertEqual(client.attest()[0], 401)
        client.public["crv"] = "P-384"
        self.assertEqual(client.attest()[0], 401)

    def test_binding(self):
        """Every member that the report data cover."""
        client = self.client(self.run_broker())
        client.auth()
        good = {"nonce": client.nonce, "tee-pubkey": client.public, "additional-evidence": ""}
        for change in ({"nonce": "AAAA"}, {"additional-evidence": "{}"}, {"more": ""},
                       {"tee-pubkey": {**client.public, "x": client.public["y"]}}):
            digest = hashlib.sha384(canonical({**good, **change})).digest()
            self.assertEqual(client.attest(client.sample(digest))[0], 401, change)
        self.assertEqual(client.attest(client.sample(hashlib.sha256(canonical(good)).digest()))[0],
                         401)
        self.assertEqual(client.attest()[0], 200)

    def test_tpm(self):
        running = self.run_broker(allow_sample=False)
        client = self.client(running)
        client.auth(tee="tpm")
        self.assertEqual(client.attest()[0], 401)
        self.assertEqual(client.attest(simulate.Tpm().evidence(client.digest()))[0], 200)
        self.assertEqual(client.open(client.get()[2]), SECRET)
        self.assertEqual(running.log.lines[-1]["tee"], "tpm")

    def test_sample_refused(self):
        running = self.run_broker(allow_sample=False)
        client = self.client(running)
        client.auth()
        self.assertEqual(client.attest()[0], 401)
        self.assertRegex(running.log.lines[-1]["reason"], "allow-sample")

    def test_init_data(self):
        client = self.client(self.run_broker())
        for init_data in ({"format": "json", "body": "{}"}, {"format": "toml", "body": "="}, "x",
                          {"format": "toml", "body": 'version = "0.2.0"\nalgorithm = "sha256"\n'
                                                     "[data]\n"}):
            client.auth()
            self.assertEqual(client.attest(init_data=init_data)[0], 401, init_data)

    def test_many_clients(self):
        running = self.run_broker()
        good = []

        def one():
            with Client(running.port, timeout=60, key=key) as client:
                good.append(client.fetch())

        key = Client(running.port).key
        threads = [threading.Thread(target=one) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(good, [SECRET] * 200)


class Sessions(WithBroker):
    def test_cookie_needed(self):
        client = self.client(self.run_broker())
        client.auth()
        client.cookie = None
        self.assertEqual(client.attest()[0], 401)

    def test_expiry(self):
        running = self.run_broker()
        client = self.client(running)
        client.auth()
        running.broker.exchange.sessions[client.cookie].expires = time.time() - 1
        self.assertEqual(client.attest()[0], 401)
        self.client(running).auth()
        self.assertEqual(len(running.broker.exchange.sessions), 1)

    def test_old_token(self):
        client = self.attested(self.run_broker())
        first = client.token
        self.assertEqual(client.attest({"svn": "junk"})[0], 200)
        self.assertEqual(client.token, first)

    def test_token_expiry(self):
        client = self.attested(self.run_broker(token_seconds=0))
        status, _, data = client.get()
        self.assertEqual((status, detail(data)), (401, "Token Verifier error"))

    def test_bearer(self):
        running = self.run_broker()
        token = self.attested(running).token
        client = self.client(running)
        status, _, _ = client.get(headers={"Authorization": f"Bearer {token}"})
        self.assertEqual(status, 200)
        head, claims, signature = token.split(".")
        strange = self.attested(self.run_broker()).token
        for bad in (f"{head}.{claims}.{signature[:-4]}AAAA", strange, "x"):
            status, _, data = client.get(headers={"Authorization": f"Bearer {bad}"})
            self.assertEqual((status, detail(data)), (401, "Token Verifier error"))


class Administration(WithBroker):
    def set_policy(self, client, text):
        body = {"policy": base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")}
        return client.ask("POST", "/kbs/v0/resource-policy", json.dumps(body))[0]

    def test_resource_policy(self):
        running = self.run_broker()
        client = self.attested(running)
        for text, status in (("package policy\ndefault allow = false\n", 401),
                             ("package policy\ndefault allow := true", 200),
                             ("package policy\ndefault allow = false\n"
                              'allow if not input.submods.cpu0'
                              '["ear.veraison.annotated-evidence"].sample', 401),
                             ("package policy\ndefault allow = true # ==\n", 200)):
            self.assertEqual(self.set_policy(client, text), 200)
            self.assertEqual(client.get()[0], status, text)
        self.assertEqual(self.set_policy(client, "package policy\ndefault allow = false\n"
                                                 "allow { input.x }"), 401)
        self.assertEqual(client.get()[0], 200)

    def test_resources(self):
        client = self.attested(self.run_broker())
        for name, status in (("a/b/c", 200), ("a/b", 401), ("a/b/c/d", 401), ("a/b/.c", 401)):
            self.assertEqual(client.ask("POST", f"/kbs/v0/resource/{name}", b"x")[0], status, name)
        self.assertEqual(client.open(client.get("resource/a/b/c")[2]), b"x")
        self.assertEqual(client.ask("DELETE", "/kbs/v0/resource/a/b/c")[0], 200)
        self.assertEqual(client.get("resource/a/b/c")[0], 401)

    def test_provisioner(self):
        running = self.run_broker()
        client = self.client(running)
        body = json.dumps({"vm_name": "one"})
        first = json.loads(client.ask("POST", "/kbs/v0/provisioner/provision", body)[2])
        again = json.loads(client.ask("POST", "/kbs/v0/provisioner/provision", body)[2])
        self.assertEqual(first, again)
        path = first["resource_path"]
        text = ('version = "0.1.0"\nalgorithm = "sha256"\n[data]\n'
                f'"trustee.kbs.resource" = "kbs+provisioner:///{path}"\n')
        client.auth()
        self.assertEqual(client.attest(init_data={"format": "toml", "body": text})[0], 200)
        secret = client.open(client.get(f"provisioner/{path}")[2])
        self.assertRegex(secret, rb'"io.cryptsetup.key.text.root" = "\w{32}"')
        uuid = first["uuid"]
        self.assertEqual(client.ask("DELETE", f"/kbs/v0/provisioner/provision/{uuid}")[0], 200)
        self.assertEqual(client.get(f"provisioner/{path}")[0], 401)


class Policies(WithBroker):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder) / "policy.json"

    def broker(self, rules):
        self.write(rules)
        return self.run_broker(policy=self.path)

    def write(self, rules):
        self.path.write_text(json.dumps(rules), encoding="ascii")

    def fetch(self, running, tpm):
        client = self.client(running)
        client.auth(tee="tpm")
        self.assertEqual(client.attest(tpm.evidence(client.digest()))[0], 200)
        return client.get()

    def check(self, running, tpm, good):
        status, _, data = self.fetch(running, tpm)
        self.assertEqual(status, 200 if good else 401, data)
        if not good:
            self.assertEqual(detail(data), "Access denied by policy")
            self.assertRegex(running.log.lines[-1]["reason"], "PolicyDeny: ")

    def test_allow(self):
        running, tpm = self.broker({}), simulate.Tpm()
        for rules, good in (({}, True), ({"allow": False}, False), ({"allow": True}, True)):
            self.write(rules)
            self.check(running, tpm, good)

    def test_pcrs(self):
        running, tpm = self.broker({}), simulate.Tpm()
        for pcrs, good in (({"11": ["00" * 32]}, True), ({"11": ["11" * 32, "00" * 32]}, True),
                           ({"11": ["11" * 32]}, False), ({"11": []}, False),
                           ({"17": ["00" * 32]}, True), ({"24": ["00" * 32]}, False)):
            self.write({"tpm": {"pcrs": pcrs}})
            self.check(running, tpm, good)

    def test_attestation_keys(self):
        running, one, two = self.broker({}), simulate.Tpm(), simulate.Tpm(1)
        known = base64.b64encode(one.spki()).decode()
        for trusted, tpm, good in (("any", two, True), ([known], one, True), ([known], two, False),
                                   ([], one, False), ("first", two, True), ("first", one, False),
                                   ("first", two, True)):
            self.write({"tpm": {"trusted_aks": trusted}})
            self.check(running, tpm, good)

    def test_references(self):
        """A resource policy that wants "affirming" is for reference values to satisfy."""
        def appraise(key, references):
            return policy.appraise("tpm", {"tpm": {"pcr11": "aa", "ak_public": key}}, references)

        vector, status = appraise("k", {})
        self.assertEqual((vector["executables"], status), (33, "warning"))
        good = {"tpm_pcr11": ["aa"], "trusted_aks": ["k"]}
        self.assertEqual(appraise("k", good)[1], "affirming")
        self.assertEqual(appraise("l", good)[1], "warning")

    def test_measurements(self):
        self.write({"snp": {"measurements": ["AA"]},
                    "tdx": {"mrtd": ["bb"], "rtmrs": {"2": ["cc"]}},
                    "az-snp-vtpm": {"measurements": ["aa"], "pcrs": {"4": ["dd"]}},
                    "cca": {"rim": ["ee"], "rems": {"0": ["ff"]}}})
        rules = policy.Policy(self.path)
        body = {"mr_td": "bb", "rtmr_2": "cc"}
        realm = {"initial-measurement": "ee", "extensible-measurements": ["ff"]}
        good = {"snp": {"measurement": "aa"}, "tdx": {"quote": {"body": body}},
                "az-snp-vtpm": {"measurement": "qg==", "tpm": {"pcr04": "dd"}},
                "cca": {"realm": realm}}
        for tee, claims in good.items():
            rules.check(tee, claims)
        bad = {"snp": {"measurement": "ab"}, "tdx": {"quote": {"body": {**body, "rtmr_2": "cd"}}},
               "az-snp-vtpm": {"measurement": "qg==", "tpm": {"pcr04": "de"}},
               "cca": {"realm": {**realm, "extensible-measurements": ["fe"]}}}
        for tee, claims in bad.items():
            with self.assertRaises(policy.Denied):
                rules.check(tee, claims)

    def test_unknown(self):
        for rules in ({"tpm": {"pcr": {}}}, {"vtpm": {}}, {"allow": "yes"}, []):
            self.write(rules)
            with self.assertRaises(ValueError):
                policy.Policy(self.path)
        running = self.broker({})
        self.write({"tmp": {}})
        self.check(running, simulate.Tpm(), False)


if __name__ == "__main__":
    unittest.main()
