# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Who gets a resource: a file of expected values, a resource policy, and an appraisal of claims
against reference values, by an attestation policy or, without one, much as Trustee's own does.

The file is JSON, read anew for each request; an absent member allows:

    {"allow": true,
     "tpm": {"trusted_aks": "any" | "first" | [BASE64...], "pcrs": {"11": [HEX...]}},
     "snp": {"measurements": [HEX...]},
     "tdx": {"mrtd": [HEX...], "rtmrs": {"2": [HEX...]}},
     "az-snp-vtpm": {"pcrs": ..., "measurements": ...}, "az-tdx-vtpm": {"pcrs": ..., "mrtd": ...},
     "cca": {"rim": [HEX...], "rems": {"0": [HEX...]}}}
"""

import base64
import json

import rego

SECTIONS = {
    "tpm": {"trusted_aks", "pcrs"},
    "snp": {"measurements"},
    "tdx": {"mrtd", "rtmrs"},
    "az-snp-vtpm": {"pcrs", "measurements"},
    "az-tdx-vtpm": {"pcrs", "mrtd", "rtmrs"},
    "cca": {"rim", "rems"},
}


class Denied(Exception):
    """A policy says no, and why."""


def load(path):
    """The policy file, checked; ValueError for what it may not hold."""
    with open(path, encoding="utf-8") as stream:
        rules = json.load(stream)
    if not isinstance(rules, dict) or not isinstance(rules.get("allow", True), bool):
        raise ValueError(f"{path}: a policy is an object, and its member allow true or false")
    for tee, section in rules.items():
        if tee == "allow":
            continue
        unknown = set(section) - SECTIONS.get(tee, set()) if tee in SECTIONS else {tee}
        if unknown:
            raise ValueError(f"{path}: there is no {tee} {sorted(unknown)[0]} in a policy")
    return rules


def same(name, value, allowed):
    if value not in [item.lower() for item in allowed]:
        raise Denied(f"{name} is {value}, which the policy does not list")


def pcr_claims(tee, claims):
    return claims if tee == "tpm" else claims["tpm"]


def measurement(tee, claims):
    value = claims["measurement"]
    return base64.b64decode(value).hex() if tee == "az-snp-vtpm" else value


class Policy:
    """The policy file of one broker."""

    def __init__(self, path):
        self.path = path
        self.first_ak = None
        if path:
            load(path)

    def check(self, tee, claims):
        """Denied unless the file allows what @claims of @tee say."""
        rules = load(self.path) if self.path else {}
        if not rules.get("allow", True):
            raise Denied("the policy denies everything")
        section = rules.get(tee, {})
        if "trusted_aks" in section:
            self._check_ak(section["trusted_aks"], claims["ak_public"])
        for index, allowed in section.get("pcrs", {}).items():
            same(f"pcr {index}", pcr_claims(tee, claims)[f"pcr{int(index):02}"], allowed)
        if "measurements" in section:
            same("measurement", measurement(tee, claims), section["measurements"])
        if "mrtd" in section:
            same("mrtd", claims["quote"]["body"]["mr_td"], section["mrtd"])
        for index, allowed in section.get("rtmrs", {}).items():
            same(f"rtmr {index}", claims["quote"]["body"][f"rtmr_{int(index)}"], allowed)
        if "rim" in section:
            same("rim", claims["realm"]["initial-measurement"], section["rim"])
        for index, allowed in section.get("rems", {}).items():
            same(f"rem {index}", claims["realm"]["extensible-measurements"][int(index)], allowed)

    def _check_ak(self, trusted, key):
        if trusted == "first":
            self.first_ak = self.first_ak or key
            trusted = [self.first_ak]
        if trusted != "any" and key not in trusted:
            raise Denied(f"the attestation key {key[:40]}... is not a trusted one")


class ResourcePolicy:
    """A resource policy in Rego; ValueError unless it is one."""

    def __init__(self, text):
        self.rules = read_rego(text)

    def allows(self, token, path):
        """May who shows these claims have what is at @path: plugin, and parts?"""
        data = {"plugin": path[0], "resource-path": list(path[1:]), "query": {}}
        try:
            return self.rules.query("allow", token, data) is True
        except rego.RegoError as error:
            raise Denied(str(error)) from None


def read_rego(text):
    """A policy of the package that Trustee asks."""
    found = rego.Policy(text)
    if found.package != "policy":
        raise ValueError("the package is not called policy")
    return found


# Trustee's name of the reference value, and where the claim is.
REFERENCES = {
    "sample": {"executables": (("launch_digest", ("launch_digest",)),),
               "hardware": (("svn", ("svn",)),)},
    "tpm": {"executables": (("tpm_pcr11", ("pcr11",)), ("trusted_aks", ("ak_public",)))},
    "snp": {"executables": (("snp_launch_measurement", ("measurement",)),),
            "hardware": (("snp_bootloader", ("reported_tcb_bootloader",)),
                         ("snp_microcode", ("reported_tcb_microcode",)),
                         ("snp_snp_svn", ("reported_tcb_snp",)),
                         ("snp_tee_svn", ("reported_tcb_tee",)))},
    "tdx": {"executables": (("rtmr_1", ("quote", "body", "rtmr_1")),
                            ("rtmr_2", ("quote", "body", "rtmr_2"))),
            "hardware": (("mr_td", ("quote", "body", "mr_td")),)},
    "az-snp-vtpm": {"executables": (("measurement", ("measurement",)),
                                    ("snp_pcr11", ("tpm", "pcr11"))),
                    "hardware": (("tcb_bootloader", ("reported_tcb_bootloader",)),
                                 ("tcb_microcode", ("reported_tcb_microcode",)),
                                 ("tcb_snp", ("reported_tcb_snp",)),
                                 ("tcb_tee", ("reported_tcb_tee",)))},
    "az-tdx-vtpm": {"executables": (("tdx_pcr11", ("tpm", "pcr11")),),
                    "hardware": (("mr_td", ("quote", "body", "mr_td")),)},
}
UNMATCHED = {"executables": 33, "hardware": 97}
MATCHED = {"executables": 3, "hardware": 2}
CONFIGURATION = {"tpm": 0}
TIERS = ((96, "contraindicated"), (32, "warning"), (2, "affirming"))


def listed(claims, path, allowed):
    for name in path:
        claims = claims[name]
    return claims in (allowed if isinstance(allowed, list) else [allowed])


CLAIMS = ("instance-identity", "configuration", "executables", "file-system", "hardware",
          "runtime-opaque", "storage-opaque", "sourced-data")


def appraise(tee, evidence, references, rules=None):
    """The trustworthiness vector and the status of @evidence, by the attestation policy @rules;
    ValueError."""
    vector = dict.fromkeys(CLAIMS, 0)
    vector.update(ask(rules, evidence, references) if rules
                  else compare(tee, evidence[tee], references))
    worst = max(vector.values())
    status = next((name for tier, name in TIERS if worst >= tier), "none")
    return vector, status


def ask(rules, evidence, references):
    """What an attestation policy claims."""
    claims = rules.query("trust_claims", evidence, references=references)
    if not isinstance(claims, dict):
        raise ValueError("the attestation policy claims nothing")
    for name, value in claims.items():
        if name not in CLAIMS or type(value) is not int or not -128 <= value <= 127:
            raise ValueError(f"the attestation policy claims that {name} is {value!r}")
    return claims


def compare(tee, claims, references):
    """What the default policy would claim."""
    vector = {"configuration": CONFIGURATION.get(tee, 2)}
    for part, unmatched in UNMATCHED.items():
        wanted = REFERENCES.get(tee, {}).get(part)
        if tee == "tpm" and part == "hardware":
            wanted = ()
        good = wanted is not None and all(
            name in references and listed(claims, path, references[name]) for name, path in wanted)
        vector[part] = MATCHED[part] if good else unmatched
    return vector
