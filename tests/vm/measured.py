# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What cvmroot measures, as others read it: the values that image-tools computes before an image has
ever been booted, and the tools of others over the logs of a baked Debian.
"""

import base64
import hashlib
import hmac
import json
import re
import subprocess

import artefacts
import disk
import luks
from boots import LOG
from chain import EVENT_LOG
from lab import parse_log, unit
from machine import require
from platforms import RESOURCE

FETCH = f"/usr/bin/cvmroot fetch kbs:///{RESOURCE}"
VERIFY_LOG = "/usr/bin/cvmroot log --verify --json"

# In the initrd, when the root is open and the broker still in reach.
AFTER_UNIT = """[Unit]
DefaultDependencies=no
After=cvmroot-boot.service
Before=initrd-switch-root.target initrd-cleanup.service
[Service]
Type=oneshot
StandardOutput=journal+console
StandardError=journal+console
"""


def after_overlay(*orders):
    """Orders for the guest's program after cvmroot; each as one word of systemd's."""
    lines = [f'ExecStart=/vmtest/guest "{order}"\n' for order in orders]
    return {**artefacts.guest_overlay(),
            unit("vmtest-after.service"): (AFTER_UNIT + "".join(lines)).encode(),
            unit("initrd.target.wants/vmtest-after.service"): "-> ../vmtest-after.service"}


def run_result(results, command):
    """Exit status and output of a command that the guest ran."""
    data = results.get("run=" + command)
    require(data and data.startswith(b"status "), f"{command}: no result: {data}")
    head, output = data.split(b"\n", 1)
    return int(head.split()[1]), output


# ---- What is predicted ----

def digests_of(lab):
    """What the configuration and the manifest in the lab's initrd are measured as."""
    return {"config": [hashlib.sha256(lab.config.encode()).hexdigest()],
            "manifest": [hashlib.sha256(lab.manifest.read_bytes()).hexdigest()]}


def words(lab, how, events):
    """
    (name, content) of what cvmroot measures, in the order of cvmroot(7). @events is that member of
    the reference values.
    """
    uuid = luks.uuid(lab.disk)
    converted = [("manifest", *events["manifest"])]
    return [("config", *events["config"]), *(converted if how != "reopened" else ()),
            ("root", f"{how}:epoch=1:provider=kbs"), ("volume", uuid),
            ("volume-key", f"cryptsetup:root:{uuid}"), ("leave", "")]


def replay(digests, algorithm="sha256"):
    value = bytes(hashlib.new(algorithm).digest_size)
    for digest in digests:
        value = hashlib.new(algorithm, value + digest).digest()
    return value


def pcr15_digests(lab, how, events):
    """Of cvmroot's events: known before the boot, but for the volume's UUID and its key."""
    key, digests = lab.recover_keys()[1], []
    for name, content in words(lab, how, events):
        text = f"cvmroot:{name}:{content}" if content else f"cvmroot:{name}"
        if name == "volume-key":
            digests.append(hmac.digest(key, content.encode(), "sha256"))
        else:
            digests.append(hashlib.sha256(text.encode()).digest())
    return digests


def measure(lab, *options):
    """What image-tools/measure says, a text."""
    output = lab.folder / "measured"
    artefacts.image_tool("measure", *options, "--output", output)
    return output.read_text()


def predict(lab, *options):
    """The reference values of a boot program or an image."""
    return json.loads(measure(lab, *options))


PREDICTED = (2, 4, 9, 11, 12, 15)  # PCRs


def check_fetch(claims, reference):
    """What the broker's verifier read from the quote is what was computed before."""
    for number in PREDICTED:
        found = claims[f"pcr{number:02}"]
        wanted = reference["pcrs"]["sha256"][str(number)]["fetch"]
        require(found in wanted, f"PCR {number} was {found} when a key was asked for, not {wanted}")


def check_booted(results, reference, numbers=(4, 9, 11, 12)):
    for number in numbers:
        found = results[f"pcr={number}"].hex()
        wanted = reference["pcrs"]["sha256"][str(number)]["booted"]
        require(found in wanted, f"PCR {number} is {found} after the boot, not in {wanted}")


# ---- A baked Debian ----

NONCE = bytes(range(32))
EVIDENCE_WITH_LOGS = ("/usr/bin/cvmroot evidence --with-logs --nonce "
                      + base64.b64encode(NONCE).decode())
PCRLOCK = "/usr/lib/systemd/systemd-pcrlock log --json=short"
ANALYZE = "/usr/bin/systemd-analyze pcrs --json=short"
ORDERS = ["pcr=4", "pcr=9", "pcr=12", "run=" + VERIFY_LOG,
          "run=" + EVIDENCE_WITH_LOGS, "run=" + PCRLOCK, "run=" + ANALYZE]


def pcrs_of(document, member="replayed"):
    """{number: value} of the object that "cvmroot log --json" prints."""
    return {entry["index"]: entry[member] for entry in document["registers"]
            if entry["in"] == "PCR"}


