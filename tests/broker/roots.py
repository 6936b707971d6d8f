# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Which manufacturers' keys are trusted, and X.509 chains to them.

A folder of roots holds PEM files: those of make-roots, or AMD's and Intel's own. Self-signed
certificates become roots, other authorities intermediates, and the rest end certificates for
evidence that brings none. Files named snp-... and tdx-..., or the subject, tell whose they are.
Dates and revocation lists are not looked at."""

import pathlib
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from binary import Refused

RSASSA_PSS = "1.2.840.113549.1.1.10"
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
OWNERS = (("snp", "Advanced Micro Devices"), ("tdx", "Intel Corporation"))
LONGEST_CHAIN = 4
BAD_CERTIFICATE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension,
                   x509.UnsupportedGeneralNameType)


def signed_by(certificate, key):
    """Whether @key signed @certificate."""
    signature, text = certificate.signature, certificate.tbs_certificate_bytes
    try:
        if certificate.signature_algorithm_oid.dotted_string == RSASSA_PSS:
            # AMD's parameters: SHA-384 with a salt of its size.
            scheme = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
            key.verify(signature, text, scheme, hashes.SHA384())
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), certificate.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, text, ec.ECDSA(certificate.signature_hash_algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def read_der(data, what):
    try:
        return checked(x509.load_der_x509_certificate(data))
    except BAD_CERTIFICATE:
        raise Refused(f"{what}: it is no certificate") from None


def checked(certificate):
    """@certificate, once its parts that are read late turned out readable."""
    _ = certificate.public_key(), certificate.extensions, certificate.subject, certificate.issuer
    return certificate


def read_pem(data, what):
    """The certificates in PEM text."""
    try:
        return [checked(x509.load_pem_x509_certificate(text)) for text in PEM.findall(data)]
    except BAD_CERTIFICATE:
        raise Refused(f"{what}: it is no certificate") from None


def is_authority(certificate):
    try:
        extension = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return extension.value.ca


def public_bytes(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


class Pool:
    """The certificates of one manufacturer."""

    def __init__(self):
        self.roots, self.intermediates, self.leaves = [], [], []

    def add(self, certificate):
        if certificate.subject == certificate.issuer:
            self.roots.append(certificate)
        elif is_authority(certificate):
            self.intermediates.append(certificate)
        else:
            self.leaves.append(certificate)

    def check(self, leaf, others=()):
        """Refused unless @leaf chains to a root, by way of ours or of @others."""
        authorities = [c for c in others if is_authority(c)] + self.intermediates
        current = leaf
        for _ in range(LONGEST_CHAIN):
            if any(current.issuer == root.subject and signed_by(current, root.public_key())
                   for root in self.roots):
                return
            above = [c for c in authorities if c.subject == current.issuer
                     and public_bytes(c) != public_bytes(current)
                     and signed_by(current, c.public_key())]
            if not above:
                break
            current = above[0]
        raise Refused("certificate chain: it does not end at a trusted root")


class Roots:
    """All that --roots names. @cpaks are the attestation keys of CCA platforms."""

    def __init__(self, folders=()):
        self.snp, self.tdx, self.cpaks = Pool(), Pool(), []
        for folder in folders:
            files = sorted(pathlib.Path(folder).glob("*.pem"))
            if not files:
                raise ValueError(f"{folder}: there is no PEM file in it")
            for path in files:
                self._add(path)

    def _add(self, path):
        data = path.read_bytes()
        if path.name == "cca-cpak.pem":
            self.cpaks.append(serialization.load_pem_public_key(data))
            return
        for certificate in read_pem(data, path):
            for owner, organisation in OWNERS:
                subject = certificate.subject.rfc4514_string()
                if path.name.startswith(owner + "-") or organisation in subject:
                    getattr(self, owner).add(certificate)
                    break
