# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Rows 1, 2, 4: LUKS2 headers that the host has rewritten, every checksum made right."""

import base64
import hashlib
import os
import subprocess

import artefacts
import disk
import luks
from disk import MIB
from lab import converted, unit
from rows import attack, need

NULL_CIPHER = "cipher_null-ecb"
AREA_SIZE = 258048

# Loaded before cvmroot runs, so that no lack of a module is what makes an attack fail.
MODULES_UNIT = """[Unit]
DefaultDependencies=no
Before=cvmroot-boot.service
[Service]
Type=oneshot
RemainAfterExit=yes
"""
# AF_ALG is how libcryptsetup reads a keyslot without a cipher. That the unit's sandbox is in its
# way, too, is an accident: these attacks are about the header.
WITH_MODULES = (b"[Unit]\nWants=vmtest-null.service\nAfter=vmtest-null.service\n"
                b"[Service]\nRestrictAddressFamilies=AF_ALG\n")


def victim(name):
    """The machine of converted(), whose kernel can do without a cipher."""
    lab = converted(name)
    modules = artefacts.overlay(lab.suite.null_cipher)
    need(len(modules) == len(artefacts.NULL_CIPHER_MODULES), f"the modules are {list(modules)}")
    lines = "".join(f"ExecStart=/usr/sbin/insmod /{path}\n"
                    for name in artefacts.NULL_CIPHER_MODULES for path in modules
                    if f"/{name}." in path)
    initrd = lab.initrd
    lab.initrd = lambda extra: initrd({
        **modules, unit("vmtest-null.service"): (MODULES_UNIT + lines).encode(),
        unit("cvmroot-boot.service.d/70-vmtest-null.conf"): WITH_MODULES, **(extra or {})})
    return lab


def remove_cipher(path, filesystem):
    """
    The data segment has no cipher any more, the rest of the header is the victim's own, and what
    lies behind it is a root of the attacker's choice: any file system of the size.
    """
    luks.rewrite(path, lambda metadata: metadata["segments"]["0"].update(encryption=NULL_CIPHER))
    disk.write_at(path, disk.START + disk.SHIFT, filesystem.read_bytes())


@attack(1, "refused, nothing written", weaken="null-data", red="the root was booted")
def null_data(name):
    """
    The data segment has cipher_null-ecb (CVE-2025-59054, CVE-2025-58356). The MAC does not cover
    the header's word for the cipher, but the one word that is accepted: what refuses is the
    allow-list and, behind it, the live table. The weakened program has neither.
    """
    lab = victim(name)
    remove_cipher(lab.disk, lab.filesystem)
    lab.refuse(r"cvmroot.*segment 0 is not encrypted with aes-xts-plain64")
    return "refused by the allow-list; the disk unchanged"


@attack(1, "refused, nothing written", weaken="null-segment", full=True,
        red=r"(?s)no .* on the console.*kernel's mapping .* its cipher is not aes-xts-plain64")
def null_data_live_table(name):
    """
    The same on a program that lacks the allow-list alone, which is the way to see that the live
    table would still refuse: the console of a red run says so.
    """
    return null_data(name)


