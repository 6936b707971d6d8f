# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The reference broker (tests/broker) on the host, for guests that reach it as 10.0.2.2."""

import base64
import json
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import threading
import urllib.request

import artefacts
from machine import require

# Debian's own, since the broker needs modules of Debian's; another may come first in the PATH.
PROGRAM = ["/usr/bin/python3", str(artefacts.ROOT / "tests" / "broker")]
ADDRESS = "10.0.2.2"  # of the host, in QEMU's user network
ADDRESS_6 = "fec0::2"
NAME = "broker.test"
START_SECONDS = 30


def make_once(name, verb, *options):
    """A folder that a verb of the broker makes, shared by the scenarios of a run."""
    folder = artefacts.WORK / name
    artefacts.WORK.mkdir(parents=True, exist_ok=True)
    with artefacts.locked(f"vm-{name}"):
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run([*PROGRAM, verb, *options, str(fresh)], check=True)
            fresh.rename(folder)
    return folder


def make_pki():
    return make_once("pki", "make-pki", "--name", NAME, "--address", ADDRESS_6)


def make_roots():
    return make_once("roots", "make-roots")


class Broker:
    """
    A broker with one resource and a policy, in a folder of its own. Use as a context: it serves
    within it.
    """

    def __init__(self, folder, resource, secret, policy=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pki, self.roots = make_pki(), make_roots()
        self.resource = resource
        self.secret = self.folder / "secret"
        self.secret.write_bytes(secret)
        self.policy = self.folder / "policy.json"
        self.set_policy(policy or {})
        self.log = self.folder / "log.jsonl"
        self.listen = "127.0.0.1:0"
        self.host = ADDRESS  # as the guest calls it
        self.port = None

    def set_policy(self, policy):
        self.policy.write_text(json.dumps(policy), encoding="ascii")

    @property
    def url(self):
        return f"https://{self.host}:{self.port}"

    @property
    def ca(self):
        return (self.pki / "ca.pem").read_text(encoding="ascii")

    def __enter__(self):
        self.port = None
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", "--listen", self.listen,
             "--certificate", str(self.pki / "server.pem"), "--key", str(self.pki / "server.key"),
             "--roots", str(self.roots), "--policy", str(self.policy), "--log", str(self.log),
             "--resource", f"{self.resource}={self.secret}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # What it says after it has named its port is kept, so that it never has to wait.
        listening = threading.Event()
        threading.Thread(target=self.follow, args=(listening,), daemon=True).start()
        listening.wait(START_SECONDS)
        if not self.port:
            self.__exit__()
            require(False, f"the broker did not start, see {self.folder / 'words'}")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_SECONDS)

    def follow(self, listening):
        with open(self.folder / "words", "wb") as words:
            for line in self.process.stderr:
                words.write(line)
                words.flush()
                if match := re.match(rb"listening on port (\d+)", line):
                    self.port = int(match[1])
                    listening.set()
        listening.set()

    def administer(self, name, document):
        """What an administrator sends to Trustee, by the same interface."""
        context = ssl.create_default_context(cafile=str(self.pki / "ca.pem"))
        context.check_hostname = False  # the certificate names the host as guests see it
        request = urllib.request.Request(f"https://{self.listen.rsplit(':', 1)[0]}:{self.port}"
                                         f"/kbs/v0/{name}", json.dumps(document).encode(),
                                         {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=START_SECONDS) as response:
            require(response.status == 200, f"{name}: HTTP {response.status}")

    def set_policies(self, attestation, resource, values):
        """Policies in Rego and a message with reference values, as image-tools/measure makes."""
        def text(policy):
            return base64.urlsafe_b64encode(policy.encode()).rstrip(b"=").decode()

        self.administer("reference-value", values)
        self.administer("attestation-policy",
                        {"policy_id": "default_cpu", "policy": text(attestation)})
        self.administer("resource-policy", {"policy": text(resource)})

    def results(self, kind):
        return [line["result"] for line in self.events(kind)]

    def events(self, kind):
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["event"] == kind]

    def require_attested(self, tee, count):
        """As many attestations of that TEE as that were accepted, and no other."""
        found = [(line.get("tee"), line["result"]) for line in self.events("attest")]
        require(found == [(tee, "ok")] * count,
                f"the broker's log has {self.events('attest')}")
        given = [line["result"] for line in self.events("resource")]
        require(given == ["ok"] * count, f"the broker's log has {self.events('resource')}")

    def require_refused(self, tee, kind="attest"):
        """It was asked, and it gave nothing."""
        refused = [line for line in self.events(kind) if line["result"] == "refused"]
        require(refused and all(line.get("tee") in (tee, None) for line in refused),
                f"the broker's log has {self.events(kind)}")
        require(not [line for line in self.events("resource") if line["result"] == "ok"],
                "the broker gave the resource")
