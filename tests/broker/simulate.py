# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence of simulated TEEs for the self tests, signed with the keys of make-roots. Each function
takes the folder of these keys and what is to be wrong, and returns the evidence object."""

import base64
import functools
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import tee_roots
import verify_cca
import verify_snp
from jose import encode

ALL_PCRS = b"\xff\xff\xff"


def load(folder, name):
    data = (pathlib.Path(folder) / name).read_bytes()
    return serialization.load_pem_private_key(data, None)


def der(folder, name):
    data = (pathlib.Path(folder) / name).read_text(encoding="ascii")
    return base64.b64decode("".join(data.split("-----")[2].split()))


def raw_signature(key, digest, data, size, order="big"):
    """r and s of @size bytes each."""
    parts = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
    return b"".join(part.to_bytes(size, order) for part in parts)


def sized(data, size=2):
    return len(data).to_bytes(size, "big") + data


@functools.lru_cache(maxsize=None)
def rsa_key(bits, _number):
    """One key for each number: making them takes time."""
    return rsa.generate_private_key(65537, bits)


class Tpm:
    """A vTPM with an attestation key and PCRs that are all zero; another @number, another key."""

    def __init__(self, number=0, bits=2048):
        self.key = rsa_key(bits, number)
        self.pcrs = [bytes(32)] * 24

    def extend(self, index, digest):
        self.pcrs[index] = hashlib.sha256(self.pcrs[index] + digest).digest()

    def quote(self, nonce, selection=ALL_PCRS, magic=b"\xffTCG", bank=b"\0\x0b", kind=b"\x80\x18"):
        """(TPMS_ATTEST, RSASSA signature)."""
        chosen = [pcr for index, pcr in enumerate(self.pcrs)
                  if selection[index // 8] >> index % 8 & 1]
        message = (magic + kind + sized(b"\0\x0b" + bytes(32)) + sized(nonce) + bytes(25)
                   + b"\0\0\0\1" + bank + sized(selection, 1)
                   + sized(hashlib.sha256(b"".join(chosen)).digest()))
        return message, self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def spki(self):
        return self.key.public_key().public_bytes(serialization.Encoding.DER,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo)

    def evidence(self, report_data, **wrong):
        message, signature = self.quote(report_data[:32], **wrong)
        texts = {"signature": b"\0\x14\0\x0b" + sized(signature), "message": message}
        quote = {name: base64.b64encode(data).decode() for name, data in texts.items()}
        quote["pcrs"] = [pcr.hex() for pcr in self.pcrs]
        return {"tpm_quote": quote, "ak_public": base64.b64encode(self.spki()).decode()}


def snp_report(folder, report_data, version=3, vmpl=0, host_data=b"", chip=tee_roots.SNP_CHIP,
               tcb=None, key_info=0):
    """The binary report."""
    report = bytearray(verify_snp.REPORT_SIZE)

    def put(offset, data):
        report[offset:offset + len(data)] = data

    tcb = tcb or tee_roots.SNP_TCB
    for offset, value in ((0x000, version), (0x030, vmpl), (0x034, 1), (0x048, key_info)):
        put(offset, value.to_bytes(4, "little"))
    put(0x008, (0x30000).to_bytes(8, "little"))
    put(0x050, report_data)
    put(0x090, b"\x11" * 48)
    put(0x0C0, host_data)
    for offset in (0x038, 0x180, 0x1E0, 0x1F0):
        for part, at in verify_snp.TCB_EARLY.items():
            report[offset + at] = tcb[part]
    if version >= 3:
        put(0x188, bytes([0x19, 0x01, 0x01]))
    put(0x1A0, chip)
    key = load(folder, "snp-vcek.key")
    signed = bytes(report[:verify_snp.SIGNED_SIZE])
    put(verify_snp.SIGNED_SIZE, raw_signature(key, hashes.SHA384(), signed, 72, "little"))
    return bytes(report)


def snp_json(report):
    """The JSON form, made without the code that reads it."""
    def number(offset, size):
        return int.from_bytes(report[offset:offset + size], "little")

    def array(offset, size):
        return list(report[offset:offset + size])

    def tcb(offset):
        return {"fmc": None, "bootloader": report[offset], "tee": report[offset + 1],
                "snp": report[offset + 6], "microcode": report[offset + 7]}

    def firmware(offset):
        return {"build": report[offset], "minor": report[offset + 1], "major": report[offset + 2]}

    late = number(0, 4) >= 3
    return {
        "version": number(0, 4), "guest_svn": number(4, 4), "policy": number(8, 8),
        "family_id": array(16, 16), "image_id": array(32, 16), "vmpl": number(0x30, 4),
        "sig_algo": number(0x34, 4), "current_tcb": tcb(0x38), "plat_info": number(0x40, 8),
        "key_info": number(0x48, 4), "report_data": array(0x50, 64),
        "measurement": array(0x90, 48), "host_data": array(0xC0, 32),
        "id_key_digest": array(0xE0, 48), "author_key_digest": array(0x110, 48),
        "report_id": array(0x140, 32), "report_id_ma": array(0x160, 32),
        "reported_tcb": tcb(0x180), "cpuid_fam_id": report[0x188] if late else None,
        "cpuid_mod_id": report[0x189] if late else None,
        "cpuid_step": report[0x18A] if late else None, "chip_id": array(0x1A0, 64),
        "committed_tcb": tcb(0x1E0), "current": firmware(0x1E8), "committed": firmware(0x1EC),
        "launch_tcb": tcb(0x1F0), "launch_mit_vector": None, "current_mit_vector": None,
        "signature": {"r": array(0x2A0, 72), "s": array(0x2E8, 72)}}


def snp(folder, report_data, chain=True, **wrong):
    evidence = {"attestation_report": snp_json(snp_report(folder, report_data, **wrong)),
                "cert_chain": None}
    if chain:
        evidence["cert_chain"] = [{"cert_type": "VCEK", "data": list(der(folder, "snp-vcek.pem"))}]
    return evidence


def tdx_quote(folder, report_data, version=4, config_id=b"", rtmrs=(bytes(48),) * 4, chain=None,
              other_key=False, attributes=bytes(8)):
    """The binary quote."""
    body = (bytes(16 + 48 + 48 + 8) + attributes + bytes(8) + b"\x22" * 48
            + config_id.ljust(48, b"\0") + bytes(96) + b"".join(rtmrs)
            + report_data.ljust(64, b"\0"))
    header = (version.to_bytes(2, "little") + b"\2\0\x81\0\0\0" + bytes(4)
              + bytes.fromhex("939a7233f79c4ca9940a0db3957f0607") + bytes(20))
    if version == 5:
        header += b"\2\0" + len(body).to_bytes(4, "little")
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(serialization.Encoding.X962,
                                          serialization.PublicFormat.UncompressedPoint)[1:]
    about = hashlib.sha256((bytes(64) if other_key else point) + b"auth").digest()
    report = bytes(320) + about + bytes(32)
    text = chain or (pathlib.Path(folder) / "tdx-chain.pem").read_bytes()
    pck = load(folder, "tdx-pck.key")
    inner = (report + raw_signature(pck, hashes.SHA256(), report, 32) + b"\4\0auth"
             + b"\5\0" + len(text).to_bytes(4, "little") + text)
    outer = (raw_signature(key, hashes.SHA256(), header + body, 32) + point + b"\6\0"
             + len(inner).to_bytes(4, "little") + inner)
    return header + body + len(outer).to_bytes(4, "little") + outer


def tdx(folder, report_data, log=None, **wrong):
    quote = tdx_quote(folder, report_data, **wrong)
    return {"quote": base64.b64encode(quote).decode(),
            "cc_eventlog": None if log is None else base64.b64encode(log).decode()}


def event_log(texts, index=4):
    """A log with agent's events of these texts, and the four RTMRs after them."""
    log = bytes(4) + b"\3\0\0\0" + bytes(20) + (37).to_bytes(4, "little") + bytes(37)
    register = bytes(48)
    for text in texts:
        data = b"LEAA" + len(text).to_bytes(4, "little") + text
        digest = hashlib.sha384(data).digest()
        log += (index.to_bytes(4, "little") + b"\6\0\0\0" + b"\1\0\0\0" + b"\x0c\0" + digest
                + len(data).to_bytes(4, "little") + data)
        register = hashlib.sha384(register + digest).digest()
    rtmrs = [bytes(48)] * 4
    rtmrs[index - 1] = register
    return log + b"\xff" * 8, rtmrs


