# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Rows 7, 8, 11, 17: what the vTPM seals and remembers, against a host that makes a volume of its own
for the same vTPM, brings back an older state of the vTPM, or has its program run after cvmroot.
"""

import base64
import hashlib
import json
import pickle
import struct
import subprocess

import artefacts
import disk
import luks
from boots import LOG
from lab import PCRS, STUB, STUB_UNIT, Lab, blob_file, converted, released, stub_overlay, unit
from machine import require
from rows import attack
from signed import PUBLIC_KEY, make_key
from tpm2 import pcr_selection

POLICY_PCR = 0x17F  # TPM2_PolicyPCR


def forged():
    """
    A whole volume of an attacker's, in the form that cvmroot makes and for the vTPM of converted():
    own secret sealed to that vTPM under the same policy, own volume key and file system.
    """
    folder = artefacts.WORK / "forged"
    state = folder / "lab.pickle"
    with artefacts.locked("vm-forged"), released():
        if not state.exists():
            lab = converted("forged")
            lab.forget_record()
            lab.make_image().boot()
            lab.slot_secret, lab.volume_key = lab.recover_keys()
            state.write_bytes(pickle.dumps(lab))
    return pickle.loads(state.read_bytes())


def rewrite_facts(lab, change, identity=None):
    """
    The header that the owner of the slot's secret could make of it: changed by a function, perhaps
    with another UUID, and with the MAC that it then has.
    """
    passphrase = base64.b64encode(lab.slot_secret)
    identity = identity or luks.uuid(lab.disk)

    def set_mac(metadata):
        token = luks.token(metadata, "cvmroot")
        before = luks.facts(metadata, luks.uuid(lab.disk), lab.volume_key)
        require(token["macs"] == {"0": luks.mac(passphrase, before).hex()},
                "the MAC is not computed as cvmroot does")
        change(token)
        after = luks.facts(metadata, identity, lab.volume_key)
        token["macs"]["0"] = luks.mac(passphrase, after).hex()

    luks.rewrite(lab.disk, set_mac,
                 {luks.UUID_OFFSET: identity.encode().ljust(luks.UUID_SIZE, b"\0")})


def rename(lab, identity):
    """Give a volume another UUID."""
    rewrite_facts(lab, lambda token: None, identity)


@attack(7, "refused: not the volume key that the TPM remembers", weaken="record",
        red="the root was booted")
def forged_volume(name):
    """A secret sealed by the attacker, and his whole volume with the UUID that the record has."""
    lab = converted(name)
    identity = luks.uuid(lab.disk)
    forger = forged().fork(f"{name}/forger")
    rename(forger, identity)
    require(forger.recover_keys() == (forger.slot_secret, forger.volume_key), "it does not open")
    disk.copy(forger.disk, lab.disk)
    lab.refuse(r"cvmroot.*volume key is not the one that the TPM remembers")
    return "refused: the volume key is not the one that the TPM remembers"


@attack(8, "refused: the TPM has no record of it", weaken="no-record", red="the root was booted")
def older_vtpm(name):
    """
    The state that the vTPM had before the first boot, with the encrypted disk: it unseals the key,
    but remembers nothing.
    """
    lab = converted(name)
    lab.forget_record()
    require(lab.recover_keys() == (lab.slot_secret, lab.volume_key), "the vTPM is another one")
    lab.refuse(r"cvmroot.*already encrypted, but this machine's TPM has no record of it")
    return "refused: already encrypted, but the TPM has no record of it"


# Each first boot makes epoch 1, and nothing raises it: no host has a volume of an earlier one. What
# would refuse one is shown with a header that only who has the slot's secret can make.
@attack(8, "refused: not the epoch that the TPM remembers", weaken="epoch",
        red="the root was booted", full=True)
def old_epoch(name):
    """Our own volume, authentic in all, but of an epoch before the one that the record has."""
    lab = converted(name)
    rewrite_facts(lab, lambda token: token.update(epoch=str(int(token["epoch"]) - 1)))
    lab.refuse(r"cvmroot.*header's epoch is not the one that the TPM remembers")
    return "refused: an old state of the disk"


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


class SignedPolicyLab(Lab):
    """A small image whose secret opens for each value of PCR 11 that a key has signed."""

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
    lab = SignedPolicyLab(name).make_image().make_tpm()
    lab.boot()
    lab.kernel = "another kernel"
    results = lab.boot([f"file={LOG}"]).results()
    require(b"cvmroot:root:reopened" in results["file=" + LOG], "the root was not reopened")
    lab.signer = make_key(lab.folder / "other.key")
    lab.refuse(r"cvmroot.*no signature by the policy's public key")
    return "reopened with another PCR 11; refused with the signature of another key"
