# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Row 18: the traffic between guest and vTPM, seen and changed by the host. A host that emulates the
vTPM itself needs none of this; that is documented.
"""

import uuid

import disk
import luks
from lab import converted
from machine import require
from rows import attack
from vtpm_state import forged
from wire import NV_READ, UNSEAL, Exchange, Wire, code

# In the record: behind magic, version, state and epoch.
RECORD_UUID, RECORD_FINGERPRINT = slice(24, 40), slice(40, 72)
RECORD_MAGIC = b"cvmroot\0"


@attack(18, "the secret is not in it", weaken="plain-sessions", red="the host knows the secret")
def seen_traffic(name):
    """Each byte of a boot is recorded, and read with what the host could know of the sessions."""
    lab = converted(name)
    lab.tpm = Wire(lab.tpm.folder)
    lab.boot()
    lab.check_no_secret([lab.slot_secret, lab.volume_key], {"the traffic": lab.tpm.traffic()})
    unsealed = [Exchange(command, 1, response) for command, response in lab.tpm.exchanges
                if code(command) == UNSEAL]
    require(len(unsealed) == 1, f"{len(unsealed)} secrets were unsealed")
    require(unsealed[0].secret() != lab.slot_secret, "the host knows the secret")
    return f"{len(lab.tpm.exchanges)} commands, no secret in them"


@attack(18, "refused: the TPM's answer is not authentic", weaken="plain-sessions",
        red="the root was booted")
def changed_record(name):
    """On its way the record of the TPM becomes that of a volume that the host made."""
    lab, forger = converted(name), forged()
    disk.copy(forger.disk, lab.disk)
    identity = luks.uuid(forger.disk)

    def change(command, response):
        if code(command) != NV_READ or response[6:10] != bytes(4):
            return response
        exchange = Exchange(command, 2, response)
        # Where that cannot be decrypted, the host still knows what it must be.
        record = bytearray(RECORD_MAGIC.ljust(len(exchange.secret()), b"\0"))
        if exchange.secret().startswith(RECORD_MAGIC):
            record[:] = exchange.secret()
        record[RECORD_UUID] = uuid.UUID(identity).bytes
        record[RECORD_FINGERPRINT] = luks.fingerprint(forger.volume_key, identity)
        return exchange.forge(bytes(record))

    lab.tpm = Wire(lab.tpm.folder, change)
    lab.refuse(r"cvmroot.*reading the TPM record.*")
    return "refused: the answer's HMAC is wrong"


# The TSS library compares the HMAC in any session; it is not ours to weaken.
@attack(18, "refused: the TPM's answer is not authentic", full=True)
def changed_secret(name):
    """One bit of what the TPM unseals."""
    lab = converted(name)

    def change(command, response):
        if code(command) != UNSEAL:
            return response
        return response[:20] + bytes([response[20] ^ 1]) + response[21:]

    lab.tpm = Wire(lab.tpm.folder, change)
    lab.refuse(r"cvmroot.*unsealing the disk's key.*")
    return "refused: the answer's HMAC is wrong"
