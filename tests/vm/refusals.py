# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Boots that must be refused: one sentence, nothing written, the power off."""

import subprocess

import disk
import luks
from disk import MIB
from lab import Lab, converted, parse_log
from machine import Drive, note, require
from scenario import scenario


def pristine(name):
    return Lab(name).make_image().make_tpm()


@scenario()
def changed_superblock(name):
    """The file system was mounted and written since the image was baked."""
    lab = pristine(name)
    changed = disk.copy(lab.filesystem, lab.folder / "changed")
    subprocess.run(["debugfs", "-w", "-R", "set_super_value mtime now", str(changed)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    disk.write_partition(lab.disk, changed)
    lab.refuse(r"cvmroot.*(differ|manifest|changed)")


@scenario()
def manifest_truncated(name):
    lab = pristine(name)
    data = lab.manifest.read_bytes()
    lab.manifest.write_bytes(data[:len(data) * 2 // 3])
    lab.refuse(r"cvmroot.*manifest")


@scenario()
def manifest_corrupt(name):
    lab = pristine(name)
    data = bytearray(lab.manifest.read_bytes())
    data[len(data) // 2] ^= 0x10
    lab.manifest.write_bytes(data)
    lab.refuse(r"cvmroot.*manifest")


@scenario()
def manifest_foreign(name):
    """The manifest of another image."""
    lab = pristine(name)
    other = Lab(f"{name}/other").make_image()
    lab.manifest.write_bytes(other.manifest.read_bytes())
    lab.refuse(r"cvmroot.*(manifest|another image|file system)")


@scenario()
def manifest_missing(name):
    lab = pristine(name)
    machine = lab.initrd
    lab.initrd = lambda extra: machine({**(extra or {}), "etc/cvmroot/root.manifest": "-> none"})
    lab.refuse(r"cvmroot.*manifest")


@scenario()
def partition_too_small(name):
    """Baked without the room behind the file system."""
    lab = Lab(name).make_image(tail=8 * MIB).make_tpm()
    lab.refuse(r"cvmroot.*(too small|room|MiB)")


@scenario()
def no_tpm(name):
    lab = Lab(name).make_image()
    lab.refuse(r"cvmroot.*TPM")


@scenario()
def tpm_lockout(name):
    """The legacy primary is under dictionary-attack protection (the persistent SRK is not)."""
    lab = pristine(name)
    lab.config += 'profile = "legacy"\n'
    with lab.tpm.connect() as tpm:
        tpm.lock_out()
        tpm.shutdown()
    lab.tpm.stop()
    lab.refuse(r"cvmroot.*lockout")


@scenario()
def tpm_owner_password(name):
    """Somebody has set an owner authorisation, so nothing can be made in the TPM."""
    lab = pristine(name)
    with lab.tpm.connect() as tpm:
        tpm.set_owner_auth(b"somebody's")
        tpm.shutdown()
    lab.tpm.stop()
    lab.refuse(r"cvmroot.*(owner|authori[sz]ation)")


@scenario()
def disk_read_only(name):
    lab = pristine(name)
    lab.refuse(r"cvmroot.*read-only", drives=[Drive(lab.disk, read_only=True)])


@scenario()
def two_roots(name):
    """Two partitions of the root type: which is meant cannot be known."""
    lab = pristine(name)
    other = disk.copy(lab.disk, lab.folder / "other")
    before = disk.digest(other)
    boot = lab.refuse(r"cvmroot.*/dev/vd[ab]1.*/dev/vd[ab]1",
                      drives=[Drive(lab.disk), Drive(other, serial="other")])
    require(disk.digest(other) == before, "the other disk was written")
    note(boot.reason())


@scenario()
def no_root(name):
    lab = pristine(name)
    disk.set_type(lab.disk, disk.DATA_TYPE)
    lab.config += "[root]\nwait-seconds = 3\n"
    lab.refuse(r"cvmroot.*partition")


@scenario()
def other_pcr(name):
    """PCR 11 has another value than the secret was sealed to: another kernel, another initrd."""
    lab = converted(name)
    initrd = lab.initrd
    lab.initrd = lambda extra: initrd({**(extra or {}), "etc/systemd/system/vmtest-stub.service": (
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
        "ExecStart=/vmtest/guest wait=/dev/tpmrm0 extend=11:another\n").encode()})
    lab.refuse(r"cvmroot.*PCR.*11")


@scenario()
def failed_event(name):
    """A refused boot leaves the poison event in PCR 15, so nothing can be unsealed after it."""
    lab = converted(name)
    disk.format_foreign(lab.disk, luks.uuid(lab.disk), "cvmroot")
    # In a PID namespace of its own the program's power-off ends only itself.
    extra = {"etc/systemd/system/cvmroot-boot.service.d/60-vmtest.conf":
             b"[Service]\nRestrictNamespaces=no\nExecStart=\n"
             b"ExecStart=/vmtest/guest \"ends=/usr/bin/cvmroot boot\" "
             b"pcr=15 file=/run/log/systemd/tpm2-measure.log poweroff\n"}
    results = lab.machine(extra=extra).run().results()
    require(results.get("ends=/usr/bin/cvmroot boot") == b"signal 2",
            f"the program did not power off: {results.get('ends=/usr/bin/cvmroot boot')}")
    require(results.get("pcr=15", bytes(32)) != bytes(32), "PCR 15 is still zero")
    records = parse_log(results["file=/run/log/systemd/tpm2-measure.log"])
    strings = [record["content"]["string"] for record in records]
    require(any("failed" in string for string in strings), f"the log holds {strings}")
    note(f"the log holds {strings}")
