# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Rows 3, 5: a disk that answers differently the second time; an image that is edited."""

import disk
from disk import MIB
from headers import remove_cipher, victim
from lab import FIRST_MARKER, Lab
from machine import Drive
from nbd import NetworkDisk
from rows import attack, need

HEADER_SIZE = 8 * MIB
FRONT_SIZE = MIB  # with no more keyslots than the first, cvmroot reads no more of it
DATA = disk.START + disk.SHIFT
ATTACKER = b"content of attacker"  # as long as disk.MARKER
COPY_OFFSET = MIB  # of the header's copy, behind the first progress record
LITTLE_MEMORY, ENOUGH_MEMORY = 400, 1024  # MiB, for a first boot that keeps nothing, or the image
PROBE_SIZE = 4096  # udev and the like look at single pages, for a magic


class TwoFaces(NetworkDisk):
    """
    The header of one disk until its front was read, that of another one from then on. The data
    behind it are the other's, too, as soon as somebody reads it again to use it, if @data_follow.
    """

    def __init__(self, first, second, address, data_follow):
        super().__init__(first, address)
        self.second = open(second, "r+b")
        self.data_follow = data_follow
        self.first_reads = self.later_reads = 0

    def __exit__(self, *_):
        super().__exit__()
        self.second.close()

    def face(self, offset):
        if disk.START <= offset < DATA:
            return self.second if self.first_reads else self.file
        return self.second if self.data_follow and self.later_reads else self.file

    def read(self, offset, size):
        if disk.START <= offset < DATA and self.first_reads and size > PROBE_SIZE:
            self.later_reads += 1
        file = self.face(offset)
        file.seek(offset)
        data = file.read(size)
        if offset < disk.START + FRONT_SIZE <= offset + size:
            self.first_reads += 1
        return data

    def write(self, offset, data):
        file = self.face(offset)
        file.seek(offset)
        file.write(data)


@attack(3, "the header is read once; the root is the right one", weaken="second-read",
        red="the attacker's root was booted")
def good_header_first(name):
    """
    The good header, then one without a cipher before a root of the attacker's. The weakened program
    checks the first and makes the mapping of the second.
    """
    lab = victim(name)
    forged = disk.copy(lab.disk, lab.folder / "forged")
    remove_cipher(forged, lab.filesystem)
    address = lab.folder / "disk.sock"
    with TwoFaces(lab.disk, forged, address, data_follow=True) as faces:
        results = lab.boot(["file=/guest"], drives=[Drive(lab.disk, server=address)]).results()
    need(FIRST_MARKER.encode() in results["file=/guest"], "the attacker's root was booted")
    need(faces.first_reads == 1, f"the header was read {faces.first_reads} times")
    need(faces.later_reads == 0, f"parts of the header were read {faces.later_reads} times more")
    return "booted from the first and only read of the header"


@attack(3, "refused, nothing written", weaken="first-read", red="the root was booted", full=True)
def good_header_later(name):
    """The same the other way round; the weakened program checks the second, but uses the first."""
    lab = victim(name)
    forged = disk.copy(lab.disk, lab.folder / "forged")
    remove_cipher(forged, lab.filesystem)
    address = lab.folder / "disk.sock"
    with TwoFaces(forged, lab.disk, address, data_follow=False):
        lab.refuse(r"cvmroot.*segment 0 is not encrypted with aes-xts-plain64",
                   drives=[Drive(lab.disk, server=address)])
    return "refused by what was read first"


@attack(5, "refused, nothing written", weaken="manifest", red="the root was booted")
def image_edited(name):
    """One byte of a file's content, before the first boot."""
    lab = Lab(name).make_image().make_tpm()
    data = lab.disk.read_bytes()
    offset = data.index(disk.MARKER.encode()) + 3
    disk.write_at(lab.disk, offset, bytes([data[offset] ^ 1]))
    lab.refuse(r"cvmroot.*differs from the manifest")
    return "refused: it differs from the manifest; the disk unchanged"


class EditedBehind(NetworkDisk):
    """One block is the image's when it is read first, and the attacker's until it is written."""

    def __init__(self, path, address, offset, block):
        super().__init__(path, address)
        self.offset = offset
        self.block = block
        self.reads = 0
        self.written = False

    def covers(self, offset, size):
        return offset <= self.offset and self.offset + len(self.block) <= offset + size

    def read(self, offset, size):
        data = super().read(offset, size)
        if not self.covers(offset, size) or self.written:
            return data
        self.reads += 1
        start = self.offset - offset
        if self.reads > 1:
            data = data[:start] + self.block + data[start + len(self.block):]
        return data

    def write(self, offset, data):
        super().write(offset, data)
        self.written |= self.covers(offset, len(data))


def edited_behind(name, memory):
    """
    The first boot of an image whose block passes the check, and is another one whenever it is read
    again. Gives lab, boot and the disk's server.
    """
    lab = Lab(name).make_image().make_tpm()
    image = lab.filesystem.read_bytes()
    offset = image.index(disk.MARKER.encode(), 6 * MIB)
    block = ATTACKER + image[offset + len(ATTACKER):offset + 4096]
    address = lab.folder / "disk.sock"
    with EditedBehind(lab.disk, address, disk.START + offset, block) as edited:
        boot = lab.machine(drives=[Drive(lab.disk, server=address)], memory=memory).run(300)
    need(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    return lab, boot, edited


def encrypted_part(lab):
    plain = lab.decrypted(lab.recover_keys()[1]).read_bytes()
    need(ATTACKER not in plain, "the attacker's block is on the disk under our key")
    return plain


@attack(5, "fails closed: the edited block is never encrypted", weaken="verify-once",
        red="with the attacker's block was booted")
def image_edited_meanwhile(name):
    """
    A machine without the memory to keep what it checked, so that the block is read once more to be
    encrypted. The weakened program trusts the check.
    """
    lab, boot, edited = edited_behind(name, LITTLE_MEMORY)
    need("end" not in boot.results(), "the root with the attacker's block was booted")
    need(edited.reads == 2, f"the block was read {edited.reads} times:\n{boot.tail()}")
    lab.require_sentence(boot, r"cvmroot: .*differs from the manifest.*")
    # The header's copy to its place, so that all that was encrypted so far can be decrypted.
    copy = disk.START + lab.filesystem.stat().st_size + disk.SHIFT + COPY_OFFSET
    disk.write_at(lab.disk, disk.START, disk.read_at(lab.disk, copy, HEADER_SIZE))
    plain = encrypted_part(lab)
    need(disk.MARKER.encode() in plain or not edited.written, "what is encrypted is not the image")
    return "refused at the second read; the edited block is not on the disk"


@attack(5, "the block is read once; the image that was checked is encrypted", weaken="verify-again",
        red="the attacker's block is on the disk under our key")
def image_edited_meanwhile_kept(name):
    """
    A machine that keeps in memory what it checked. The weakened program reads the disk again in
    spite of that, and trusts the check.
    """
    lab, boot, edited = edited_behind(name, ENOUGH_MEMORY)
    need("end" in boot.results(), f"the root's program did not run:\n{boot.tail()}")
    plain = encrypted_part(lab)
    need(edited.reads == 1, f"the block was read {edited.reads} times:\n{boot.tail()}")
    need(disk.MARKER.encode() in plain, "what is encrypted is not the image")
    return "booted what was checked; the edited block is not on the disk"