def check_firmware_log(lab, results):
    """tpm2_eventlog on the host, of the guest's log, against cvmroot on the host."""
    path = lab.folder / "event-log"
    path.write_bytes(results["file=" + EVENT_LOG])
    text = disk.run("tpm2_eventlog", path, stderr=subprocess.DEVNULL).decode()
    theirs = dict(re.findall(r"^ +(\d+) +: 0x([0-9a-f]{64})$", text.rsplit("pcrs:", 1)[1], re.M))
    ours = pcrs_of(json.loads(disk.run(artefacts.CVMROOT, "log", "--json", "--file", path)))
    require(theirs and {int(number): value for number, value in theirs.items()} == ours,
            f"tpm2_eventlog says {theirs}, cvmroot {ours}")


def check_pcrlock(results, log, digests):
    """systemd finds every register explained by the logs but IMA's, and ours as we do."""
    status, text = run_result(results, PCRLOCK)
    require(status == 0, f"systemd-pcrlock: {status}")
    found = json.loads(text)
    bad = [entry["pcr"] for entry in found["pcrs"] if not entry["hashMatchesEventLog"]]
    require(bad in ([], [10]), f"systemd-pcrlock does not find PCR {bad} explained")
    theirs = {entry["pcr"]: entry["calculatedSHA256"] for entry in found["pcrs"]}
    differs = [number for number, value in pcrs_of(log).items() if theirs[number] != value]
    require(not differs, f"systemd-pcrlock replays PCR {differs} to something else")
    listed = [entry["sha256"] for entry in found["log"] if entry["pcr"] == 15]
    require(listed[:len(digests)] == [digest.hex() for digest in digests],
            f"systemd-pcrlock lists {listed}")
    status, text = run_result(results, ANALYZE)
    values = {entry["nr"]: entry["sha256"] for entry in json.loads(text)}
    differs = [number for number, value in pcrs_of(log, "value").items()
               if values[number] != value]
    require(status == 0 and not differs, f"systemd-analyze shows other PCRs {differs}")


def check_pcr15(lab, results, how, events):
    """What cvmroot measured, as predicted; then what systemd did, as its log says."""
    digests = pcr15_digests(lab, how, events)
    later = [hashlib.sha256(record["content"]["string"].encode()).digest()
             for record in parse_log(results["file=" + LOG]) if record["pcr"] == 15][len(digests):]
    found = results["pcr=15"]
    require(found == replay(digests + later), f"PCR 15 is {found.hex()}, not what was predicted")
    return digests


def check_claims(lab, results, reference, how, unchecked, *options):
    """
    What cvmroot says on the host of evidence that was made in the guest: all claims hold, but for
    those that cannot be checked; with another nonce one fails.
    """
    status, text = run_result(results, EVIDENCE_WITH_LOGS)
    require(status == 0, f"cvmroot evidence: {status}")
    evidence, values = lab.folder / "evidence.json", lab.folder / "reference.json"
    evidence.write_bytes(text)
    values.write_text(json.dumps(reference))

    def judge(nonce):
        result = subprocess.run(
            [artefacts.CVMROOT, "verify", evidence, "--reference", values, "--json", "--nonce",
             base64.b64encode(nonce), *options], check=False, stdout=subprocess.PIPE)
        require(result.stdout, f"cvmroot verify: {result.returncode}")
        return result.returncode, json.loads(result.stdout)["claims"]

    status, claims = judge(NONCE)
    found = {name for name, claim in claims.items() if claim["verdict"] != "holds"}
    require(status == 0 and found == unchecked, f"cvmroot verify: {status}: {claims}")
    require(claims["how"]["text"].startswith(how), f"it is said to be {claims['how']['text']}")
    status, claims = judge(NONCE[::-1])
    require(status == 3 and claims["fresh"]["verdict"] not in ("holds", "not checked"),
            f"with another nonce: {status}: {claims}")


def check_debian_claims(lab, results, reference, digests, key, how):
    """By the values of before, the key that the broker knows, and what the first boot made."""
    reference = {**reference, "attestation-keys": [key],
                 "volume": {"uuid": [luks.uuid(lab.disk)],
                            "volume-key": {"sha256": [digests[-2].hex()]}}}
    # Of a TPM nobody knows these; and a boot that reopens a root does not encrypt it.
    unchecked = {"no-debug", "launch"} | ({"encrypted"} if how == "reopened" else set())
    check_claims(lab, results, reference, how, unchecked)


def check_debian(lab, suite, broker, results, reference, how):
    """One boot of a baked image, by the values that image-tools computed before the first."""
    events = reference["events"]
    claims = broker.events("attest")[-1]["claims"]
    check_fetch(claims, reference)
    check_booted(results, reference)
    digests = check_pcr15(lab, results, how, events)
    status, text = run_result(results, VERIFY_LOG)
    require(status == 0, f"cvmroot log --verify: {status}: {text.decode()}")
    check_firmware_log(lab, results)
    if suite != "bookworm":  # systemd 252 has none
        check_pcrlock(results, json.loads(text), digests)
    check_debian_claims(lab, results, reference, digests, claims["ak_public"], how)
