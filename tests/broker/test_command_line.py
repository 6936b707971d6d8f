# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The program itself: certificates, TLS, port file, log file, and its end."""

import base64
import hashlib
import json
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import Client

PROGRAM = [sys.executable, str(pathlib.Path(__file__).parent)]
SECRET = b"the secret of the root"


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.holder.cleanup)
        cls.folder = pathlib.Path(cls.holder.name)
        cls.pki = cls.folder / "pki"
        subprocess.run([*PROGRAM, "make-pki", str(cls.pki), "--name", "broker.test", "--address",
                        "192.0.2.1"], check=True)
        (cls.folder / "secret").write_bytes(SECRET)

    def serve(self, *options, certificate="server"):
        """Start it; the port."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--port-file", str(port_file), "--allow-sample", "--certificate",
             str(self.pki / f"{certificate}.pem"), "--key", str(self.pki / f"{certificate}.key"),
             "--resource", f"default/luks/root={self.folder / 'secret'}", *options],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        self.process, self.banner = process, []
        for line in process.stderr:
            self.banner.append(line)
            if line.startswith("listening"):
                break
        while not port_file.exists():
            self.assertIsNone(process.poll())
        return int(port_file.read_text())

    def end(self, process):
        process.kill()
        process.wait()
        process.stderr.close()

    def context(self, ca="ca", client=None):
        context = ssl.create_default_context(cafile=self.pki / f"{ca}.pem")
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if client:
            context.load_cert_chain(self.pki / f"{client}.pem", self.pki / f"{client}.key")
        return context

    def fetch(self, port, context):
        with Client(port, context) as client:
            return client.fetch()

    def test_fetch(self):
        log = self.folder / "log"
        port = self.serve("--log", str(log))
        self.assertEqual(self.fetch(port, self.context()), SECRET)
        self.assertIn("PRODUCTION RUNS TRUSTEE", "".join(self.banner))
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual([(line["event"], line["tee"], line["result"]) for line in lines],
                         [(event, "sample", "ok") for event in ("auth", "attest", "resource")])
        self.assertEqual(lines[2]["resource"], "default/luks/root")
        self.assertEqual(len({line["connection"] for line in lines}), 1)
        self.assertTrue(all(isinstance(line["time"], float) for line in lines))
        self.assertNotIn(SECRET.decode(), log.read_text())
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(10), 0)

    def test_certificates(self):
        port = self.serve()
        with self.assertRaisesRegex(ssl.SSLError, "self.signed|signature|verify failed"):
            self.fetch(port, self.context("other-ca"))
        port = self.serve(certificate="expired")
        with self.assertRaisesRegex(ssl.SSLError, "expired"):
            self.fetch(port, self.context())
        port = self.serve(certificate="wrong-name")
        with self.assertRaisesRegex(ssl.SSLError, "Hostname mismatch"):
            self.fetch(port, self.context())

    def test_client_certificate(self):
        port = self.serve("--client-ca", str(self.pki / "client-ca.pem"))
        self.assertEqual(self.fetch(port, self.context(client="client")), SECRET)
        for wrong in (None, "server"):
            with self.assertRaises(OSError):
                self.fetch(port, self.context(client=wrong))

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f"no IPv6 on the loopback: {error}")
        port = self.serve("--listen", "[::1]:0")
        with Client(port, self.context(), host="::1") as client:
            self.assertEqual(client.fetch(), SECRET)

    def test_names_and_pin(self):
        certificate = x509.load_pem_x509_certificate((self.pki / "server.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost", "broker.test"])
        self.assertEqual([str(a) for a in names.get_values_for_type(x509.IPAddress)],
                         ["127.0.0.1", "::1", "10.0.2.2", "192.0.2.1"])
        spki = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(spki).digest()).decode()
        self.assertEqual((self.pki / "pin.txt").read_text(), f"sha256//{pin}\n")
        for key in self.pki.glob("*.key"):
            self.assertEqual(key.stat().st_mode & 0o777, 0o600)

    def test_files(self):
        self.assertEqual({path.name for path in self.pki.iterdir()},
                         {"ca.pem", "other-ca.pem", "client-ca.pem", "pin.txt", "server.pem",
                          "server.key", "expired.pem", "expired.key", "wrong-name.pem",
                          "wrong-name.key", "client.pem", "client.key"})
        roots = self.folder / "roots"
        subprocess.run([*PROGRAM, "make-roots", str(roots)], check=True)
        self.assertEqual({path.name for path in roots.iterdir()},
                         {"snp-ark.pem", "snp-ask.pem", "snp-vcek.pem", "snp-vcek.key",
                          "tdx-root.pem", "tdx-intermediate.pem", "tdx-pck.pem", "tdx-pck.key",
                          "tdx-chain.pem", "cca-cpak.pem", "cca-cpak.key"})

    def test_usage(self):
        for arguments, status, text in (
                ([], 2, "verb is missing"), (["serve"], 1, "--certificate and --key"),
                (["serve", "--plain", "--misbehave", "x"], 1, "no misbehaviour x"),
                (["serve", "--plain", "--policy", "/nonexistent"], 1, "/nonexistent"),
                (["serve", "--plain", "--resource", "a/b=/dev/null"], 1, "PluginInternalError")):
            result = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True,
                                    timeout=30)
            self.assertEqual(result.returncode, status, result.stderr)
            self.assertIn(text, result.stderr)
        result = subprocess.run([*PROGRAM, "--list-misbehaviours"], capture_output=True, text=True)
        self.assertIn("wrong-tag", result.stdout)


if __name__ == "__main__":
    unittest.main()
