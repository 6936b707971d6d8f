# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Row 11: fetching the key once more when the root is open. Who refuses it is the policy at the
broker that image-tools makes; a whole boot under it is the vm suite's "policies". There is nothing
to take out of the program, but the rule can be taken out of the policy.
"""

import hashlib
import re
import sys

from confined import Image, guest
from lab import parse_log
from rows import ROOT, attack, need

for folder in "image-tools", "tests/broker":
    sys.path.append(str(ROOT / folder))

import policy as broker_policy  # noqa: E402
from reference import policy  # noqa: E402

PATH = ("resource", "default", "luks", "root")
ZERO = "00" * 32
MEASUREMENT, MRTD = "ab" * 48, "cd" * 48
PCRS = {"2": "02" * 32, "4": "04" * 32, "9": "09" * 32, "11": "11" * 32, "12": ZERO}
RTMRS = {"1": "a1" * 48, "2": "a2" * 48}
REFERENCE = {
    "cvmroot-reference": 1,
    "pcrs": {"sha256": {number: {"fetch": [value], "booted": [value]}
                        for number, value in PCRS.items()}},
    "tdx": {"mrtd": [MRTD], "rtmrs": {number: {"fetch": [value]}
                                      for number, value in RTMRS.items()}},
    "snp": {"measurement": [MEASUREMENT], "kernel-hashes": True},
    "attestation-keys": ["a2V5"],
}


def claims_of(tee, extended):
    """What the verifier finds: with the registers at the time of fetching, or @extended ones."""
    pcrs = {f"pcr{number:02}": PCRS.get(str(number), ZERO) for number in range(24)}
    body = {"mr_td": MRTD, "rtmr_0": "a0" * 48, "rtmr_3": "00" * 48,
            **{f"rtmr_{number}": value for number, value in RTMRS.items()}}
    if extended:
        pcrs["pcr15"] = extended["sha256"]
        body["rtmr_2"] = extended["sha384"]
    quote = {"quote": {"header": {"tee_type": "81000000", "vendor_id": policy.INTEL_QE},
                       "body": body},
             "td_attributes": {"debug": False}, "tcb_status": "UpToDate",
             "collateral_expiration_status": "0"}
    return {"tpm": {**pcrs, "ak_public": "a2V5"},
            "az-snp-vtpm": {"measurement": "q6ur" * 16, "tpm": pcrs},
            "az-tdx-vtpm": {**quote, "tpm": pcrs},
            "tdx": quote}[tee]


def extended_by(records):
    """PCR 15 and RTMR 2 once these events are in them."""
    values = {"sha256": bytes(32), "sha384": bytes.fromhex(RTMRS["2"])}
    for record in records:
        content = record["content"]["string"].encode()
        logged = bytes.fromhex(record["digests"][0]["digest"])
        need(hashlib.sha384(content).digest() == logged, f"the log's digest of {content}")
        for name, value in values.items():
            digest = hashlib.new(name, content).digest()
            values[name] = hashlib.new(name, value + digest).digest()
    return {name: value.hex() for name, value in values.items()}


def policy_allows(text, tee, claims):
    token = {"submods": {"cpu0": {"ear.status": "affirming",
                                  "ear.veraison.annotated-evidence": {tee: claims}}}}
    return broker_policy.ResourcePolicy(text).allows(token, PATH)


def without_rule(text, register):
    """The policy, less the rule about one register: a condition and its list of values."""
    rest, count = re.subn(rf"^\tclaims\.\S*{register}\b[^\]]*\]\n", "", text, flags=re.MULTILINE)
    need(count == 1, f"{count} rules are about {register}")
    return rest


@attack(11, "the policy made for the image says no")
def second_fetch(name):
    """By what the release binary measures when it has the key."""
    with guest(name) as place:
        image = Image(place)
        image.configure(place.broker())
        image.unlocked(image.boot())
        records = parse_log((place.confined / "run/cvmroot/measure.log").read_bytes())
    strings = [record["content"]["string"].split(":")[1] for record in records]
    need(strings[:4] == ["config", "manifest", "root", "volume"], f"measured: {strings}")
    # Already the first event, before that of the volume key, closes the policy.
    for events in records[:1], records[:4]:
        extended = extended_by(events)
        for tee in "tpm", "az-snp-vtpm", "az-tdx-vtpm", "tdx":
            text = policy.resource_policy(REFERENCE, tee, "kbs:///default/luks/root")
            register = "rtmr_2" if tee == "tdx" else "pcr15"
            need(policy_allows(text, tee, claims_of(tee, None)), f"{tee}: not even the first fetch")
            need(not policy_allows(text, tee, claims_of(tee, extended)),
                 f"{tee}: a second fetch gets the key")
            need(policy_allows(without_rule(text, register), tee, claims_of(tee, extended)),
                 f"{tee}: something else than {register} says no")
    need(policy.stays_open(REFERENCE, "snp"), "SEV-SNP has no register, and that is told")
    return "denied for PCR 15 or RTMR 2; SEV-SNP alone has no register, which its policy says"
