# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What a scenario works with: a small image, its disk, its vTPM, and boots of it."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pickle
import random
import re
import shutil
import struct
import uuid

import artefacts
import cpio
import disk
import luks
from disk import MIB
from machine import Drive, Machine, note, require
from tpm2 import unseal_blob
from vtpm import VirtualTpm

NV_INDEX = 0x01805652  # of the TPM's record, by default
PCRS = (11, 12)  # what the small images bind to; cvmroot adds 15
STUB = "what the EFI stub would measure"
FIRST_MARKER = "written_by_the_first_boot"
# Less work for an emulated processor.
QUIET = "panic=-1 no_timer_check mitigations=off cryptomgr.notests quiet loglevel=4 nokaslr audit=0"

# In a boot without firmware PCR 11 stays zero: extend it before cvmroot runs, as the EFI stub
# would have, so that binding to it means something.
STUB_UNIT = f"""[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/vmtest/guest wait=/dev/tpmrm0 "extend=11:{STUB}" @ORDERS@
"""
AFTER_STUB = """[Unit]
Wants=vmtest-stub.service
After=vmtest-stub.service
"""
# What systemd says of the units, kept for the root file system's program to send.
SHOW_UNIT = """[Unit]
DefaultDependencies=no
After=cvmroot-boot.service
Before=initrd-switch-root.target initrd-cleanup.service
[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl show cvmroot-boot.service
StandardOutput=truncate:/run/vmtest-show
"""


def unit(name):
    return f"etc/systemd/system/{name}"


def stub_overlay(orders=""):
    return {
        **artefacts.guest_overlay(),
        unit("vmtest-stub.service"): STUB_UNIT.replace("@ORDERS@", orders).encode(),
        unit("cvmroot-boot.service.d/50-vmtest.conf"): AFTER_STUB.encode(),
        unit("vmtest-show.service"): SHOW_UNIT.encode(),
        unit("initrd.target.wants/vmtest-show.service"): "-> ../vmtest-show.service",
    }


