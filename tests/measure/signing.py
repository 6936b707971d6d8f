# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Machines of the test's own: keys, certificates, TPM quotes, SNP reports and TDX quotes, written
by the vendors' specifications and signed with openssl(1)."""

import base64
import hashlib
import json
import subprocess

AMD = "1.3.6.1.4.1.3704.1"
SGX = "1.2.840.113741.1.13.1"
# The published identity of Intel's quoting enclave for TDX.
TD_QE_SIGNER = "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class Key:
    """A private key in a file of its own."""

    def __init__(self, folder, name, kind, *options):
        self.path = folder / f"{name}.key"
        openssl("genpkey", "-quiet", "-algorithm", kind, *options, "-out", self.path)

    def public(self):
        return openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")

    def sign(self, data, digest="sha256"):
        return openssl("dgst", f"-{digest}", "-sign", self.path, data=data)

    def sign_raw(self, data, size, digest="sha256"):
        """r and s, big-endian, from the DER of ECDSA."""
        der, at, numbers = self.sign(data, digest), 0, []
        at = 2 if der[1] < 0x80 else 3
        for _ in range(2):
            length = der[at + 1]
            numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
            at += 2 + length
        return b"".join(number.to_bytes(size, "big") for number in numbers)


def rsa(folder, name):
    return Key(folder, name, "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


def ec(folder, name, curve="P-256"):
    return Key(folder, name, "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}")


def certify(folder, name, key, issuer=None, extensions=(), authority=False):
    """A certificate in DER; @issuer is (name, key), None: itself. Extensions: (OID, hex)."""
    lines = ["[a]", f"basicConstraints=critical,CA:{'TRUE' if authority else 'FALSE'}",
             f"keyUsage=critical,{'keyCertSign' if authority else 'digitalSignature'}"]
    lines += [f"{oid}=DER:{value}" for oid, value in extensions]
    (folder / f"{name}.cnf").write_text("\n".join(lines) + "\n")
    request, certificate = folder / f"{name}.csr", folder / f"{name}.pem"
    openssl("req", "-new", "-key", key.path, "-subj", f"/CN={name}", "-out", request)
    by = ["-key", key.path] if issuer is None else [
        "-CA", folder / f"{issuer[0]}.pem", "-CAkey", issuer[1].path, "-CAcreateserial"]
    openssl("x509", "-req", "-in", request, "-days", "2", "-extfile", folder / f"{name}.cnf",
            "-extensions", "a", *by, "-out", certificate)
    return openssl("x509", "-in", certificate, "-outform", "DER")


def base64_text(data):
    return base64.b64encode(data).decode()


# ---- TPM 2.0 Library, part 2 ----

def attest(nonce, pcrs, mask=0xffffff, bank=0x000b, kind=0x8018, magic=0xff544347):
    """TPMS_ATTEST of a quote."""
    def sized(data):
        return len(data).to_bytes(2, "big") + data
    values = b"".join(pcrs[i] for i in range(24) if mask >> i & 1)
    return (magic.to_bytes(4, "big") + kind.to_bytes(2, "big") + sized(b"\x00\x0b" + bytes(32)) +
            sized(nonce) + bytes(8 + 4 + 4) + b"\x01" + bytes(8) + (1).to_bytes(4, "big") +
            bank.to_bytes(2, "big") + b"\x03" + mask.to_bytes(3, "little") +
            sized(hashlib.sha256(values).digest()))


def tpm_evidence(key, nonce, pcrs, **options):
    message = attest(nonce, pcrs, **options)
    signature = key.sign(message)
    head = b"\x00\x14\x00\x0b" + len(signature).to_bytes(2, "big")
    return {"tpm_quote": {"signature": base64_text(head + signature),
                          "message": base64_text(message),
                          "pcrs": [value.hex() for value in pcrs]},
            "ak_public": base64_text(key.public())}


def azure_evidence(key, report, nonce, pcrs, runtime, certificate, version=2):
    """Around an SNP report, for which runtime_data() gave the report data."""
    message = attest(nonce, pcrs)
    hcl = (b"HCLA".ljust(32, b"\0") + report + bytes(8) + (2).to_bytes(4, "little") +
           (1).to_bytes(4, "little") + len(runtime).to_bytes(4, "little") + runtime)
    return {"version": version,
            "tpm_quote": {"signature": key.sign(message).hex(), "message": message.hex(),
                          "pcrs": [value.hex() for value in pcrs]},
            "hcl_report": base64.urlsafe_b64encode(hcl).decode(),
            "vcek": base64.urlsafe_b64encode(certificate).decode()}


def runtime_data(key, user_data):
    """What Azure's paravisor says of the TPM's key, a JSON text."""
    modulus = openssl("rsa", "-in", key.path, "-noout", "-modulus").decode().strip().split("=")[1]
    number = base64.urlsafe_b64encode(bytes.fromhex(modulus)).decode().rstrip("=")
    return json.dumps({"keys": [{"kid": "HCLAkPub", "kty": "RSA", "e": "AQAB", "n": number}],
                       "user-data": user_data.hex()}).encode()


# ---- AMD SEV-SNP Firmware ABI, ATTESTATION_REPORT ----

class SnpMachine:
    LEVELS = (3, 0, 8, 115)  # bootloader, tee, snp, microcode
    CHIP = bytes(range(64))

    def __init__(self, folder):
        root, issuer = rsa(folder, "ark"), rsa(folder, "ask")
        self.key = ec(folder, "vcek", "P-384")
        certify(folder, "ark", root, authority=True)
        certify(folder, "ask", issuer, ("ark", root), authority=True)
        self.root, self.issuer = folder / "ark.pem", folder / "ask.pem"
        self.certificate = certify(folder, "vcek", self.key, ("ask", issuer),
                                   self.extensions(self.LEVELS))

    @classmethod
    def extensions(cls, levels):
        def small(value):
            return f"0201{value:02x}" if value < 0x80 else f"020200{value:02x}"
        return [*((f"{AMD}.3.{number}", small(level))
                  for number, level in zip((1, 2, 3, 8), levels)), (f"{AMD}.4", cls.CHIP.hex())]

    def report(self, report_data, measurement=bytes(48), policy=0x30000, key_info=0, vmpl=0,
               levels=LEVELS, chip=CHIP, version=3):
        report = bytearray(1184)
        tcb = bytes([levels[0], levels[1], 0, 0, 0, 0, levels[2], levels[3]])
        for offset, data in ((0, version.to_bytes(4, "little")), (8, policy.to_bytes(8, "little")),
                             (0x30, vmpl.to_bytes(4, "little")), (0x34, b"\x01"), (0x38, tcb),
                             (0x48, key_info.to_bytes(4, "little")),
                             (0x50, report_data.ljust(64, b"\0")), (0x90, measurement),
                             (0x180, tcb), (0x188, b"\x19\x01\x01"), (0x1a0, chip), (0x1e0, tcb),
                             (0x1f0, tcb)):
            report[offset:offset + len(data)] = data
        raw = self.key.sign_raw(bytes(report[:0x2a0]), 48, "sha384")
        report[0x2a0:0x2d0], report[0x2e8:0x318] = raw[:48][::-1], raw[48:][::-1]
        return bytes(report)

    def evidence(self, report):
        return snp_evidence(report, [("VCEK", self.certificate)])


SNP_BYTES = (("family_id", 0x10, 16), ("image_id", 0x20, 16), ("report_data", 0x50, 64),
             ("measurement", 0x90, 48), ("host_data", 0xc0, 32), ("id_key_digest", 0xe0, 48),
             ("author_key_digest", 0x110, 48), ("report_id", 0x140, 32),
             ("report_id_ma", 0x160, 32), ("chip_id", 0x1a0, 64))
SNP_NUMBERS = (("version", 0, 4), ("guest_svn", 4, 4), ("policy", 8, 8), ("vmpl", 0x30, 4),
               ("sig_algo", 0x34, 4), ("plat_info", 0x40, 8), ("key_info", 0x48, 4))
SNP_TCBS = (("current_tcb", 0x38), ("reported_tcb", 0x180), ("committed_tcb", 0x1e0),
            ("launch_tcb", 0x1f0))
SNP_CPUID = (("cpuid_fam_id", 0x188), ("cpuid_mod_id", 0x189), ("cpuid_step", 0x18a))
SNP_FIRMWARE = (("current", 0x1e8), ("committed", 0x1ec))


def snp_report_json(report):
    """As Trustee's agent writes a report."""
    members = {name: list(report[at:at + size]) for name, at, size in SNP_BYTES}
    for name, at, size in SNP_NUMBERS:
        members[name] = int.from_bytes(report[at:at + size], "little")
    for name, at in SNP_TCBS:
        members[name] = {"fmc": None, "bootloader": report[at], "tee": report[at + 1],
                      "snp": report[at + 6], "microcode": report[at + 7]}
    for name, at in SNP_CPUID:
        members[name] = report[at] if report[0] > 2 else None
    for name, at in SNP_FIRMWARE:
        members[name] = {"build": report[at], "minor": report[at + 1], "major": report[at + 2]}
    members["signature"] = {"r": list(report[0x2a0:0x2e8]), "s": list(report[0x2e8:0x330])}
    return members


def snp_evidence(report, certificates):
    chain = [{"cert_type": name, "data": list(data)} for name, data in certificates]
    return {"attestation_report": snp_report_json(report), "cert_chain": chain or None}


# ---- Intel TDX DCAP Quoting Library API, appendix A ----

class TdxMachine:
    def __init__(self, folder):
        root, issuer = ec(folder, "sgx-root"), ec(folder, "pck-ca")
        self.platform, self.key = ec(folder, "pck"), ec(folder, "attestation")
        certify(folder, "sgx-root", root, authority=True)
        certify(folder, "pck-ca", issuer, ("sgx-root", root), authority=True)
        certify(folder, "pck", self.platform, ("pck-ca", issuer), [(SGX, "3000")])
        # Signed by the same authority, and no platform's: Intel has such ones too.
        self.other = ec(folder, "other")
        certify(folder, "other", self.other, ("pck-ca", issuer))
        self.root, self.folder = folder / "sgx-root.pem", folder

    def quote(self, report_data, rtmrs, mrtd=bytes(48), attributes=0, signer=TD_QE_SIGNER,
              product=2, qe_attributes=0x15, leaf="pck", seam=bytes(56)):
        header = b"\x04\0\x02\0\x81\0\0\0".ljust(48, b"\0")
        body = (bytes(64) + seam + attributes.to_bytes(8, "little") + bytes(8) + mrtd +
                bytes(3 * 48) + b"".join(rtmrs) + report_data.ljust(64, b"\0"))
        point = self.key.public()[-64:]
        authentication = bytes(range(32))
        enclave = bytearray(384)
        enclave[48] = qe_attributes
        enclave[128:160] = bytes.fromhex(signer)
        enclave[256:258] = product.to_bytes(2, "little")
        enclave[320:352] = hashlib.sha256(point + authentication).digest()
        platform = self.platform if leaf == "pck" else self.other
        chain = b"".join((self.folder / f"{name}.pem").read_bytes()
                         for name in (leaf, "pck-ca", "sgx-root"))
        inner = (bytes(enclave) + platform.sign_raw(bytes(enclave), 32) +
                 len(authentication).to_bytes(2, "little") + authentication + b"\x05\0" +
                 len(chain).to_bytes(4, "little") + chain)
        outer = (self.key.sign_raw(header + body, 32) + point + b"\x06\0" +
                 len(inner).to_bytes(4, "little") + inner)
        return header + body + len(outer).to_bytes(4, "little") + outer

    @staticmethod
    def evidence(quote):
        return {"quote": base64_text(quote), "cc_eventlog": None}
