# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""TPM 2.0 commands as bytes over a socket: what the tests do to a vTPM from the host."""

import hashlib
import struct

RS_PW = 0x40000009
RH_OWNER = 0x40000001
RH_LOCKOUT = 0x4000000A
RH_NULL = 0x40000007
SRK = 0x81000001
ALG_SHA256 = 0x000B
ALG_NULL = 0x0010
ALG_RSASSA = 0x0014
SESSION_POLICY = 1
RC_RETRY = 0x922


class TpmError(Exception):
    def __init__(self, code):
        super().__init__(f"TPM response code 0x{code:x}")
        self.code = code


def sized(data):
    return struct.pack(">H", len(data)) + data


def pcr_selection(pcrs):
    mask = sum(1 << pcr for pcr in pcrs)
    return struct.pack(">IHB", 1, ALG_SHA256, 3) + mask.to_bytes(3, "little")


def password(secret=b"", session=RS_PW):
    """The authorisation area of one session: a password, or a policy that needs none."""
    area = struct.pack(">IHB", session, 0, 1) + sized(secret)
    return struct.pack(">I", len(area)) + area


class Tpm:
    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.stream.recv(size - len(data))
            if not more:
                raise EOFError("the TPM closed the connection")
            data += more
        return data

    def command(self, code, handles=(), parameters=b"", authorisations=b""):
        """Send a command, return what follows the header. TpmError unless it succeeded."""
        tag = 0x8002 if authorisations else 0x8001
        body = b"".join(struct.pack(">I", handle) for handle in handles)
        body += authorisations + parameters
        response = RC_RETRY
        while response == RC_RETRY:
            self.stream.sendall(struct.pack(">HII", tag, 10 + len(body), code) + body)
            _, size, response = struct.unpack(">HII", self.receive(10))
            data = self.receive(size - 10)
        if response:
            raise TpmError(response)
        return data

    def extend(self, pcr, data):
        """Extend SHA-256 PCR by SHA-256(data)."""
        self.extend_digest(pcr, hashlib.sha256(data).digest())

    def extend_digest(self, pcr, digest):
        self.command(0x182, [pcr], struct.pack(">IH", 1, ALG_SHA256) + digest, password())

    def create_primary(self, public):
        data = self.command(0x131, [RH_OWNER],
                            sized(sized(b"") + sized(b"")) + sized(public) + sized(b"")
                            + struct.pack(">I", 0), password())
        return struct.unpack(">I", data[:4])[0]

    def load(self, parent, blob):
        """Load TPM2B_PRIVATE || TPM2B_PUBLIC under a parent with an empty authorisation."""
        return struct.unpack(">I", self.command(0x157, [parent], blob, password())[:4])[0]

    def policy_session(self):
        data = self.command(0x176, [RH_NULL, RH_NULL], sized(bytes(16)) + sized(b"")
                            + struct.pack(">BHH", SESSION_POLICY, ALG_NULL, ALG_SHA256))
        return struct.unpack(">I", data[:4])[0]

    def policy_pcr(self, session, pcrs):
        self.command(0x17F, [session], sized(b"") + pcr_selection(pcrs))

    def policy_digest(self, session):
        return self.command(0x189, [session])[2:]

    def policy_signed(self, session, pcrs, modulus, sign):
        """PolicyPCR, then PolicyAuthorize by an RSA key: sign(message) gives RSASSA, SHA-256."""
        self.policy_pcr(session, pcrs)
        policy = self.policy_digest(session)
        data = self.command(0x167, (), sized(b"") + sized(rsa_template(modulus))
                            + struct.pack(">I", RH_OWNER))
        key, size = struct.unpack(">IH", data[:6])
        name = data[6:6 + size]
        ticket = self.command(0x177, [key], sized(hashlib.sha256(policy).digest())
                              + struct.pack(">HH", ALG_RSASSA, ALG_SHA256) + sized(sign(policy)))
        self.command(0x16A, [session], sized(policy) + sized(b"") + sized(name) + ticket)

    def unseal(self, item, session):
        data = self.command(0x15E, [item], b"", password(session=session))
        parameters = data[4:]
        size = struct.unpack(">H", parameters[:2])[0]
        return parameters[2:2 + size]

    def nv_undefine(self, index):
        self.command(0x122, [RH_OWNER, index], b"", password())

    def lock_out(self):
        """Make every use of something that dictionary-attack protection covers fail."""
        self.command(0x13A, [RH_LOCKOUT], struct.pack(">III", 0, 1000, 1000), password())

    def set_owner_auth(self, secret):
        self.command(0x129, [RH_OWNER], sized(secret), password())

    def shutdown(self):
        self.command(0x145, (), struct.pack(">H", 0))


def srk_template(no_da=True):
    """TCG's ECC P-256 storage key; systemd before 254 made it without noDA."""
    attributes = 0x00030472 if no_da else 0x00030072
    return (struct.pack(">HHI", 0x0023, ALG_SHA256, attributes) + sized(b"")
            + struct.pack(">HHH", 0x0006, 128, 0x0043)   # AES-128-CFB
            + struct.pack(">HHH", ALG_NULL, 0x0003, ALG_NULL)  # no scheme, P-256, no KDF
            + sized(b"") + sized(b""))


def rsa_template(modulus):
    """A public key that checks signatures, as systemd loads it: its name is in the policy."""
    attributes = 0x00060040  # userWithAuth, decrypt, sign
    return (struct.pack(">HHI", 0x0001, ALG_SHA256, attributes) + sized(b"")
            + struct.pack(">HHHI", ALG_NULL, ALG_NULL, len(modulus) * 8, 65537) + sized(modulus))


def unseal_blob(tpm, blob, pcrs, legacy=False, approve=None):
    """
    The secret of a blob whose policy is PolicyPCR over the present values of @pcrs; approve(tpm,
    session) does what a policy has before that.
    """
    parent = tpm.create_primary(srk_template(no_da=False)) if legacy else SRK
    item = tpm.load(parent, blob)
    session = tpm.policy_session()
    if approve:
        approve(tpm, session)
    tpm.policy_pcr(session, pcrs)
    return tpm.unseal(item, session)