class Lab:
    """One image and one virtual machine. Everything lies in a folder of its own."""

    def __init__(self, name, suite="trixie"):
        self.folder = artefacts.WORK / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.suite = artefacts.kernel_and_initrd(suite)
        self.seed = int.from_bytes(os.urandom(4), "big")
        note(f"seed {self.seed}")
        self.random = random.Random(self.seed)
        self.filesystem = self.folder / "image.fs"
        self.disk = self.folder / "disk"
        self.manifest = self.folder / "root.manifest"
        self.config = "[tpm2]\npcrs = [11, 12]\n"
        self.config_in_effect = None  # where initdata brings another one
        self.tpm = None
        self.legacy = False
        self.network = False
        self.shell = False  # an initrd with dracut's usual modules
        self.machine_options = ()
        self.hashes = {}
        self.public_blocks = set()  # also outside the root partition: a kernel on the ESP
        self.slot_secret = None
        self.volume_key = None
        self.machine_count = 0

    # ---- The image ----

    def make_image(self, content=12 * MIB, size=40 * MIB, tail=disk.TAIL, behind=MIB,
                   block_size=4096):
        # Of a fork these are still the first lab's, which others read.
        self.filesystem = self.folder / "image.fs"
        self.manifest = self.folder / "root.manifest"
        tree = self.folder / "tree"
        disk.write_tree(tree, artefacts.GUEST, content, self.seed)
        self.hashes = disk.tree_hashes(tree)
        disk.make_filesystem(self.filesystem, tree, size, str(uuid.uuid4()), block_size)
        shutil.rmtree(tree)
        disk.make_disk(self.disk, self.filesystem, tail, behind)
        self.make_manifest(self.filesystem, self.manifest)
        return self

    @staticmethod
    def make_manifest(filesystem, manifest):
        disk.run(artefacts.CVMROOT, "manifest", "--output", manifest, filesystem)

    def make_tpm(self):
        self.tpm = VirtualTpm(self.folder / "tpm").create()
        return self

    def forget_record(self):
        """Remove the TPM's record, as whoever boots another system on the vTPM can."""
        with self.tpm.connect() as tpm:
            tpm.nv_undefine(NV_INDEX)
            tpm.shutdown()
        self.tpm.stop()

    def fork(self, name):
        """A copy of the image, the disk and the vTPM as they are now."""
        copy = object.__new__(Lab)
        copy.__dict__.update(self.__dict__)
        copy.folder = artefacts.WORK / name
        shutil.rmtree(copy.folder, ignore_errors=True)
        copy.folder.mkdir(parents=True)
        copy.disk = disk.copy(self.disk, copy.folder / "disk")
        copy.tpm = self.tpm.copy_to(copy.folder / "tpm") if self.tpm else None
        copy.machine_count = 0
        return copy

    # ---- Boots ----

    def initrd(self, extra=None):
        files = stub_overlay() if self.tpm else {}
        files["etc/cvmroot/cvmroot.toml"] = self.config.encode()
        files["etc/cvmroot/root.manifest"] = self.manifest.read_bytes()
        files.update(extra or {})
        files.update(artefacts.weakened_overlay())
        base = self.suite.network_initrd if self.network else self.suite.initrd
        if self.shell:
            base = artefacts.shell_initrd(self.suite.name)
        return cpio.append(base, self.folder / "initrd", files)

    def machine(self, orders=(), drives=None, extra=None, words="", memory=1024):
        """A machine whose root's program will obey the orders."""
        self.machine_count += 1
        line = " ".join([QUIET, "root=/dev/mapper/root", words, "vmtest=" + ",".join(orders)])
        return Machine(self.folder / f"vm{self.machine_count}", drives or [Drive(self.disk)],
                       self.tpm, self.suite.kernel, self.initrd(extra), line, memory=memory,
                       network=self.network, options=self.machine_options)

    def boot(self, orders=(), timeout=300, **options):
        """Boot to the end; the root's program must have run."""
        boot = self.machine(orders, **options).run(timeout)
        require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
        require("end" in boot.results(), f"the root's program did not run:\n{boot.tail()}")
        return boot

    def refuse(self, sentence, timeout=300, during=None, **options):
        """
        Boot and see it refused: the sentence (a regular expression) on the console, the power
        off, the root's program not run, and not one bit of the disk changed.
        """
        before = disk.digest(self.disk)
        boot = self.machine(**options).run(timeout, during)
        require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
        require("end" not in boot.results(), "the root was booted")
        self.require_sentence(boot, sentence)
        require(disk.digest(self.disk) == before, "the disk was written")
        return boot

    @staticmethod
    def require_sentence(boot, sentence):
        match = re.search(sentence, boot.text(), re.IGNORECASE)
        require(match, f"no {sentence!r} on the console:\n{boot.tail()}")
        note("said: " + match[0].strip())

    # ---- What the host can know by itself ----

    def blob(self):
        """The sealed blob in our LUKS2 token."""
        token = luks.token(luks.metadata(self.disk), "systemd-tpm2")
        require(sorted(token["tpm2-pcrs"]) == sorted((*PCRS, 15)), f"token {token}")
        return base64.b64decode(token["tpm2-blob"], validate=True)

    @staticmethod
    def measure(tpm):
        """Bring the PCRs to what they were in the initrd."""
        tpm.extend(11, STUB.encode())

    def unseal(self, tpm):
        return unseal_blob(tpm, self.blob(), (*PCRS, 15), self.legacy)

    def recover_sealed(self):
        """What the vTPM gives to this image, by a copy of it."""
        spare = self.tpm.copy_to(self.folder / "tpm-spare")
        with spare.connect() as tpm:
            self.measure(tpm)
            secret = self.unseal(tpm)
        spare.stop()
        return secret

    def recover_keys(self):
        """Slot secret and volume key, by a copy of the vTPM and cryptsetup on the host."""
        secret = self.recover_sealed()
        passphrase = base64.b64encode(secret)
        key = luks.volume_key(self.disk, passphrase, self.folder)
        require(len(key) == 64, f"a volume key of {len(key)} bytes")
        return secret, key

    def decrypted(self, key):
        """The plaintext of the whole root partition, decrypted here."""
        return luks.decrypt(self.disk, key, self.folder / "plain")

    def expected_pcr15(self, key, log):
        """
        Replay the records of PCR 15. Each digest is computed here, from the record's string; the
        volume key's is an HMAC by the key itself.
        """
        name = f"cryptsetup:root:{luks.uuid(self.disk)}"
        pcr = bytes(32)
        strings = []
        for record in parse_log(log):
            if record.get("pcr") != 15:
                continue
            string = record["content"]["string"]
            strings.append(string)
            # systemd's service writes none for what it is asked to measure.
            if record["content"].get("eventType") == "volume-key":
                require(string == name, f"the volume key's record says {string!r}")
                value = hmac.digest(key, name.encode(), "sha256")
            else:
                value = hashlib.sha256(string.encode()).digest()
            logged = [d["digest"] for d in record["digests"] if d["hashAlg"] == "sha256"]
            require(logged == [value.hex()], f"the record of {string!r} has digest {logged}")
            pcr = hashlib.sha256(pcr + value).digest()
        require(name in strings, f"no record of the volume key among {strings}")
        note(f"records of PCR 15: {strings}")
        return pcr

    def check_events(self, log, how, provider="tpm2"):
        """cvmroot's events in their order; all that they name is known here."""
        config = self.config_in_effect or self.config
        identity = luks.uuid(self.disk)
        expected = [f"cvmroot:config:{hashlib.sha256(config.encode()).hexdigest()}"]
        if how != "reopened":
            expected.append(f"cvmroot:manifest:{disk.digest(self.manifest)}")
        expected += [f"cvmroot:root:{how}:epoch=1:provider={provider}",
                     f"cvmroot:volume:{identity}", f"cryptsetup:root:{identity}", "cvmroot:leave"]
        strings = [record["content"]["string"] for record in parse_log(log)]
        seen = [string for string in strings if string.startswith(("cvmroot:", "cryptsetup:"))]
        require(seen == expected, f"the log has the events {seen}, not {expected}")

    # ---- Whole checks ----

    def check_encrypted(self, markers=()):
        """The raw disk holds none of the image's plaintext; the decrypted one all of it."""
        blocks = disk.plaintext_blocks(self.filesystem) - self.public_blocks
        needles = [disk.MARKER.encode(), *[marker.encode() for marker in markers]]
        found = disk.find_plaintext(self.disk, blocks, needles)
        require(not found, f"plaintext on the raw disk at {found[:10]}")
        secret, key = self.recover_keys()
        plain = self.decrypted(key)
        require((words := disk.check_filesystem(plain)) is None, f"e2fsck: {words}")
        for marker in markers:
            require(marker.encode() in plain.read_bytes(), f"{marker!r} is not in the plaintext")
        require(disk.file_hashes(plain, self.hashes) == self.hashes, "a file's content differs")
        plain.unlink()
        return secret, key

    def check_guest_hashes(self, results):
        lines = results["hash=/"].decode().splitlines()
        found = dict(line.split(" ", 1)[::-1] for line in lines)
        for name, value in self.hashes.items():
            require(found.get(name) == value, f"the guest read {name} as {found.get(name)}")

    def check_no_secret(self, secrets, texts):
        for name, text in texts.items():
            for secret in secrets:
                for form in disk.encodings(secret):
                    require(form not in text, f"a secret of the run is in {name}")


