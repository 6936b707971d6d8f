# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence "snp": an attestation report of AMD SEV-SNP as JSON (SEV Secure Nested Paging Firmware
ABI Specification, AMD 56860, "ATTESTATION_REPORT"; VCEK: AMD 57230).

The JSON is written back into the 1184 bytes of the report, so every reserved byte of the signed
part must have been zero. What the report must be: version 3 to 5, signed with ECDSA P-384 and
SHA-384 over bytes 0 to 0x29F by the VCEK or VLEK that comes with it (without one: by an end
certificate among the roots), which chains to a trusted root, was issued for the TCB that is
reported, and, if a VCEK, for the chip; made at VMPL 0; with the report data padded to 64 bytes; and
with the digest of init-data, cut or padded to 32 bytes, as HOST_DATA where init-data is sent.
Extensions that the certificate must have: TCB_OIDS as INTEGER, HWID_OID as bare bytes (VCEK)."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import initdata
import roots
from binary import Refused, member, octets

REPORT_SIZE, SIGNED_SIZE, SIGNATURE_PART = 1184, 0x2A0, 72
ECDSA_P384_SHA384 = 1
# Where the parts of a TCB version are, before and from the processor family 0x1A on.
TCB_EARLY = {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7}
TCB_LATE = {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7}
LATE_FAMILY = 0x1A
AMD = "1.3.6.1.4.1.3704.1."
TCB_OIDS = {"bootloader": AMD + "3.1", "tee": AMD + "3.2", "snp": AMD + "3.3",
            "microcode": AMD + "3.8", "fmc": AMD + "3.9"}
HWID_OID = AMD + "4"

NUMBERS = (("version", 0x000, 4), ("guest_svn", 0x004, 4), ("policy", 0x008, 8),
           ("vmpl", 0x030, 4), ("sig_algo", 0x034, 4), ("plat_info", 0x040, 8),
           ("key_info", 0x048, 4))
# From this report version on; null before.
OPTIONAL_NUMBERS = (("cpuid_fam_id", 0x188, 1, 3), ("cpuid_mod_id", 0x189, 1, 3),
                    ("cpuid_step", 0x18A, 1, 3), ("launch_mit_vector", 0x1F8, 8, 5),
                    ("current_mit_vector", 0x200, 8, 5))
BYTES = (("family_id", 0x010, 16), ("image_id", 0x020, 16), ("report_data", 0x050, 64),
         ("measurement", 0x090, 48), ("host_data", 0x0C0, 32), ("id_key_digest", 0x0E0, 48),
         ("author_key_digest", 0x110, 48), ("report_id", 0x140, 32), ("report_id_ma", 0x160, 32),
         ("chip_id", 0x1A0, 64))
TCBS = (("current_tcb", 0x038), ("reported_tcb", 0x180), ("committed_tcb", 0x1E0),
        ("launch_tcb", 0x1F0))
FIRMWARES = (("current", 0x1E8), ("committed", 0x1EC))


def number(value, name, size):
    found = member(value, name, int)
    if not 0 <= found < 1 << 8 * size:
        raise Refused(f"evidence: member {name} does not fit")
    return found.to_bytes(size, "little")


def tcb_layout(family):
    return TCB_LATE if family is not None and family >= LATE_FAMILY else TCB_EARLY


def tcb_bytes(value, name, layout):
    tcb, data = member(value, name, dict), bytearray(8)
    for part, offset in layout.items():
        data[offset:offset + 1] = number(tcb, part, 1)
    if "fmc" not in layout and tcb.get("fmc") is not None:
        raise Refused("evidence: this processor has no fmc")
    return data


def encode(value):
    """The report that its JSON form stands for."""
    report = bytearray(REPORT_SIZE)

    def put(offset, data):
        report[offset:offset + len(data)] = data

    for name, offset, size in NUMBERS:
        put(offset, number(value, name, size))
    for name, offset, size, since in OPTIONAL_NUMBERS:
        if value.get(name) is not None:
            put(offset, number(value, name, size))
        elif value["version"] >= since:
            raise Refused(f"evidence: member {name} is missing")
    for name, offset, size in BYTES:
        put(offset, octets(value, name, size))
    for name, offset in TCBS:
        put(offset, tcb_bytes(value, name, tcb_layout(value.get("cpuid_fam_id"))))
    for name, offset in FIRMWARES:
        firmware = member(value, name, dict)
        put(offset, b"".join(number(firmware, part, 1) for part in ("build", "minor", "major")))
    signature = member(value, "signature", dict)
    put(SIGNED_SIZE, b"".join(octets(signature, part, SIGNATURE_PART) for part in "rs"))
    return bytes(report)


class Report:
    """What is looked at of the 1184 bytes."""

    def __init__(self, data):
        if len(data) != REPORT_SIZE:
            raise Refused(f"report: it has {len(data)} bytes, not {REPORT_SIZE}")
        self.data = data
        for name, offset, size in NUMBERS:
            setattr(self, name, int.from_bytes(data[offset:offset + size], "little"))
        for name, offset, size in BYTES:
            setattr(self, name, data[offset:offset + size])
        family = data[0x188] if self.version >= 3 else None
        self.reported = {part: data[0x180 + offset]
                         for part, offset in tcb_layout(family).items()}


