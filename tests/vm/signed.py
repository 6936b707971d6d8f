# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The whole chain with a signed PCR 11 policy and Secure Boot, updates of the image included."""

import base64
import subprocess

import artefacts
import disk
import luks
from boots import LOG
from chain import MARKER, SECURE_BOOT, ChainLab, replay
from machine import (SNAKEOIL_CERTIFICATE, SNAKEOIL_KEY, SNAKEOIL_PASSPHRASE, Drive, Machine, note,
                     require)
from scenario import Skip, scenario
from tpm2 import unseal_blob

ESP_START = disk.MIB
CONFIG = "/etc/cvmroot/cvmroot.toml"
PUBLIC_KEY = "/etc/cvmroot/tpm2-pcr-public-key.pem"
LITERAL = [7, 12, 15]  # by default, beside the signed PCR 11


def make_key(path):
    disk.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
             "-out", path, stderr=subprocess.DEVNULL)
    return path


class SignedLab(ChainLab):
    """An image whose key is bound to what its maker signs; the root tree stays for updates."""

    def make_keys(self):
        self.pcr_key = make_key(self.folder / "pcr.key")
        self.other_key = make_key(self.folder / "other.key")
        boot_key = self.folder / "boot.key"
        disk.run("openssl", "pkey", "-in", SNAKEOIL_KEY, "-out", boot_key,
                 "-passin", f"pass:{SNAKEOIL_PASSPHRASE}")
        self.signing = ("--secureboot-key", boot_key,
                        "--secureboot-certificate", SNAKEOIL_CERTIFICATE)

    # ---- Updates ----

    def from_image(self, name):
        """A file of the baked root, beside the disk."""
        path = self.folder / name.rsplit("/", 1)[1]
        path.write_bytes(disk.read_file(self.filesystem, name))
        require(path.stat().st_size > 0, f"the image has no {name}")
        return path

    def make_update(self, name, pcr_key, *options):
        """A new boot program as an image's maker makes it: no manifest, the rest as it was."""
        initrd = self.folder / "update.initrd"
        artefacts.image_tool("append-initrd", self.suite.initrd, initrd, self.from_image(CONFIG),
                             self.from_image(PUBLIC_KEY))
        uki = self.folder / name
        artefacts.image_tool("uki", "--tree", self.tree, "--initrd", initrd, "--output", uki,
                             "--pcr-key", pcr_key, "--add-cmdline", f"vmtest.uki={name}", *options)
        return uki

    def install(self, uki):
        for path in "EFI/BOOT/BOOTX64.EFI", "EFI/Linux/cvmroot.efi":
            disk.run("mcopy", "-D", "o", "-o", "-i", f"{self.disk}@@{ESP_START}", uki,
                     f"::/{path}")

    # ---- What the host can know by itself ----

    def blob(self):
        token = luks.token(luks.metadata(self.disk), "systemd-tpm2")
        require(token["tpm2-pcrs"] == LITERAL and token["tpm2_pubkey_pcrs"] == [11],
                f"token {token}")
        return base64.b64decode(token["tpm2-blob"], validate=True)

    def sign(self, message):
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.pcr_key], input=message,
                              check=True, stdout=subprocess.PIPE).stdout

    def unseal(self, tpm):
        """With a signature of our own for whatever is in PCR 11."""
        text = disk.run("openssl", "rsa", "-in", self.pcr_key, "-noout", "-modulus").decode()
        modulus = bytes.fromhex(text.strip().removeprefix("Modulus="))
        return unseal_blob(tpm, self.blob(), LITERAL, approve=lambda tpm, session:
                           tpm.policy_signed(session, [11], modulus, self.sign))

    def measure(self, tpm):
        """PCR 7 by the firmware's log; the signature of unseal() takes any value of PCR 11."""
        digests = replay(self.event_log, 7)
        require(digests, "the firmware's log has nothing of PCR 7")
        for digest in digests:
            tpm.extend_digest(7, digest)


def check_secure_boot(results):
    require(results[f"file={SECURE_BOOT}"][-1:] == b"\x01", "Secure Boot is not enforced")


def refused_by_firmware(lab):
    """A boot program that nobody signed for Secure Boot is not started."""
    with lab.chain_machine.start() as boot:
        match = boot.wait_text("Access Denied|Security Violation", 120)
        note(f"the firmware said: {match[0].decode()}")


def refused_by_policy(lab, sentence):
    before = disk.digest(lab.disk)
    boot = lab.chain_machine.run(600)
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    require("pcr=15" not in boot.results(), "the root was booted")
    lab.require_sentence(boot, sentence)
    require(disk.digest(lab.disk) == before, "the disk was written")


def reopened(lab, key):
    results = lab.power_on().results()
    check_secure_boot(results)
    require(MARKER.encode() in results["file=/marker"], "what the first boot wrote is gone")
    require(results["pcr=15"] == lab.expected_pcr15(key, results["file=" + LOG]), "PCR 15")
    require(b"reopened" in results["file=" + LOG], "the boot is not called reopened")
    return results


@scenario(1800)
def debian_13_signed(name):
    """
    An image with --pcr-key and Secure Boot: converted, opened again, opened by an update, and not
    opened by a boot program that is signed with another key.
    """
    if not SNAKEOIL_KEY.exists():
        raise Skip("this release's ovmf has no key pair for trials of Secure Boot")
    lab = SignedLab(name)
    lab.make_keys()
    lab.make_tree("trixie")
    lab.bake("--initrd", lab.suite.initrd, "--pcr-key", lab.pcr_key, *lab.signing)
    lab.make_tpm()
    lab.chain_machine = Machine(lab.folder / "vm", [Drive(lab.disk)], lab.tpm, firmware=True,
                                secure_boot=True, processors=2)

    first = lab.power_on().results()
    check_secure_boot(first)
    require(first["file=/marker"].startswith(b"error"), "the first boot found a marker")
    lab.check_event_log(first)
    _, key = lab.check_encrypted([MARKER])
    require(first["pcr=15"] == lab.expected_pcr15(key, first["file=" + LOG]), "PCR 15")
    second = reopened(lab, key)
    require(second["pcr=11"] == first["pcr=11"], "PCR 11 is another one in the second boot")

    lab.install(lab.make_update("update.efi", lab.pcr_key, *lab.signing))
    third = reopened(lab, key)
    require(b"vmtest.uki=update.efi" in third["file=/proc/cmdline"], "that was not the update")
    require(third["pcr=11"] != first["pcr=11"], "PCR 11 is the same for another boot program")

    lab.install(lab.make_update("other.efi", lab.other_key, *lab.signing))
    refused_by_policy(lab, r"cvmroot: .*no signature by the policy's public key.*")
    lab.install(lab.make_update("unsigned.efi", lab.pcr_key))
    refused_by_firmware(lab)
