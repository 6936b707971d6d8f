# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The policies and reference values that we make for Trustee, put to an evaluator of Rego: who gets
a key, and who does not."""

import base64
import copy
import itertools
import json
import re
import sys

from case import IMAGE_TOOLS, ROOT, case, need, need_equal, vectors

sys.path[:0] = [str(IMAGE_TOOLS), str(ROOT / "tests" / "broker")]
import policy as broker  # noqa: E402
from reference import policy, rvps  # noqa: E402

PATH = ("resource", "default", "luks", "root")
URI = "kbs:///default/luks/root"
ZERO = "00" * 32
KEY, OTHER_KEY = (base64.b64encode(text).decode() for text in (b"attestation key", b"another"))
PCRS = {"2": "02" * 32, "4": "04" * 32, "9": "09" * 32, "11": "11" * 32, "12": ZERO}
BOOTED = {**PCRS, "11": "1b" * 32}
RTMRS = {"1": "a1" * 48, "2": "a2" * 48}
MEASUREMENT, MRTD = "ab" * 48, "cd" * 48


def reference():
    """As image-tools/measure writes them."""
    return copy.deepcopy({
        "cvmroot-reference": 1,
        "pcrs": {"sha256": {number: {"fetch": [value], "booted": [BOOTED[number]]}
                            for number, value in PCRS.items()}},
        "tdx": {"mrtd": [MRTD], "rtmrs": {number: {"fetch": [value]}
                                          for number, value in RTMRS.items()}},
        "snp": {"measurement": [MEASUREMENT], "kernel-hashes": True},
        "attestation-keys": [KEY]})


def pcr_claims(values):
    return {f"pcr{number:02}": values.get(str(number), ZERO) for number in range(24)}


def td_claims():
    body = {"mr_td": MRTD, "rtmr_0": "a0" * 48, "rtmr_3": "00" * 48,
            **{f"rtmr_{number}": value for number, value in RTMRS.items()}}
    return {"quote": {"header": {"tee_type": "81000000", "vendor_id": policy.INTEL_QE},
                      "body": body},
            "td_attributes": {"debug": False}, "tcb_status": "UpToDate",
            "collateral_expiration_status": "0"}


def good_claims(tee):
    """What the verifier finds at the moment of fetching."""
    if tee == "tpm":
        return {**pcr_claims(PCRS), "ak_public": KEY}
    if tee == "az-snp-vtpm":
        return {"measurement": base64.b64encode(bytes.fromhex(MEASUREMENT)).decode(),
                "policy_debug_allowed": "false", "policy_migrate_ma": "false",
                "tpm": pcr_claims(PCRS)}
    if tee == "az-tdx-vtpm":
        return {**td_claims(), "tpm": pcr_claims(PCRS)}
    if tee == "tdx":
        return td_claims()
    return {"measurement": MEASUREMENT, "policy_debug_allowed": False, "policy_migrate_ma": False}


class Server:
    """Trustee with our policies and reference values."""

    def __init__(self, values, tee, resource=URI):
        self.tee = tee
        self.attestation = broker.read_rego(policy.attestation_policy(values, tee))
        self.resource = broker.ResourcePolicy(policy.resource_policy(values, tee, resource))
        message = rvps.message(values, tee)
        need_equal((message["version"], message["type"]), ("0.1.0", "sample"), "message")
        self.references = json.loads(base64.b64decode(message["payload"], validate=True))

    def status(self, claims, tee=None):
        return broker.appraise(self.tee, {tee or self.tee: claims}, self.references,
                               self.attestation)[1]

    def gives(self, claims, path=PATH, tee=None, status=None, **others):
        """Does the resource policy give the key? @status stands for another attestation policy."""
        status = status or self.status(claims, tee)
        submods = {"cpu0": {"ear.status": status,
                            "ear.veraison.annotated-evidence": {tee or self.tee: claims}}, **others}
        return self.resource.allows({"submods": submods}, path)


def leaves(value, path=()):
    """The paths of all plain values."""
    if isinstance(value, dict):
        return itertools.chain.from_iterable(leaves(value[n], (*path, n)) for n in value)
    return iter([path])


def changed(value, path, new):
    """@value with another one at @path, or without one for None."""
    value = copy.deepcopy(value)
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    if new is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


def pinned(tee):
    """The claims that must count, each as the end of its path."""
    registers = {f"pcr{int(number):02}" for number in (*PCRS, 15)}
    return {"tpm": registers | {"ak_public"},
            "az-snp-vtpm": registers | {"measurement", "policy_debug_allowed", "policy_migrate_ma"},
            "az-tdx-vtpm": registers | {"mr_td", "tee_type", "vendor_id", "debug", "tcb_status"},
            "tdx": {"mr_td", "rtmr_1", "rtmr_2", "rtmr_3", "tee_type", "vendor_id", "debug",
                    "tcb_status", "collateral_expiration_status"},
            "snp": {"measurement", "policy_debug_allowed", "policy_migrate_ma"}}[tee]


def other_value(value):
    if isinstance(value, bool):
        return not value
    return {"0": "1", "f": "e"}.get(value[0], "0") + value[1:]


@case("policies-claims")
def claims_count(_folder):
    """At the moment of fetching the key is given; with any pinned claim altered or missing it is
    not, and no other claim matters."""
    for tee in policy.TEES:
        server, good = Server(reference(), tee), good_claims(tee)
        need_equal((server.status(good), server.gives(good)), ("affirming", True), tee)
        seen = set()
        for path in leaves(good):
            value = good
            for name in path:
                value = value[name]
            for new in (other_value(value), None):
                gives = server.gives(changed(good, path, new))
                need_equal(gives, path[-1] not in pinned(tee), f"{tee} {path} {new}")
            seen.add(path[-1])
        need(pinned(tee) <= seen, f"{tee}: not all pinned claims are there")


@case("policies-fetch")
def fetch_only(_folder):
    """Once cvmroot has measured that it has the key, or a later phase began, no key any more, even
    from a server whose attestation policy affirms that."""
    for tee, prefix in (("tpm", ()), ("az-snp-vtpm", ("tpm",)), ("az-tdx-vtpm", ("tpm",))):
        server, good = Server(reference(), tee), good_claims(tee)
        booted = changed(changed(good, (*prefix, "pcr15"), "15" * 32), (*prefix, "pcr11"),
                         BOOTED["11"])
        # Another resource policy may give a key to all that is affirmed.
        need_equal(server.status(booted), "contraindicated", f"{tee}, booted")
        need(not server.gives(booted, status="affirming"), f"{tee}: a key after the boot")
        for name in ("pcr02", "pcr04", "pcr09", "pcr11", "pcr12", "pcr15"):
            late = changed(good, (*prefix, name), "ee" * 32)
            need(not server.gives(late, status="affirming"), f"{tee}: {name} is not pinned")
    need(not Server(reference(), "tpm").gives({**good_claims("tpm"), "ak_public": OTHER_KEY},
                                              status="affirming"), "tpm: the key is not pinned")
    server, good = Server(reference(), "tdx"), good_claims("tdx")
    for name in ("mr_td", "rtmr_1", "rtmr_2", "rtmr_3"):
        late = changed(good, ("quote", "body", name), "ee" * 48)
        need(not server.gives(late, status="affirming"), f"tdx: {name} is not pinned")
    late = changed(good_claims("snp"), ("measurement",), "ee" * 48)
    need(not Server(reference(), "snp").gives(late, status="affirming"), "snp: not pinned")


@case("policies-request")
def requests(_folder):
    """Which resource is asked for, and what else the evidence is of."""
    for tee in policy.TEES:
        server, good = Server(reference(), tee), good_claims(tee)
        for path in (("resource", "default", "luks", "other"), ("provisioner", *PATH[1:]),
                     ("resource", "default", "luks"), (*PATH, "more")):
            need(not server.gives(good, path), f"{tee}: {path} is given")
        for other in {*policy.TEES, "sample", "cca"} - {tee}:
            need(not server.gives(good, tee=other, status="affirming"), f"{tee} as {other}")
            need_equal(server.status(good, other), "contraindicated", f"{tee} as {other}")
        for status in ("warning", "contraindicated", "none"):
            need(not server.gives(good, status=status), f"{tee}: {status} is enough")
        need(server.gives(good, gpu0={"ear.status": "affirming"}), f"{tee}: not with a GPU")
        for gpu in ({"ear.status": "warning"}, {}):
            need(not server.gives(good, gpu0=gpu), f"{tee}: with a GPU that is {gpu}")
        for anything in (PATH, ("resource", "a", "b", "c")):
            need(Server(reference(), tee, None).gives(good, anything), f"{tee}: {anything}")
        need(not Server(reference(), tee, None).gives(good, ("provisioner", *PATH[1:])), "plugin")
        provisioner = Server(reference(), tee, "kbs+provisioner:///default/x/root")
        need(provisioner.gives(good, ("provisioner", "default", "x", "root")), "provisioner")


@case("policies-references")
def references(_folder):
    """A reference value that is unset, null, or of a kind that holds nothing, affirms nothing."""
    for tee in policy.TEES:
        server, good = Server(reference(), tee), good_claims(tee)
        for name in list(server.references):
            kept = server.references
            for new in (None, [], "", kept[name][0], [[kept[name][0]]], {}, True):
                server.references = {**kept, name: new}
                need(server.status(good) != "affirming", f"{tee}: {name} is {new!r}")
            server.references = {n: v for n, v in kept.items() if n != name}
            need(server.status(good) != "affirming", f"{tee}: {name} is unset")
            server.references = kept
        server.references = {}
        need_equal(server.status(good), "contraindicated", f"{tee} without reference values")
    values = reference()
    del values["attestation-keys"]
    server, good = Server(reference(), "tpm"), good_claims("tpm")
    server.resource = broker.ResourcePolicy(policy.resource_policy(values, "tpm", URI))
    del server.references["trusted_aks"]
    need(not server.gives(good), "a key for any attestation key")
    server.references["trusted_aks"] = [KEY]
    need(server.gives(good), "no key for a registered attestation key")
    need(not server.gives({**good, "ak_public": OTHER_KEY}), "a key for another attestation key")


def of_zeros(*numbers):
    return {number: {"fetch": [ZERO]} for number in numbers}


REFUSED = (
    ("tpm", ("pcrs", "sha256", "12"), None, "12, 9 or 13"),
    ("tpm", ("pcrs", "sha256", "2"), None, "name PCR 2"),
    ("az-snp-vtpm", ("pcrs", "sha256", "2"), None, "name PCR 2"),
    ("az-tdx-vtpm", ("pcrs", "sha256", "2"), None, "name PCR 2"),
    ("tpm", ("pcrs", "sha256", "4"), None, "and 4 with"),
    ("tpm", ("pcrs", "sha256", "9"), None, "9 or 13"),
    ("tpm", ("pcrs",), None, "name PCR 2"),
    ("tpm", ("pcrs", "sha256"), of_zeros("2", "11", "12"), "4 with 9"),
    ("tpm", ("pcrs", "sha256"), of_zeros("2", "4", "12", "13"), "9 or 11"),
    ("az-snp-vtpm", ("pcrs", "sha256"), of_zeros("2", "9", "12"), "and 4 with"),
    ("az-tdx-vtpm", ("pcrs", "sha256", "11", "fetch"), [], "no list"),
    ("tpm", ("pcrs", "sha256", "11", "fetch"), ["11"], "not 32 bytes"),
    ("tpm", ("pcrs", "sha256", "11", "fetch"), ['" ' * 32], "not 32 bytes"),
    ("tpm", ("pcrs", "sha256", "24"), {"fetch": [ZERO]}, "no PCR 24"),
    ("tpm", ("pcrs", "sha256", "011"), {"fetch": [ZERO]}, "no PCR 011"),
    ("tpm", ("pcrs", "sha256", "11", "booted"), ["0x" + "11" * 31], "PCR 11, booted"),
    ("tpm", ("attestation-keys",), ['"]'], "not base64"),
    ("tpm", ("attestation-keys",), [], "no list"),
    ("tdx", ("tdx", "rtmrs", "1"), None, "RTMR 1 and 2"),
    ("tdx", ("tdx", "rtmrs", "2"), None, "RTMR 1 and 2"),
    ("tdx", ("tdx",), None, "MRTD measures the firmware only"),
    ("tdx", ("tdx", "rtmrs", "4"), {"fetch": ["00" * 48]}, "no RTMR 4"),
    ("tdx", ("tdx", "mrtd"), ["00"], "not 48 bytes"),
    ("snp", ("snp",), None, "no launch measurement"),
    ("snp", ("snp", "kernel-hashes"), None, "binds the firmware only"),
    ("snp", ("snp", "kernel-hashes"), "true", "binds the firmware only"),
    ("sample", ("snp", "measurement"), [MEASUREMENT], "no policy is made for sample"),
    ("tpm", ("cvmroot-reference",), 2, "version 1"),
)

# Enough, and nothing more than that.
BOUND = (("2", "4", "9", "12"), ("2", "4", "11", "12", "13"), ("4", "7", "9", "12"),
         ("7", "11", "12", "13"), ("7", "9", "11", "12"))


def emitters(values, tee):
    return (lambda: policy.check_bound(values, tee), lambda: policy.attestation_policy(values, tee),
            lambda: policy.resource_policy(values, tee, None), lambda: rvps.message(values, tee))


@case("policies-refusals")
def refusals(_folder):
    """Nothing is made that would leave command line or initrd unbound, or from wrong values."""
    for tee, path, new, sentence in REFUSED:
        values = changed(reference(), path, new)
        for number, call in enumerate(emitters(values, tee)):
            need(refused(call, sentence), f"{tee} {path} {new}: emitter {number} makes something")
    for pcrs in BOUND:
        values = changed(reference(), ("pcrs", "sha256"), of_zeros(*pcrs))
        policy.check_bound(values, "tpm")
        for name in pcrs:
            need(refused(lambda values=values, name=name: policy.check_bound(
                changed(values, ("pcrs", "sha256", name), None), "tpm"), "4 with 9 or 11"),
                 f"{pcrs} without {name}")
    for resource in ("default/luks", "default/luks/%u", "a/b/c/d", 'a/b/c"', "../b/c",
                     "kbs:///a/b"):
        need(refused(lambda resource=resource: policy.resource_policy(reference(), "tpm", resource),
                     "names no resource"), resource)


def refused(call, sentence):
    try:
        call()
    except ValueError as error:
        need(sentence in str(error), f"refused for another reason: {error}")
        return True
    return False


@case("policies-missing")
def missing(_folder):
    """What the attestation policy asks for is in the message, or there is none."""
    lacking = {"tpm": ("attestation-keys", "trusted_aks", "--attestation-key"),
               "az-snp-vtpm": ("snp", "measurement", "--launch-measurement"),
               "az-tdx-vtpm": ("tdx", "mr_td", "--mrtd"),
               "tdx": (("tdx", "mrtd"), "mr_td", "--firmware or --mrtd"),
               "snp": ("snp", "launch measurement", "--firmware")}
    need_equal(set(lacking), set(policy.TEES), "platforms")
    for tee, (member, name, option) in lacking.items():
        need_equal(policy.missing(reference(), tee), None, tee)
        values = changed(reference(), member if isinstance(member, tuple) else (member,), None)
        for sentence in (name, f"give {option}"):
            need(refused(lambda values=values, tee=tee: rvps.message(values, tee), sentence),
                 f"{tee}: a message without {name}")
        asked = set(re.findall(r'query_reference_value\("([^"]+)"\)',
                               policy.attestation_policy(reference(), tee)))
        need_equal(asked, set(rvps.values(reference(), tee)), f"{tee}: what is asked for")


@case("policies-same-bytes")
def same_bytes(_folder):
    """The order, the case and repetitions of values change nothing."""
    values = reference()
    values["pcrs"]["sha256"]["11"]["fetch"] = [f"{number:02x}" * 32 for number in range(9)]
    mixed = {name: values[name] for name in reversed(values)}
    mixed["pcrs"] = {"sha256": {
        number: {state: [value.upper() for value in reversed(known)] * 2
                 for state, known in reversed(states.items())}
        for number, states in reversed(values["pcrs"]["sha256"].items())}}
    for name, known in rvps.values(mixed, "tpm").items():
        need_equal(known, sorted(known), name)
    for tee in policy.TEES:
        for one, other in zip(made(values, tee), made(mixed, tee)):
            need_equal(other, one, tee)
        need(all(line == line.rstrip() and len(line.expandtabs(8)) <= 100
                 for line in policy.attestation_policy(values, tee).split("\n")), "lines")


def made(values, tee):
    return (policy.attestation_policy(values, tee), policy.resource_policy(values, tee, URI),
            rvps.message(values, tee))


@case("policies-real-claims")
def real_claims(_folder):
    """The claims that a real Trustee wrote: of a TPM (a token), and of a TDX quote."""
    exchange = json.loads(vectors("trustee-transcripts/exchange.json").read_text())
    token = next(record for record in exchange if record["case"] == "tpm/token")["payload"]
    evidence = token["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    values = reference()
    values["attestation-keys"] = [evidence["tpm"]["ak_public"]]
    values["pcrs"]["sha256"] = {number: {"fetch": [ZERO]} for number in PCRS}
    server = Server(values, "tpm")
    vector, status = broker.appraise("tpm", evidence, server.references, server.attestation)
    need_equal((status, set(vector)),
               ("affirming", set(token["submods"]["cpu0"]["ear.trustworthiness-vector"])), "tpm")
    need(not server.resource.allows(token, PATH), "Trustee said warning")
    token["submods"]["cpu0"].update({"ear.status": status, "ear.trustworthiness-vector": vector})
    need(server.resource.allows(token, PATH), "no key for real claims")
    evidence["tpm"]["pcr15"] = "15" * 32
    need(not server.resource.allows(token, PATH), "a key when PCR 15 is not zero")
    tdx_claims(json.loads(vectors("trustee/deps/verifier/test_data/parse_tdx_claims_expected.json")
                          .read_text()))


def tdx_claims(claims):
    """The recorded ones are of a TD that may be debugged, without the status of its TCB."""
    body, values = claims["quote"]["body"], reference()
    values["tdx"] = {"mrtd": [body["mr_td"]], "rtmrs": {
        str(number): {"fetch": [body[f"rtmr_{number}"]]} for number in range(4)}}
    server = Server(values, "tdx")
    need_equal(server.status(claims), "contraindicated", "a TD that may be debugged")
    claims.update({"tcb_status": "UpToDate", "collateral_expiration_status": "0"})
    need_equal(server.status(claims), "contraindicated", "a TD that may be debugged")
    claims["td_attributes"]["debug"] = False
    need(server.gives(claims), "no key for real claims of TDX")


@case("policies-new-snp")
def new_snp(_folder):
    """SNP's claims as Trustee writes them since its report is a claim of its own."""
    server = Server(reference(), "snp")
    good = {"evidence": {"measurement": MEASUREMENT, "policy": {
        "debug_allowed": False, "migrate_ma_allowed": False}}}
    need(server.gives(good), "no key")
    for path in leaves(good):
        need(not server.gives(changed(good, path, None)), f"{path} is missing")
    need(not server.gives(changed(good, ("evidence", "measurement"), "ee" * 48)), "measurement")
    need(not server.gives(changed(good, ("evidence", "policy", "debug_allowed"), True)), "debug")