def hcl_report(tpm, hardware_of, kind, user_data):
    """An HCL report cut after its JSON; @hardware_of makes the hardware report about a digest."""
    numbers = tpm.key.public_key().public_numbers()
    key = {"kid": "HCLAkPub", "kty": "RSA", "e": encode(numbers.e.to_bytes(3, "big")),
           "n": encode(numbers.n.to_bytes(256, "big"))}
    text = json.dumps({"keys": [key], "user-data": user_data.ljust(64, b"\0").hex().upper()})
    runtime = text.encode()
    hardware = hardware_of(hashlib.sha256(runtime).digest())
    head = b"".join(value.to_bytes(4, "little")
                    for value in (20 + len(runtime), 1, kind, 1, len(runtime)))
    return b"HCLA" + bytes(28) + hardware[:1184].ljust(1184, b"\0") + head + runtime, hardware


def azure(folder, tee, report_data, version=2, tpm=None, user_data=None, **wrong):
    tpm, user_data = tpm or Tpm(), report_data if user_data is None else user_data
    if tee == "az-snp-vtpm":
        hcl, _ = hcl_report(tpm, lambda d: snp_report(folder, d, **wrong), 2, user_data)
        name, hardware = "vcek", der(folder, "snp-vcek.pem")
    else:
        hcl, hardware = hcl_report(tpm, lambda d: tdx_quote(folder, d, **wrong), 4, user_data)
        name = "td_quote"
    message, signature = tpm.quote(report_data)
    if version == 0:
        quote = {"signature": list(signature), "message": list(message),
                 "pcrs": [list(pcr) for pcr in tpm.pcrs]}
        return azure_earliest(folder, name, hardware, hcl, quote)
    return {"version": version, "hcl_report": base64.urlsafe_b64encode(hcl).decode(),
            name: base64.urlsafe_b64encode(hardware).decode(),
            "tpm_quote": {"signature": signature.hex(), "message": message.hex(),
                          "pcrs": [pcr.hex() for pcr in tpm.pcrs]}}


