# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Rows 6, 8, 9, 23, 25: another disk, an older one, an older vTPM, a disk that knows better."""

import json
import pickle
import re
import shutil
import subprocess
import uuid

import artefacts
import disk
import luks
import rows
from disk import MIB
from lab import FIRST_MARKER, Lab, converted, released
from machine import Drive
from rows import attack, need

VERITY_TYPE = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"  # root verity of x86-64 (UAPI.2)


# ---- Row 6 ----

# No weakened program for these two: there is nothing by which cvmroot could open them. With a
# keyslot that any passphrase opens it is row 2, with a secret sealed by the attacker it is row 7.
@attack(6, "refused, nothing written")
def luks_instead_of_image(name):
    """A first boot that finds LUKS2 in place of the image."""
    lab = Lab(name).make_image().make_tpm()
    disk.format_foreign(lab.disk, str(uuid.uuid4()), "cvmroot")
    lab.refuse(r"cvmroot: .*already encrypted, but this machine's TPM has no record of it")
    return "refused: the TPM has no record of it"


@attack(6, "refused, nothing written")
def luks_of_same_name(name):
    """Another LUKS2 disk with the same UUID and label in place of ours."""
    lab = converted(name)
    disk.format_foreign(lab.disk, luks.uuid(lab.disk), luks.label(lab.disk))
    lab.refuse(r"cvmroot.*(LUKS|token|header)")
    return "refused: it is another tool's header"


@attack(6, "refused, never mounted", weaken="plain-root", red="the root was booted")
def plain_of_same_name(name):
    """A plain file system of the attacker's, with the UUID and label of the image's."""
    lab = converted(name)
    tree = lab.folder / "tree"
    disk.write_tree(tree, artefacts.GUEST, MIB, lab.seed + 1)
    identity = read_uuid(lab.filesystem)
    foreign = lab.folder / "foreign.fs"
    disk.make_filesystem(foreign, tree, lab.filesystem.stat().st_size, identity)
    shutil.rmtree(tree)
    need(read_uuid(foreign) == identity, "the attacker's file system has another UUID")
    disk.make_disk(lab.disk, foreign)
    lab.refuse(r"cvmroot.*holds a plain file system, but the TPM remembers")
    return "refused: the TPM remembers that the root was encrypted"


def read_uuid(filesystem):
    text = disk.run("dumpe2fs", "-h", filesystem, stderr=subprocess.DEVNULL).decode()
    return re.search(r"Filesystem UUID:\s+(\S+)", text)[1]


# ---- Rows 8, 9 ----

def provision(name):
    """The image once more on the machine of converted(), after its owner had it forgotten."""
    lab = converted(name)
    lab.forget_record()
    disk.make_disk(lab.disk, lab.filesystem)
    lab.boot([f"write=/guest:{FIRST_MARKER}_"])
    lab.slot_secret, lab.volume_key = lab.recover_keys()
    return lab


def provisioned_again(name):
    """A fork of provision(), which is made once for all that begin there."""
    state = artefacts.WORK / "provisioned" / "lab.pickle"
    with artefacts.locked("vm-provisioned"), released():
        if not state.exists():
            state.write_bytes(pickle.dumps(provision("provisioned")))
    return pickle.loads(state.read_bytes()).fork(name)


# Of one volume an older state of its blocks is not told from a newer one: cvmroot(7) says so. The
# epoch in MAC and record tells those apart that the owner has declared different.
@attack(8, "refused, nothing written", weaken="memory", red="the root was booted")
def old_disk(name):
    """The volume of an earlier provisioning of this very machine, whose secret its vTPM unseals."""
    lab = provisioned_again(name)
    disk.copy(converted(f"{name}/old").disk, lab.disk)
    lab.refuse(r"cvmroot.*the LUKS UUID is not the one that the TPM remembers")
    return "refused: the TPM remembers another volume"


@attack(8, "refused, nothing written", weaken="memory", red="the root was booted", full=True)
def old_tpm(name):
    """The state that the vTPM had under an earlier provisioning."""
    lab = provisioned_again(name)
    lab.tpm = converted(f"{name}/old").tpm.copy_to(lab.folder / "tpm-old")
    lab.refuse(r"cvmroot.*the LUKS UUID is not the one that the TPM remembers")
    return "refused: the TPM remembers another volume"


# No weakened program: the secret is sealed to the first vTPM's own key.
@attack(8, "refused, nothing written")
def cloned_disk(name):
    """Our disk in a second machine, with a vTPM of its own."""
    lab = converted(name)
    lab.tpm.create()
    lab.refuse(r"cvmroot.*already encrypted, but this machine's TPM has no record of it")
    return "refused: the TPM has no record of it"


@attack(9, "refused, nothing written", weaken="again", red="the root was booted")
def pristine_again(name):
    """The image once more, with the vTPM that remembers the first boot."""
    lab = converted(name)
    disk.make_disk(lab.disk, lab.filesystem)
    lab.refuse(r"cvmroot.*holds a plain file system, but the TPM remembers")
    return "refused: the TPM remembers that the root was encrypted"


# ---- Row 23 ----

# No weakened program: cvmroot has no dm-verity that could take its parameters from anywhere.
@attack(23, "not looked at; the root is ours")
def verity(name):
    """
    A second disk with a dm-verity superblock and tree over a file system of the attacker's, in a
    partition of the type and with the UUID that make it the companion of our root partition.
    """
    lab = converted(name)
    tree = lab.folder / "verity"
    text = disk.run("veritysetup", "format", lab.filesystem, tree).decode()
    root_hash = re.search(r"Root hash:\s+([0-9a-f]{64})", text)[1]
    halves = [str(uuid.UUID(root_hash[:32])), str(uuid.UUID(root_hash[32:]))]
    disk.run("sfdisk", "-q", "--part-uuid", lab.disk, 1, halves[0])
    other = lab.folder / "other"
    disk.make_disk(other, tree, tail=0, part_uuid=halves[1], part_type=VERITY_TYPE)
    boot = lab.boot(["hash=/", "file=/guest", "file=/sys/block/dm-0/dm/uuid", "open=/dev/dm-1"],
                    drives=[Drive(other, serial="other"), Drive(lab.disk)])
    results = boot.results()
    lab.check_guest_hashes(results)
    need(FIRST_MARKER.encode() in results["file=/guest"], "the attacker's root was booted")
    kind = results["file=/sys/block/dm-0/dm/uuid"]
    need(kind.startswith(b"CRYPT-LUKS2-"), f"the root lies on {kind}")
    need(results["open=/dev/dm-1"].startswith(b"error"), "there is a second mapping")
    return "our root by dm-crypt, and no other mapping"


# ---- Row 25 ----

@attack(25, "another volume key, UUID and slot secret each time", weaken="same-key",
        red="the same volume key")
def key_of_its_own(name):
    """Two first boots of one image."""
    weakened = rows.program() != rows.RELEASE
    second = (provision if weakened else provisioned_again)(name)
    first = (provision if weakened else converted)(f"{name}/first")
    need(first.seed == second.seed, "these are two images")
    need(first.volume_key != second.volume_key, "both disks have the same volume key")
    need(first.slot_secret != second.slot_secret, "both disks have the same slot secret")
    need(luks.uuid(first.disk) != luks.uuid(second.disk), "both have the same UUID")
    salts = [json.dumps(luks.metadata(lab.disk)["digests"]) for lab in (first, second)]
    need(salts[0] != salts[1], "both disks have the same digest")
    return "nothing secret and no identity is shared"
