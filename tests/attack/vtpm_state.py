# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Rows 7, 8, 11, 17: what the vTPM seals and remembers, against a host that makes a volume of its own
for the same vTPM, brings back an older state of the vTPM, or has its program run after cvmroot.
"""

import base64
import hashlib
import hmac
import json
import pickle
import shutil
import struct
import subprocess
import uuid

import artefacts
import disk
from headers import rewrite
from boots import LOG
from lab import PCRS, STUB, STUB_UNIT, Lab, blob_file, converted, stub_overlay, unit
from machine import require
from rows import attack, documented
from tpm2 import pcr_selection

NV_INDEX = 0x01805652  # the default of the configuration
UUID_OFFSET, UUID_SIZE = 168, 40  # in each copy of the LUKS2 header
MAC_LABEL = b"cvmroot header v1"
PUBLIC_KEY = "/etc/cvmroot/tpm2-pcr-public-key.pem"
POLICY_PCR = 0x17F  # TPM2_PolicyPCR


def forget(tpm):
    """Remove the record, as whoever boots another system on the vTPM can."""
    with tpm.connect() as connection:
        connection.nv_undefine(NV_INDEX)
        connection.shutdown()
    tpm.stop()


def forged():
    """
    A whole volume of an attacker's, in the form that cvmroot makes and for the vTPM of converted():
    own secret sealed to that vTPM under the same policy, own volume key and file system.
    """
    folder = artefacts.WORK / "forged"
    state = folder / "lab.pickle"
    with artefacts.locked("vm-forged"):
        if not state.exists():
            lab = converted("forged")
            forget(lab.tpm)
            program, artefacts.PROGRAM = artefacts.PROGRAM, None
            lab.make_image().boot()
            artefacts.PROGRAM = program
            lab.slot_secret, lab.volume_key = lab.recover_keys()
            state.write_bytes(pickle.dumps(lab))
    return pickle.loads(state.read_bytes())


def fingerprint(volume_key, identity):
    return hmac.digest(volume_key, f"cryptsetup:root:{identity}".encode(), "sha256")


def header_mac(passphrase, volume_key, identity):
    """What authenticates a header, made by whoever knows the secret of its keyslot."""
    facts = (b"cvmroot-facts-v1" + struct.pack("<IIQQII", 0, 4096, disk.SHIFT, 1, 64, 0)
             + uuid.UUID(identity).bytes + b"aes-xts-plain64".ljust(32, b"\0")
             + fingerprint(volume_key, identity))
    key = hmac.digest(hmac.digest(bytes(32), passphrase, "sha256"), MAC_LABEL + b"\1", "sha256")
    return hmac.digest(key, facts, "sha256").hex()


def rename(lab, identity):
    """Give a volume another UUID, and the MAC that its header then has."""
    passphrase = base64.b64encode(lab.slot_secret)

    def set_mac(metadata):
        token = disk.token(metadata, "cvmroot")
        before = header_mac(passphrase, lab.volume_key, disk.luks_uuid(lab.disk))
        require(token["macs"] == {"0": before}, "the MAC is not computed as cvmroot does")
        token["macs"]["0"] = header_mac(passphrase, lab.volume_key, identity)

    rewrite(lab.disk, set_mac, {UUID_OFFSET: identity.encode().ljust(UUID_SIZE, b"\0")})


@attack(7, "refused: not the volume key that the TPM remembers", weaken="record",
        red="the root was booted")
def forged_volume(name):
    """A secret sealed by the attacker, and his whole volume with the UUID that the record has."""
    lab = converted(name)
    identity = disk.luks_uuid(lab.disk)
    forger = forged().fork(name + "-forger")
    rename(forger, identity)
    require(forger.recover_keys() == (forger.slot_secret, forger.volume_key), "it does not open")
    disk.copy(forger.disk, lab.disk)
    shutil.rmtree(forger.folder)
    lab.refuse(r"cvmroot.*volume key is not the one that the TPM remembers")
    return "refused: the volume key is not the one that the TPM remembers"


@attack(8, "refused: the TPM has no record of it", weaken="no-record", red="the root was booted")
def older_vtpm(name):
    """
    The state that the vTPM had before the first boot, with the encrypted disk: it unseals the key,
    but remembers nothing.
    """
    lab = converted(name)
    forget(lab.tpm)
    require(lab.recover_keys() == (lab.slot_secret, lab.volume_key), "the vTPM is another one")
    lab.refuse(r"cvmroot.*already encrypted, but this machine's TPM has no record of it")
    return "refused: already encrypted, but the TPM has no record of it"


@attack(8, "refused: another disk", weaken="record", red="the root was booted", full=True)
def earlier_provisioning(name):
    """The state that the vTPM had in the life of an earlier volume, with a later one."""
    lab = converted(name)
    disk.copy(forged().disk, lab.disk)
    lab.refuse(r"cvmroot.*LUKS UUID is not the one that the TPM remembers")
    return "refused: the LUKS UUID is not the one that the TPM remembers"


# Both together brought back to one moment: nothing in the guest can tell.
documented(8, "rolled_back_vtpm", "THREAT MODEL", "or roll its memory back")


# A second fetch from a broker is in vm/policies and vm/tdx-measured.
@attack(11, "the TPM refuses", weaken="open-pcr15", red="gave the secret after cvmroot")
def second_unseal(name):
    """The TPM gives the secret before cvmroot runs, and refuses it afterwards."""
    lab = converted(name)
    extra = {**stub_overlay("unseal=/vmtest/blob copy=/vmtest/blob:/run/blob"),
             "vmtest/blob": blob_file(lab.blob(), (*PCRS, 15))}
    results = lab.boot(["unseal=/run/blob.0"], extra=extra).results()
    require(results["unseal=/vmtest/blob"] == b"0x0",
            f"before cvmroot: {results['unseal=/vmtest/blob']}")
    after = results["unseal=/run/blob.0"]
    require(after != b"0x0", "the TPM gave the secret after cvmroot")
    # TPM_RC_VALUE or TPM_RC_POLICY_FAIL of the first session, from PolicyPCR or Unseal.
    require(after == b"0x99d", f"after cvmroot: {after}")
    return "TPM_RC_POLICY_FAIL"


def make_key(path):
    disk.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
             "-out", path, stderr=subprocess.DEVNULL)
    return path


class SignedLab(Lab):
    """A small image whose secret is bound to what a key signs for PCR 11."""

    def __init__(self, name):
        super().__init__(name)
        self.config = f'[tpm2]\npcrs = [7, 12]\npublic-key = "{PUBLIC_KEY}"\n'
        self.key = make_key(self.folder / "pcr.key")
        self.public = disk.run("openssl", "pkey", "-in", self.key, "-pubout")
        self.kernel = STUB
        self.signer = self.key

    def signature(self):
        """As systemd-measure signs the one value that PCR 11 has with this kernel."""
        value = hashlib.sha256(bytes(32) + hashlib.sha256(self.kernel.encode()).digest()).digest()
        policy = hashlib.sha256(bytes(32) + struct.pack(">I", POLICY_PCR) + pcr_selection([11])
                                + hashlib.sha256(value).digest()).digest()
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.signer], input=policy,
                                check=True, stdout=subprocess.PIPE).stdout
        key = disk.run("openssl", "rsa", "-in", self.signer, "-RSAPublicKey_out", "-outform",
                       "DER", stderr=subprocess.DEVNULL)
        return json.dumps({"sha256": [{"pcrs": [11], "pkfp": hashlib.sha256(key).hexdigest(),
                                       "pol": policy.hex(),
                                       "sig": base64.b64encode(signed).decode()}]}).encode()

    def initrd(self, extra=None):
        stub = STUB_UNIT.replace(STUB, self.kernel).replace("@ORDERS@", "")
        return super().initrd({**(extra or {}), unit("vmtest-stub.service"): stub.encode(),
                               PUBLIC_KEY.strip("/"): self.public,
                               ".extra/tpm2-pcr-signature.json": self.signature()})


# What opens after an update is no attack; there is no defence to take out.
@attack(17, "an update that is signed opens, another does not")
def signed_update(name):
    """PCR 11 changes with an update. A baked image, updated twice, is vm/debian-13-signed."""
    lab = SignedLab(name).make_image().make_tpm()
    lab.boot()
    lab.kernel = "another kernel"
    results = lab.boot([f"file={LOG}"]).results()
    require(b"cvmroot:root:reopened" in results["file=" + LOG], "the root was not reopened")
    lab.signer = make_key(lab.folder / "other.key")
    lab.refuse(r"cvmroot.*no signature by the policy's public key")
    return "reopened with another PCR 11; refused with the signature of another key"