def azure_earliest(folder, name, hardware, hcl, quote):
    """The form without a version."""
    if name == "vcek":
        text = (pathlib.Path(folder) / "snp-vcek.pem").read_text(encoding="ascii")
        return {"quote": quote, "report": list(hcl), "vcek": text}
    return {"tpm_quote": quote, "hcl_report": list(hcl), "td_quote": list(hardware)}


def cbor(value):
    """Enough CBOR for tokens."""
    if isinstance(value, int):
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        return cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b"".join(map(cbor, value))
    return (cbor_head(5, len(value))
            + b"".join(cbor(key) + cbor(part) for key, part in value.items()))


def cbor_head(kind, value):
    if value < 24:
        return bytes([kind << 5 | value])
    for code, size in ((24, 1), (25, 2), (26, 4)):
        if value < 1 << 8 * size:
            return bytes([kind << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError("too large")


def sign1(key, claims):
    header, payload = cbor({1: -35}), cbor(claims)
    text = cbor(["Signature1", header, b"", payload])
    return b"\xd2" + cbor([header, {}, payload, raw_signature(key, hashes.SHA384(), text, 48)])


def cca_token(folder, report_data, personal=b"", profile=verify_cca.PROFILES[0], lifecycle=0x3003,
              as_cose_key=False, other_key=False):
    realm_key = ec.generate_private_key(ec.SECP384R1())
    point = realm_key.public_key().public_bytes(serialization.Encoding.X962,
                                                serialization.PublicFormat.UncompressedPoint)
    if as_cose_key:
        point = cbor({1: 2, -1: 2, -2: point[1:49], -3: point[49:]})
    realm = sign1(realm_key, {
        10: report_data.ljust(64, b"\0"), 44235: personal.ljust(64, b"\0"), 44236: "sha-256",
        44237: point, 44238: b"\x33" * 32, 44239: [bytes(32)] * 4, 44240: "sha-256"})
    about = hashlib.sha256(b"" if other_key else point).digest()
    platform = sign1(load(folder, "cca-cpak.key"), {
        10: about, 256: b"\1" + bytes(32), 265: profile, 2395: lifecycle, 2396: bytes(32),
        2399: [{1: "RMM", 2: bytes(32), 5: bytes(32)}], 2401: b"\xcf", 2402: "sha-256"})
    return b"\xd9\x01\x8f" + cbor({44234: platform, 44241: realm})


def cca(folder, report_data, **wrong):
    return {"token": list(cca_token(folder, report_data, **wrong))}
