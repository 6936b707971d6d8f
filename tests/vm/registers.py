# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""A TDX machine's registers and logs, and the moment at which a broker gives a key."""

import base64
import hashlib
import hmac
import json
import struct
import sys

import artefacts
import luks
from boots import STATUS
from machine import note, require
from measured import (EVIDENCE_WITH_LOGS, FETCH, VERIFY_LOG, after_overlay, check_claims,
                      digests_of, replay, run_result, words)
from platforms import MEASUREMENT, RESOURCE, SNP, PlatformLab
from scenario import scenario

sys.path.append(str(artefacts.ROOT / "tests" / "broker"))
sys.path.append(str(artefacts.ROOT / "image-tools"))
# pylint: disable=wrong-import-position
import eventlog
import verify_tdx
from binary import Refused
from reference import policy, rvps
from roots import Roots

REGISTERS = "/sys/devices/virtual/misc/tdx_guest/measurements"
CCEL = "/sys/firmware/acpi/tables/data/CCEL"
AGENT_LOG = "/run/attestation-agent/eventlog"
LATER_EVIDENCE = "/usr/bin/cvmroot evidence --json"
NO_ACTION, SEPARATOR, EVENT_TAG = 3, 4, 6
SHA384 = 0x0C
PADDING = b"\xff" * 512


def firmware_log():
    """A log as a TDX firmware leaves it in CCEL: crypto agile, SHA-384, with padding behind it."""
    head = b"Spec ID Event03\0" + struct.pack("<IBBBB", 0, 0, 2, 0, 2)
    head += struct.pack("<IHHB", 1, SHA384, 48, 0)
    log = struct.pack("<II20sI", 1, NO_ACTION, bytes(20), len(head)) + head

    def add(index, kind, data, digest):
        nonlocal log
        log += struct.pack("<IIIH", index, kind, 1, SHA384) + digest
        log += struct.pack("<I", len(data)) + data

    def add_text(index, kind, data):
        add(index, kind, data, hashlib.sha384(data).digest())

    add_text(1, 0x80000001, b"a variable and its value")
    add(1, NO_ACTION, b"something that is not measured", bytes(48))
    for index in 1, 2:
        add_text(index, SEPARATOR, bytes(4))
    add(2, 0x80000003, b"a path", hashlib.sha384(b"a program").digest())
    add_text(2, 0x80000007, b"Exit Boot Services Invocation")
    add(3, EVENT_TAG, b"LOADED_IMAGE::LoadOptions", hashlib.sha384(b"command line").digest())
    add(3, EVENT_TAG, b"Linux initrd", hashlib.sha384(b"initrd").digest())
    return log + PADDING


class TdxLab(PlatformLab):
    """A TDX machine with a firmware's log and with registers that can be extended."""

    def __init__(self, name):
        self.ccel = firmware_log()
        self.begin = eventlog.replay(self.ccel)
        options = ["--measurement", MEASUREMENT, "--measurements", "--ccel", "/vmtest/ccel"]
        for number, value in enumerate(self.begin):
            options += ["--rtmr", f"{number}={value.hex()}"]
        super().__init__(name, "tdx", ("tsm", "--provider", "tdx_guest", *options))

    def initrd(self, extra=None):
        return super().initrd({"vmtest/ccel": self.ccel, **(extra or {})})


def register(number):
    return f"file={REGISTERS}/rtmr{number}:sha384"


def composed(results):
    """The log that Trustee's evidence has: the firmware's without padding, then the agent's."""
    log = results["file=" + CCEL].removesuffix(PADDING)
    return log + results["file=" + AGENT_LOG] + b"\xff" * 8


def check_agent_log(lab, results, how):
    """The texts, word for word, and all in one register."""
    found = []
    for index, _, _, data in eventlog.events(composed(results)):
        if data[:4] == eventlog.AGENT_TAG:
            require(index == 3, f"an event of RTMR {index - 1}")
            found.append(data[8:].decode())
    key = lab.recover_keys()[1]
    expected = []
    for name, content in words(lab, how, digests_of(lab)):
        if name == "volume-key":
            content += ":sha384:" + hmac.digest(key, content.encode(), "sha384").hex()
        expected.append(f"cvmroot {name} {content or '-'}")
    require(found == expected, f"the agent's log has {found}, expected {expected}")


def check_registers(results):
    """All of them replay from the two logs, by the algorithm of Trustee's verifier."""
    log = composed(results)
    for number, value in enumerate(eventlog.replay(log)):
        found = results[register(number)]
        require(found == value, f"RTMR {number} is {found.hex()}, its log says {value.hex()}")


