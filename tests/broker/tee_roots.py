# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Manufacturers for simulated TEEs: what make-roots writes, and what a simulator signs with it.

SNP: snp-ark.pem, snp-ask.pem, snp-vcek.pem, snp-vcek.key (P-384). The VCEK has the extensions of
AMD: structVersion (1.3.6.1.4.1.3704.1.1, INTEGER 1), productName (.2, IA5String "Milan-B0"),
blSPL (.3.1), teeSPL (.3.2), snpSPL (.3.3) and ucodeSPL (.3.8), each an INTEGER: SNP_TCB; and hwID
(.4), 64 bare bytes, byte i being i: SNP_CHIP. So a report has reported_tcb 03 00 00 00 00 00 08 73,
that chip_id, a family below 0x1A (0x19) from version 3 on, and key_info 0. The VCEK may come in
cert_chain, or be taken from here by a chain of null. AMD signs authorities with RSA; here it is
ECDSA.

TDX: tdx-root.pem, tdx-intermediate.pem, tdx-pck.pem, tdx-pck.key (P-256), and tdx-chain.pem: PCK,
intermediate and root in that order, to be put into quotes as it is. The simulator makes an
attestation key of P-256 (x and y, 32 bytes each, big-endian); a report of a quoting enclave of 384
bytes, zero but for bytes 320 to 351, SHA-256(x || y || authentication data); signs that report with
tdx-pck.key; and the quote with the attestation key. Signatures are r and s, 32 bytes each,
big-endian.

CCA: cca-cpak.pem (public) and cca-cpak.key (P-384), which signs platform tokens; see verify_cca.py
for the claims. The realm key is the simulator's own.

Private keys are PKCS #8 PEM."""

import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import pki
from verify_snp import HWID_OID, TCB_OIDS

SNP_TCB = {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}
SNP_CHIP = bytes(range(64))
SNP_PRODUCT = b"Milan-B0"
# The platform and its TCB: a verifier wants it there, and ours read nothing in it.
PCK_EXTENSIONS = [("1.2.840.113741.1.13.1", b"\x30\x00")]


def subject(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated TEEs"),
                      x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Certified:
    """A key and its certificate, signed by @issuer, or by itself."""

    def __init__(self, text, curve, digest, issuer=None, authority=True, extensions=()):
        self.key, self.subject = ec.generate_private_key(curve), subject(text)
        above = issuer or self
        builder = (x509.CertificateBuilder().subject_name(self.subject).issuer_name(above.subject)
                   .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(pki.now() - pki.DAY).not_valid_after(pki.now() + pki.YEARS)
                   .add_extension(x509.BasicConstraints(authority, None), True))
        for oid, value in extensions:
            extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
            builder = builder.add_extension(extension, False)
        self.certificate = builder.sign(above.key, digest)

    def pem(self):
        return pki.certificate_pem(self.certificate)

    def key_pem(self):
        return pki.key_pem(self.key)


def small_integer(value):
    return b"\x02\x01" + bytes([value])


def vcek_extensions():
    base = HWID_OID.rpartition(".")[0]
    found = [(f"{base}.1", small_integer(1)),
             (f"{base}.2", b"\x16" + bytes([len(SNP_PRODUCT)]) + SNP_PRODUCT)]
    found += [(TCB_OIDS[part], small_integer(value)) for part, value in SNP_TCB.items()]
    return found + [(HWID_OID, SNP_CHIP)]


def make_snp(folder):
    make = (ec.SECP384R1(), hashes.SHA384())
    ark = Certified("Simulated ARK", *make)
    ask = Certified("Simulated ASK", *make, issuer=ark)
    vcek = Certified("Simulated VCEK", *make, ask, False, vcek_extensions())
    for name, certified in (("ark", ark), ("ask", ask), ("vcek", vcek)):
        pki.write(folder / f"snp-{name}.pem", certified.pem())
    pki.write(folder / "snp-vcek.key", vcek.key_pem(), secret=True)


def make_tdx(folder):
    make = (ec.SECP256R1(), hashes.SHA256())
    root = Certified("Simulated SGX Root CA", *make)
    intermediate = Certified("Simulated SGX PCK Platform CA", *make, issuer=root)
    pck = Certified("Simulated SGX PCK Certificate", *make, intermediate, False, PCK_EXTENSIONS)
    for name, certified in (("root", root), ("intermediate", intermediate), ("pck", pck)):
        pki.write(folder / f"tdx-{name}.pem", certified.pem())
    pki.write(folder / "tdx-chain.pem", pck.pem() + intermediate.pem() + root.pem())
    pki.write(folder / "tdx-pck.key", pck.key_pem(), secret=True)


def make_cca(folder):
    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM,
                                           serialization.PublicFormat.SubjectPublicKeyInfo)
    pki.write(folder / "cca-cpak.pem", public)
    pki.write(folder / "cca-cpak.key", pki.key_pem(key), secret=True)


def make(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    make_snp(folder)
    make_tdx(folder)
    make_cca(folder)