def parse_log(data):
    """The records of a JSON text sequence (RFC 7464)."""
    return [json.loads(part) for part in data.split(b"\x1e") if part.strip()]


def blob_file(blob, pcrs):
    """What the guest program's order "unseal" reads."""
    return struct.pack(">I", sum(1 << pcr for pcr in pcrs)) + blob


@contextlib.contextmanager
def released():
    """What is made in here is the release's work, whatever the attack's own boots lack."""
    weakened = artefacts.PROGRAM, artefacts.OVERLAY
    artefacts.PROGRAM, artefacts.OVERLAY = None, {}
    try:
        yield
    finally:
        artefacts.PROGRAM, artefacts.OVERLAY = weakened


def converted(name):
    """
    A fork of the lab of a finished first boot, which is made once for all the scenarios that
    begin where it ended.
    """
    base = artefacts.WORK / "converted"
    state = base / "lab.pickle"
    with artefacts.locked("vm-converted"), released():
        if not state.exists():
            lab = Lab("converted").make_image().make_tpm()
            lab.boot(["hash=/", f"write=/guest:{FIRST_MARKER}_"])
            lab.slot_secret, lab.volume_key = lab.recover_keys()
            state.write_bytes(pickle.dumps(lab))
    return pickle.loads(state.read_bytes()).fork(name)
