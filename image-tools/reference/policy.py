# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Policies for Trustee from reference values, in Rego.

The attestation policy (rule trust_claims, Trustee 0.17 and later; AR4SI's eight claims) says which
evidence is of this image: it compares with the values that rvps.py's message registers, so a value
that nobody registered contraindicates. The resource policy says who gets a key: it holds the
values themselves, and only those of the moment at which cvmroot asks. What cvmroot measures right
after it has the key ends that moment, so nothing that runs later can ask again (PCR 15; the RTMRs,
with a kernel that lets them be extended; a launch measurement alone, on "snp", cannot tell).

Two members of the reference values are for policies alone, and not of their file: "rtmrs-stay",
true when the kernel cannot extend an RTMR; and "initdata", the digest (in hexadecimal) of the
document that the configuration comes from, when it is not the image's own. A TPM binds that one in
PCR 8, which is then among the PCRs.

Anybody can show a quote by a key that he made himself. On "tpm", therefore, the attestation policy
always wants the attestation key among the reference values "trusted_aks"; where the reference
values hold "attestation-keys", the resource policy names them too.
"""

import base64
import re

from .initdata import fit

# Where the PCRs are among the claims, and how their reference values begin: as in Trustee's own
# policies and those of its operator.
VTPM = {"tpm": ("claims", "tpm"), "az-snp-vtpm": ("claims.tpm", "snp"),
        "az-tdx-vtpm": ("claims.tpm", "tdx")}
TEES = (*VTPM, "tdx", "snp")
# Trustee quotes this bank alone.
BANK, BANK_SIZE = "sha256", 32
SHA384_SIZE = 48
HOST_DATA_SIZE = 32
INITDATA_PCR = "8"
# What is zero until cvmroot has the key, whatever else the reference values name.
CLOSING_PCR, CLOSING_RTMR = "15", "3"
INTEL_QE = "939a7233f79c4ca9940a0db3957f0607"
SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z")
RESOURCE = re.compile(r"(?:kbs(?:\+([a-z]+))?://[^/]*/)?([^/]+)/([^/]+)/([^/]+)\Z")


def hex_values(values, size, what):
    """@values in lower case and sorted; ValueError unless all are @size bytes as hexadecimal."""
    if not isinstance(values, list) or not values:
        raise ValueError(f"{what}: the reference values have no list of values")
    found = set()
    for value in values:
        if not isinstance(value, str) or not re.fullmatch(f"[0-9a-fA-F]{{{2 * size}}}", value):
            raise ValueError(f"{what}: {value!r} is not {size} bytes in hexadecimal")
        found.add(value.lower())
    return sorted(found)


def registers(reference, tee, state):
    """{number as text: values} of the PCRs or RTMRs in @state, "fetch" or "booted"."""
    if tee in VTPM:
        source, size, name = reference.get("pcrs", {}).get(BANK, {}), BANK_SIZE, "PCR"
        count, closing = 24, CLOSING_PCR
    elif tee == "tdx":
        source, size, name = reference.get("tdx", {}).get("rtmrs", {}), SHA384_SIZE, "RTMR"
        count, closing = 4, CLOSING_RTMR
    else:
        return {}
    found = {}
    for number in source:
        if not re.fullmatch("0|[1-9][0-9]*", number) or int(number) >= count:
            raise ValueError(f"there is no {name} {number}")
        if state in source[number]:
            found[number] = hex_values(source[number][state], size, f"{name} {number}, {state}")
    if state == "fetch":
        found.setdefault(closing, ["00" * size])
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def launch(reference, tee):
    """The values that measure the firmware, as the verifier writes them; None without."""
    name, member = ("tdx", "mrtd") if tee in ("tdx", "az-tdx-vtpm") else ("snp", "measurement")
    values = reference.get(name, {}).get(member)
    if tee == "tpm" or values is None:
        return None
    values = hex_values(values, SHA384_SIZE, f"{name} {member}")
    if tee == "az-snp-vtpm":
        values = sorted(base64.b64encode(bytes.fromhex(value)).decode() for value in values)
    return values


def initdata(reference, tee):
    """The values of what binds an initdata document besides PCRs; None without."""
    if tee in VTPM or not reference.get("initdata"):
        return None
    digest = bytes.fromhex(reference["initdata"])
    if tee == "tdx":
        return [fit(digest, SHA384_SIZE).hex()]
    # Trustee wrote base64 before version 0.18.
    bound = fit(digest, HOST_DATA_SIZE)
    return sorted([bound.hex(), base64.b64encode(bound).decode()])


def attestation_keys(reference):
    keys = reference.get("attestation-keys")
    if keys is None:
        return None
    if not isinstance(keys, list) or not keys:
        raise ValueError("attestation-keys: the reference values have no list of keys")
    for key in keys:
        try:
            base64.b64decode(key, validate=True)
        except (ValueError, TypeError):
            raise ValueError(f"attestation-keys: {key!r} is not base64") from None
    return sorted(set(keys))


def pcrs_bind(pcrs):
    """Do these PCRs bind all programs before the kernel, the command line and all of the initrd?

    PCR 2, or 7 with Secure Boot, has to be named because EDK II loads drivers that the host lists
    in its variables (from the disk, or from a device's ROM), measures them there and not into
    PCR 4, and they may change the kernel in memory.
    PCR 11 alone does not: another boot loader, which PCR 4 would show, can extend it like ours.
    PCR 12 has to be named because systemd-stub may prefer a command line that the loader hands
    over, and takes credentials and addons; PCR 13 or 9 because it adds system extensions."""
    return (("2" in pcrs or "7" in pcrs) and "12" in pcrs and ("9" in pcrs or "13" in pcrs)
            and ("4" in pcrs and ("9" in pcrs or "11" in pcrs) or "7" in pcrs and "11" in pcrs))


def check_bound(reference, tee):
    """ValueError, with the reason, where other drivers, another command line, initrd or initdata
    document would get the key, or where the reference values are not what they should be.

    For "snp" the member "kernel-hashes" of reference["snp"] has to be true: it says that the
    measurement is of kernel, initrd and command line too."""
    if not isinstance(reference, dict) or reference.get("cvmroot-reference") != 1:
        raise ValueError("these are not reference values of version 1")
    if tee not in TEES:
        raise ValueError(f"no policy is made for {tee}: only for {', '.join(TEES)}")
    found = registers(reference, tee, "fetch")
    if tee in VTPM and not pcrs_bind(found):
        raise ValueError(f"the {BANK} PCRs {', '.join(found)} leave drivers, command line or "
                         "initrd to the host: name PCR 2 (or 7, of Secure Boot), 12, 9 or 13, and "
                         "4 with 9 or 11 (or 7 with 11)")
    if tee in VTPM and reference.get("initdata") and INITDATA_PCR not in found:
        raise ValueError(f"without PCR {INITDATA_PCR} nothing binds the initdata document: name it;"
                         " a TPM binds one whose algorithm is sha256")
    if tee == "tdx" and not ("1" in found and "2" in found):
        raise ValueError("MRTD measures the firmware only: name RTMR 1 and 2, which measure kernel,"
                         " command line and initrd")
    if tee == "snp":
        check_snp(reference.get("snp", {}))
    registers(reference, tee, "booted")
    launch(reference, tee)
    attestation_keys(reference)


def check_snp(values):
    if not values.get("measurement"):
        raise ValueError("there is no launch measurement: give --firmware, --vcpus, --vcpu-type and"
                         " --kernel-hashes")
    if values.get("kernel-hashes") is not True:
        raise ValueError("a launch measurement without the hashes of kernel, initrd and command "
                         "line (kernel-hashes) binds the firmware only: boot with kernel-hashes=on"
                         " and give --kernel-hashes, or use a vTPM")


def missing(reference, tee):
    """A sentence for what the attestation policy asks for and the reference values lack, naming the
    option of image-tools/measure that adds it; None when there is all."""
    if tee == "tpm":
        return None if attestation_keys(reference) else (
            "there is no attestation key for trusted_aks: give --attestation-key")
    if launch(reference, tee):
        return None
    option = "--mrtd" if tee in ("tdx", "az-tdx-vtpm") else "--launch-measurement"
    if tee in ("tdx", "snp"):
        option = f"--firmware or {option}"
    return f"there is no value for {launch_claim(tee)[1]}: give {option}"


# -- Rego

def quoted(text):
    """A string of Rego; what we write has no character that needs more."""
    if not re.fullmatch(r"[\x20-\x7e]*", text) or '"' in text or "\\" in text:
        raise ValueError(f"{text!r} cannot be written into a policy")
    return f'"{text}"'


def listing(values):
    return "[\n" + "".join(f"\t\t{quoted(value)},\n" for value in values) + "\t]"


def rule(head, *conditions):
    return "\n".join((f"{head} if {{", *(f"\t{line}" for line in conditions), "}", ""))


def register_claim(tee, number):
    if tee == "tdx":
        return f"claims.quote.body.rtmr_{number}"
    return f"{VTPM[tee][0]}.pcr{int(number):02}"


def register_name(tee, number):
    """The name of a register's reference value."""
    return f"rtmr_{number}" if tee == "tdx" else f"{VTPM[tee][1]}_pcr{int(number):02}"


def launch_claim(tee):
    """(claim, name of its reference value)."""
    return {"snp": ("measurement", "snp_launch_measurement"),
            "az-snp-vtpm": ("claims.measurement", "measurement"),
            "az-tdx-vtpm": ("claims.quote.body.mr_td", "mr_td"),
            "tdx": ("claims.quote.body.mr_td", "mr_td")}[tee]


def initdata_claim(tee):
    """(claim, name of its reference value)."""
    return ("claims.quote.body.mr_config_id", "mr_config_id") if tee == "tdx" \
        else ("host_data", "snp_host_data")


def registered(claim, name):
    return f"{claim} in query_reference_value({quoted(name)})"


def claims_rules(reference, tee, claims):
    """Names for the claims of @tee, and for those that servers write in two ways or places."""
    text = f"claims := {claims}[{quoted(tee)}]\n"
    if tee == "snp":
        # Some of Trustee's versions write the report's fields side by side, some as a report.
        text += "\nmeasurement := claims.measurement\n"
        text += "\nmeasurement := claims.evidence.measurement\n"
    if tee == "snp" and initdata(reference, tee):
        text += f"\nhost_data := {claims}.init_data\n"
    return text


def configuration_rules(tee):
    """No debugger, no migration agent; of a TPM nothing more is known than its PCRs."""
    head = "configuration := 2"
    if tee == "tpm":
        return rule(head, "executables == 3")
    if tee in ("tdx", "az-tdx-vtpm"):
        return rule(head, "claims.td_attributes.debug == false")
    no = "false" if tee == "snp" else '"false"'
    text = rule(head, f"claims.policy_debug_allowed == {no}", f"claims.policy_migrate_ma == {no}")
    if tee == "snp":
        text += "\n" + rule(head, "claims.evidence.policy.debug_allowed == false",
                            "claims.evidence.policy.migrate_ma_allowed == false")
    return text


def hardware_rule(tee):
    head = "hardware := 2"
    if tee == "tpm":
        return rule(head, registered("claims.ak_public", "trusted_aks"))
    conditions = [registered(*launch_claim(tee))]
    if tee in ("tdx", "az-tdx-vtpm"):
        conditions = ['claims.quote.header.tee_type == "81000000"',
                      f"claims.quote.header.vendor_id == {quoted(INTEL_QE)}",
                      *conditions, 'claims.tcb_status == "UpToDate"']
    if tee == "tdx":
        conditions.append('claims.collateral_expiration_status == "0"')
    return rule(head, *conditions)


def executables_rule(reference, tee):
    """The state in which a key is asked for, and no later one: another resource policy may give a
    key to all that is affirmed."""
    conditions = [registered(register_claim(tee, number), register_name(tee, number))
                  for number in registers(reference, tee, "fetch")]
    if tee == "snp":
        conditions.append(registered(*launch_claim(tee)))
    if initdata(reference, tee):
        conditions.append(registered(*initdata_claim(tee)))
    return rule("executables := 3", *conditions)


TRUST_CLAIMS = """\
# Values of AR4SI. What is not recognised below is contraindicated.
default executables := 96

default hardware := 97

default configuration := 96

trust_claims := {
	"executables": executables,
	"hardware": hardware,
	"configuration": configuration,
	"file-system": 0,
	"instance-identity": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}
"""
NOTES = {
    "tpm": "# Anybody can show a quote by a key of his own: without the reference value "
           "trusted_aks nothing\n# is affirmed.\n",
    "snp": "# Any TCB for which AMD signs is taken.\n",
    "az-snp-vtpm": "# The launch measurement is of the platform's paravisor, which makes the vTPM. "
                   "Any TCB for which\n# AMD signs is taken.\n",
    "az-tdx-vtpm": "# MRTD is of the platform's paravisor, which makes the vTPM.\n",
    "tdx": "",
}
# By whether no register changes once cvmroot has the key.
RESOURCE_NOTES = (
    "# A key only in the initramfs of this image, before cvmroot has measured that it has one.\n",
    "# Nothing here tells the initramfs from what runs later: a key to every program of this image."
    "\n",
)


def attestation_policy(reference, tee):
    """The text of an attestation policy for @tee; ValueError, see check_bound."""
    check_bound(reference, tee)
    return "\n".join((
        f"# Attestation policy for evidence of the kind {tee}.\n{NOTES[tee]}package policy\n",
        "import rego.v1\n", TRUST_CLAIMS, claims_rules(reference, tee, "input"),
        executables_rule(reference, tee), hardware_rule(tee), configuration_rules(tee)))


def stays_open(reference, tee):
    """Does what is bound stay the same for the whole boot?"""
    return tee == "snp" or tee == "tdx" and bool(reference.get("rtmrs-stay"))


def resource_conditions(resource):
    if resource is None:
        return ['data.plugin == "resource"']
    found = RESOURCE.match(resource)
    if not found or not all(SEGMENT.match(part) for part in found.groups()[1:]):
        raise ValueError(f"{resource} names no resource: REPOSITORY/TYPE/TAG, without patterns")
    path = ", ".join(quoted(part) for part in found.groups()[1:])
    return [f"data.plugin == {quoted(found.group(1) or 'resource')}",
            f'data["resource-path"] == [{path}]']


def resource_policy(reference, tee, resource=None):
    """The text of a resource policy for @tee and for one resource, as path or as URI, or for all
    of them; ValueError, see check_bound."""
    check_bound(reference, tee)
    pinned = [(register_claim(tee, number), values)
              for number, values in registers(reference, tee, "fetch").items()]
    if launch(reference, tee):
        pinned.append((launch_claim(tee)[0], launch(reference, tee)))
    if initdata(reference, tee):
        pinned.append((initdata_claim(tee)[0], initdata(reference, tee)))
    if tee == "tpm" and attestation_keys(reference):
        pinned.append(("claims.ak_public", attestation_keys(reference)))
    conditions = [*resource_conditions(resource),
                  'every submod in input.submods {', '\tsubmod["ear.status"] == "affirming"', '}',
                  *(f"{claim} in {listing(values)}" for claim, values in pinned)]
    return "\n".join((
        f"# Resource policy for evidence of the kind {tee}.\n"
        f"{RESOURCE_NOTES[stays_open(reference, tee)]}"
        "# It counts on the attestation policy: only what that affirms gets a key.\n"
        "package policy\n",
        "import rego.v1\n", "default allow := false\n",
        claims_rules(reference, tee, 'input.submods.cpu0["ear.veraison.annotated-evidence"]'),
        rule("allow", *conditions)))
