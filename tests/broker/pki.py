# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Certificates of a test broker and its clients, and what goes wrong with certificates."""

import base64
import datetime
import hashlib
import ipaddress
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
YEARS = 3650 * DAY
DEFAULT_NAMES = ("localhost",)
DEFAULT_ADDRESSES = ("127.0.0.1", "::1", "10.0.2.2")


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def public_der(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def write(path, data, secret=False):
    """Private keys are readable for their owner only."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644),
              "wb") as stream:
        stream.write(data)


def usage(**wanted):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{**dict.fromkeys(names, False), **wanted})


class Authority:
    """A self-signed certificate authority, P-256 unless given a key."""

    def __init__(self, common_name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(common_name)
        builder = (self._builder(self.name, self.key.public_key(), -DAY, YEARS)
                   .add_extension(x509.BasicConstraints(True, 0), True)
                   .add_extension(usage(key_cert_sign=True, crl_sign=True), True))
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def _builder(self, subject, public, start, end):
        identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                .public_key(public).serial_number(x509.random_serial_number())
                .not_valid_before(now() + start).not_valid_after(now() + end)
                .add_extension(identifier, False).add_extension(issuer, False))

    def issue(self, common_name, names=(), addresses=(), start=-DAY, end=YEARS,
              purpose=ExtendedKeyUsageOID.SERVER_AUTH):
        """(certificate, key) of a leaf."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (self._builder(name(common_name), key.public_key(), start, end)
                   .add_extension(x509.BasicConstraints(False, None), True)
                   .add_extension(usage(digital_signature=True), True)
                   .add_extension(x509.ExtendedKeyUsage([purpose]), False))
        others = [x509.DNSName(text) for text in names]
        others += [x509.IPAddress(ipaddress.ip_address(text)) for text in addresses]
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), False)
        return builder.sign(self.key, hashes.SHA256()), key


def make(folder, names=(), addresses=()):
    """Write ca.pem, server.pem, server.key, pin.txt, other-ca.pem, expired.*, wrong-name.*,
    client-ca.pem, client.pem and client.key."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = [*DEFAULT_NAMES, *names]
    addresses = [*DEFAULT_ADDRESSES, *addresses]
    authority, clients = Authority("broker test CA"), Authority("broker test client CA")
    write(folder / "ca.pem", certificate_pem(authority.certificate))
    write(folder / "other-ca.pem", certificate_pem(Authority("broker test CA").certificate))
    write(folder / "client-ca.pem", certificate_pem(clients.certificate))
    leaves = {
        "server": authority.issue("broker", names, addresses),
        "expired": authority.issue("broker", names, addresses, start=-3 * DAY, end=-2 * DAY),
        "wrong-name": authority.issue("broker", ["elsewhere.invalid"]),
        "client": clients.issue("client", purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
    }
    for leaf, (certificate, key) in leaves.items():
        write(folder / f"{leaf}.pem", certificate_pem(certificate))
        write(folder / f"{leaf}.key", key_pem(key), secret=True)
    digest = hashlib.sha256(public_der(leaves["server"][1])).digest()
    write(folder / "pin.txt", b"sha256//" + base64.b64encode(digest) + b"\n")