def check_signature(report, leaf):
    parts = (report.data[SIGNED_SIZE + at:SIGNED_SIZE + at + SIGNATURE_PART]
             for at in (0, SIGNATURE_PART))
    signature = encode_dss_signature(*(int.from_bytes(part, "little") for part in parts))
    key = leaf.public_key()
    if report.sig_algo != ECDSA_P384_SHA384:
        raise Refused("report: its signature is not ECDSA P-384 with SHA-384")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
        raise Refused("report: the certificate's key is not on P-384")
    try:
        key.verify(signature, report.data[:SIGNED_SIZE], ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise Refused("report: the certificate's key did not sign it") from None


def extension(leaf, oid):
    """The bytes of an extension, or None."""
    try:
        found = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid))
    except x509.ExtensionNotFound:
        return None
    return found.value.value


def small_integer(data):
    """A DER INTEGER from 0 to 255."""
    if data is None or len(data) < 3 or data[0] != 2 or data[1] != len(data) - 2:
        raise Refused("certificate: a TCB extension is missing or no INTEGER")
    value = int.from_bytes(data[2:], "big", signed=True)
    if not 0 <= value <= 255:
        raise Refused("certificate: a TCB extension does not fit")
    return value


def check_issued_for(report, leaf):
    """The certificate belongs to the TCB, and a VCEK to the chip."""
    for part, value in report.reported.items():
        if small_integer(extension(leaf, TCB_OIDS[part])) != value:
            raise Refused(f"certificate: it is for another TCB: {part}")
    chip = extension(leaf, HWID_OID)
    signing_key = report.key_info >> 2 & 7
    if (chip is None) != (signing_key == 1) or signing_key > 1:
        raise Refused("certificate: it is a VCEK for a VLEK's report, or the reverse")
    if chip is not None:
        if chip[:2] == b"\x04\x40" and len(chip) == 66:
            chip = chip[2:]
        if len(chip) not in (8, 64) or chip != report.chip_id[:len(chip)]:
            raise Refused("certificate: it is for another chip")


def check_report(data, leaf, others, pool):
    """Every check that needs no nonce, of a binary report and its end certificate."""
    report = Report(data)
    pool.check(leaf, others)
    check_issued_for(report, leaf)
    check_signature(report, leaf)
    return report


def read_chain(evidence):
    """(end certificates, others) of "cert_chain"."""
    chain, leaves, others = evidence.get("cert_chain"), [], []
    if chain is None:
        return [], []
    for entry in member(evidence, "cert_chain", list):
        kind = entry.get("cert_type") if isinstance(entry, dict) else None
        if kind in ("VCEK", "VLEK"):
            leaves.append(roots.read_der(octets(entry, "data"), kind))
        elif kind in ("ARK", "ASK"):
            others.append(roots.read_der(octets(entry, "data"), kind))
        elif kind not in ("CRL", "Empty") and not (isinstance(kind, dict) and "OTHER" in kind):
            raise Refused(f"evidence: certificate of type {kind}")
    if not leaves:
        raise Refused("evidence: cert_chain holds neither VCEK nor VLEK")
    return leaves, others


def inspect(evidence, pool):
    """Every check that needs no nonce; the report."""
    data = encode(member(evidence, "attestation_report", dict))
    leaves, others = read_chain(evidence)
    reason = Refused("report: no certificate comes with it, and none is among the roots")
    for leaf in leaves or pool.leaves:
        try:
            return check_report(data, leaf, others, pool)
        except Refused as error:
            reason = error
    raise reason


def claims_of(report):
    policy, platform = report.policy, report.plat_info
    claims = {f"reported_tcb_{part}": value for part, value in report.reported.items()}
    claims.update({
        "policy_abi_major": policy >> 8 & 0xFF, "policy_abi_minor": policy & 0xFF,
        "policy_smt_allowed": bool(policy >> 16 & 1), "policy_migrate_ma": bool(policy >> 18 & 1),
        "policy_debug_allowed": bool(policy >> 19 & 1),
        "policy_single_socket": bool(policy >> 20 & 1),
        "platform_smt_enabled": bool(platform & 1),
        "platform_tsme_enabled": bool(platform >> 1 & 1),
        "measurement": report.measurement.hex(), "chip_id": report.chip_id.hex()})
    return claims


def verify(evidence, report_data, init_data, context):
    report = inspect(evidence, context.roots.snp)
    if not 3 <= report.version <= 5:
        raise Refused(f"report: version {report.version} is not taken")
    if report.vmpl != 0:
        raise Refused("report: it was not made at VMPL 0")
    if report.report_data != initdata.fit(report_data, 64):
        raise Refused("report: its report data is another")
    if init_data is not None and report.host_data != initdata.fit(init_data, 32):
        raise Refused("init-data: HOST_DATA does not bind it")
    return {"claims": claims_of(report), "report_data": report.report_data.hex(),
            "init_data": report.host_data.hex()}