class Attacker:
    """A LUKS2 header of the attacker's own, whose volume key and passphrase are known."""

    def __init__(self, folder):
        self.passphrase = os.urandom(32)
        self.key = os.urandom(64)
        self.path = folder / "attacker.luks"
        key_file = folder / "attacker.key"
        key_file.write_bytes(self.key)
        with open(self.path, "wb") as file:
            file.truncate(disk.SHIFT + MIB)
        subprocess.run(
            ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2",
             "--pbkdf-force-iterations", "1000", "--key-size", "512", "--sector-size", "4096",
             "--volume-key-file", str(key_file), "--key-file", "-", str(self.path)],
            input=self.passphrase, check=True)
        self.metadata = luks.metadata(self.path, 0)

    @property
    def keyslot(self):
        return self.metadata["keyslots"]["0"]

    def area(self):
        """The keyslot's area as it lies on the disk."""
        with open(self.path, "rb") as file:
            file.seek(int(self.keyslot["area"]["offset"]))
            return file.read(AREA_SIZE)

    def split_key(self):
        """The volume key as the anti-forensic splitter left it: what a null cipher would store."""
        kdf = self.keyslot["kdf"]
        key = hashlib.pbkdf2_hmac(kdf["hash"], self.passphrase, base64.b64decode(kdf["salt"]),
                                  kdf["iterations"], 64)
        cipher, area = disk.Xts(key), self.area()
        return b"".join(cipher.crypt(area[offset:offset + 512], offset // 512)
                        for offset in range(0, AREA_SIZE, 512))

    def encrypt(self, filesystem, path):
        """A file system under this volume key, where the data of a disk begin."""
        cipher = disk.Xts(self.key, encrypt=True)
        with open(filesystem, "rb") as source, open(path, "r+b") as target:
            target.seek(disk.START + disk.SHIFT)
            offset = 0
            while data := source.read(4096):
                target.write(cipher.crypt(data, offset // 512))
                offset += len(data)


def forge_keyslot(lab, keep_kdf, encryption, area):
    """
    Keyslot 0 of the victim's header gives the attacker's volume key, and the digest fits that;
    token, UUID and all else stay the victim's.
    """
    attacker = Attacker(lab.folder)

    def change(metadata):
        slot = metadata["keyslots"]["0"]
        slot["af"] = attacker.keyslot["af"]
        slot["area"]["encryption"] = encryption
        if not keep_kdf:
            slot["kdf"] = attacker.keyslot["kdf"]
        metadata["digests"]["0"].update(
            {name: attacker.metadata["digests"]["0"][name]
             for name in ("hash", "iterations", "salt", "digest")})

    offset = int(luks.metadata(lab.disk)["keyslots"]["0"]["area"]["offset"])
    luks.rewrite(lab.disk, change)
    disk.write_at(lab.disk, disk.START + offset, area(attacker))
    attacker.encrypt(lab.filesystem, lab.disk)
    return attacker


def opens(path, passphrase):
    """Does stock cryptsetup open the header on a disk?"""
    header = path.with_suffix(".header")
    header.write_bytes(disk.read_at(path, disk.START, disk.SHIFT) + bytes(MIB))
    return subprocess.run(["cryptsetup", "open", "--test-passphrase", "--key-file", "-",
                           str(header)], input=passphrase, check=False).returncode == 0


def forge_null_keyslot(name):
    lab = victim(name)
    forge_keyslot(lab, True, NULL_CIPHER, Attacker.split_key)
    lab.refuse(r"cvmroot.*keyslot 0 is not encrypted with aes-xts-plain64")
    return "refused by the allow-list; the disk unchanged"


@attack(2, "refused, nothing written", weaken="null-keyslot", red="the root was booted")
def null_keyslot(name):
    """
    A keyslot without a cipher gives a volume key of the attacker's choice to whatever passphrase
    the vTPM unseals. Three defences are behind each other, and the weakened program has none:
    the allow-list, the MAC, the fingerprint that the vTPM remembers.
    """
    return forge_null_keyslot(name)


@attack(2, "refused, nothing written", weaken="null-area", full=True,
        red=r"(?s)no .* on the console.*the MAC of keyslot 0 does not hold")
def null_keyslot_mac(name):
    """The same on a program that lacks the allow-list alone: a red run shows the MAC's refusal."""
    return forge_null_keyslot(name)


@attack(2, "refused, nothing written", weaken="null-area-mac", full=True,
        red=r"(?s)no .* on the console.*the volume key is not the one that the TPM remembers")
def null_keyslot_fingerprint(name):
    """The same without allow-list and MAC: a red run shows the refusal by the fingerprint."""
    return forge_null_keyslot(name)


# No weakened program: that a key does not decrypt what another one encrypted is no code of ours.
@attack(2, "refused, nothing written", full=True)
def known_keyslot(name):
    """
    A keyslot in every way as ours, for a volume key that the attacker knows; it needs the
    attacker's passphrase, and the vTPM unseals the victim's.
    """
    lab = converted(name)
    attacker = forge_keyslot(lab, False, "aes-xts-plain64", Attacker.area)
    need(opens(lab.disk, attacker.passphrase), "stock cryptsetup refuses the forged keyslot")
    lab.refuse(r"cvmroot.*the passphrase does not open keyslot 0")
    return "refused: the vTPM's passphrase does not open it"


@attack(4, "refused, nothing written", weaken="requirements", red="the root was booted")
def requirements(name):
    """Forged "re-encryption in progress" metadata (CVE-2021-4122)."""
    lab = converted(name)
    luks.rewrite(lab.disk, lambda metadata: metadata["config"].update(
        requirements={"mandatory": ["online-reencrypt-v2"]}))
    lab.refuse(r"cvmroot.*has requirements")
    return "refused: it has requirements; the disk unchanged"