def check_evidence(lab, results):
    """The verifier of TDX takes evidence that was made after the boot; then one more extension."""
    roots = Roots([lab.broker.roots])
    status, text = run_result(results, EVIDENCE_WITH_LOGS)
    require(status == 0, f"evidence: {text.decode()}")
    evidence = json.loads(text)["evidence"]
    require(base64.b64decode(evidence["cc_eventlog"]) == composed(results), "another event log")
    quote = verify_tdx.inspect(evidence, roots.tdx)
    require(quote.body["rtmr_2"] == results[register(2)], "the quote has another RTMR 2")
    status, text = run_result(results, LATER_EVIDENCE)
    require(status == 0, f"evidence: {text.decode()}")
    quote = verify_tdx.check_quote(base64.b64decode(json.loads(text)["quote"]), roots.tdx)
    require(quote.body["rtmr_3"] == replay([b"\xab" * 48], "sha384"),
            "the quote does not show what was extended")
    try:
        verify_tdx.inspect(json.loads(text), roots.tdx)
    except Refused as reason:
        note(f"an extension without a log: {reason}")
    else:
        require(False, "the verifier takes a log that lacks an event")


def check_verified(lab, results, how):
    """The same evidence by cvmroot verify: every claim holds, but for what no verifier can know."""
    uuid, key = luks.uuid(lab.disk), lab.recover_keys()[1]
    digest = hmac.digest(key, f"cryptsetup:root:{uuid}".encode(), "sha384")
    program, before = {"booted": [lab.begin[1].hex()]}, {"fetch": [lab.begin[2].hex()]}
    reference = {
        "cvmroot-reference": 1, "tee": ["tdx"],
        "tdx": {"mrtd": [MEASUREMENT], "rtmrs": {"1": program, "2": before}},
        "events": {**digests_of(lab), "providers": ["kbs"], "how": [how], "epoch": [1]},
        "volume": {"uuid": [uuid], "volume-key": {"sha384": [digest.hex()]}}}
    check_claims(lab, results, reference, how, {"encrypted"} if how == "reopened" else set(),
                 "--root", lab.broker.roots / "tdx-root.pem")


# The simulator's registers obey as the kernel's do.
WRITES = {f"put={REGISTERS}/rtmr3:sha384:{'ab' * 47}": b"error Invalid argument",
          f"put={REGISTERS}/mrtd:sha384:{'ab' * 48}": b"error Permission denied",
          f"put={REGISTERS}/rtmr3:sha384:{'ab' * 48}": b"written"}


def tdx_boot(lab, how):
    lab.write_config()
    results = lab.boot_checked()
    require(f'"{how}"'.encode() in results["file=" + STATUS], f"the root is not called {how}")
    check_agent_log(lab, results, how)
    check_registers(results)
    check_evidence(lab, results)
    check_verified(lab, results, how)
    for order, answer in WRITES.items():
        require(results[order] == answer, f"{order}: {results[order]}")
    status, text = run_result(results, VERIFY_LOG)
    require(status == 0, f"cvmroot log --verify: {status}: {text.decode()}")
    require(run_result(results, FETCH)[0] != 0, "the broker gave the key once more")


@scenario()
def tdx_measured(name):
    """
    A broker with the policies that are made for a TDX image: the registers of the moment at which
    a key is asked for, and of no later one. What was measured replays as Trustee does it.
    """
    lab = TdxLab(name)
    lab.extra = after_overlay(
        *[register(number) for number in range(4)], "file=" + CCEL, "file=" + AGENT_LOG,
        "run=" + EVIDENCE_WITH_LOGS, "run=" + VERIFY_LOG, "run=" + FETCH, *WRITES,
        "run=" + LATER_EVIDENCE)
    reference = {"cvmroot-reference": 1, "tdx": {
        "mrtd": [MEASUREMENT],
        "rtmrs": {str(number): {"fetch": [lab.begin[number].hex()]} for number in (1, 2)}}}
    with lab.serve() as broker:
        broker.set_policies(policy.attestation_policy(reference, "tdx"),
                            policy.resource_policy(reference, "tdx", RESOURCE),
                            rvps.message(reference, "tdx"))
        tdx_boot(lab, "fresh")
        tdx_boot(lab, "reopened")
        # What cannot be measured is not booted.
        lab.simulator = (*lab.simulator, "--broken-rtmr", "2")
        lab.refuse(r"cvmroot: .*RTMR 2: Input/output error.*", timeout=120)
        require(broker.results("resource") == ["ok", "refused"] * 2 + ["ok"],
                f"the broker's log has {broker.events('resource')}")


@scenario()
def snp_measured(name):
    """
    A machine without registers: its log stands alone, and the machine's own report vouches for it
    when it is asked for later.
    """
    lab = PlatformLab(name, "snp", SNP)
    lab.extra = after_overlay("run=" + EVIDENCE_WITH_LOGS)
    with lab.serve():
        lab.write_config()
        results = lab.boot_checked()
    uuid, key = luks.uuid(lab.disk), lab.recover_keys()[1]
    digest = hmac.digest(key, f"cryptsetup:root:{uuid}".encode(), "sha384")
    reference = {
        "cvmroot-reference": 1, "tee": ["snp"],
        "snp": {"measurement": [MEASUREMENT], "kernel-hashes": True},
        "events": {**digests_of(lab), "providers": ["kbs"], "how": ["fresh"], "epoch": [1]},
        "volume": {"uuid": [uuid], "volume-key": {"sha384": [digest.hex()]}}}
    # Nothing is closed where no secret can be bound to a register.
    check_claims(lab, results, reference, "fresh", {"closed"},
                 "--root", lab.broker.roots / "snp-ark.pem")
