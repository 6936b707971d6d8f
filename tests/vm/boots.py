# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Boots that succeed: the first, later ones, and what they leave behind."""

import hashlib
import json
import os
import re

import artefacts
import disk
import luks
from disk import MIB
from lab import FIRST_MARKER, Lab, converted, parse_log, unit
from machine import Drive, require
from scenario import scenario

STATUS = "/run/cvmroot/status.json"
LOG = "/run/log/systemd/tpm2-measure.log"


def check_first_boot(lab, boot, marker, outcomes=("fresh",)):
    """All that must hold when a first boot has come to its end; what it may call the root."""
    results = boot.results()
    lab.check_guest_hashes(results)
    secret, key = lab.check_encrypted([marker])
    expected = lab.expected_pcr15(key, results["file=" + LOG])
    require(results["pcr=15"] == expected, f"PCR 15 is {results['pcr=15'].hex()}, "
            f"its log replays to {expected.hex()}")
    how = json.loads(results["file=" + STATUS])["root"]
    require(how in outcomes, f"the root is called {how}")
    lab.check_events(results["file=" + LOG], how)
    return secret, key


def first_boot_orders(marker):
    return ["hash=/", f"write=/guest:{marker}_", f"file={LOG}", "pcr=15",
            f"file={STATUS}"]


# Less than a conversion takes on a disk that is slow.
IMPATIENT = {unit("cvmroot-boot.service.d/70-vmtest.conf"): b"[Service]\nTimeoutStartSec=8\n"}


@scenario()
def first_boot(name):
    """It takes longer than the unit's timeout, which each sign of life extends."""
    lab = Lab(name).make_image().make_tpm()
    raw = lab.disk.read_bytes()
    require(disk.MARKER.encode() in raw, "the image does not hold its marker in plaintext")
    marker = f"written_by_the_guest_{lab.seed}"
    boot = lab.boot(first_boot_orders(marker), extra=IMPATIENT,
                    drives=[Drive(lab.disk, bytes_per_second=MIB)])
    check_first_boot(lab, boot, marker)


@scenario()
def first_boot_small_blocks(name):
    """A file system with blocks of 1 KiB gets sectors of 512 bytes."""
    lab = Lab(name).make_image(block_size=1024, size=40 * MIB + 5 * 1024).make_tpm()
    marker = f"written_by_the_guest_{lab.seed}"
    boot = lab.boot(first_boot_orders(marker))
    require(luks.metadata(lab.disk)["segments"]["0"]["sector_size"] == 512, "sector size")
    check_first_boot(lab, boot, marker)


PROGRAM = "/usr/bin/cvmroot boot"
# Beside the program, to look at it while it runs.
WATCH_UNITS = {
    unit("vmtest-watch.service"): f"""[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/vmtest/guest "program={PROGRAM}"
""".encode(),
    unit("cvmroot-boot.service.d/60-vmtest-watch.conf"):
        b"[Unit]\nWants=vmtest-watch.service\n",
}
CAP_SYS_ADMIN, CAP_SYS_BOOT = 21, 22


def check_confined(status):
    """The unit's limits hold for the program as it runs: that systemd took them is not enough."""
    fields = dict(line.split(":\t", 1) for line in status.decode().splitlines() if ":\t" in line)
    capabilities = f"{1 << CAP_SYS_ADMIN | 1 << CAP_SYS_BOOT:016x}"
    for field, value in (("CapPrm", capabilities), ("CapEff", capabilities),
                         ("CapBnd", capabilities), ("CapInh", f"{0:016x}"),
                         ("CapAmb", f"{0:016x}"), ("NoNewPrivs", "1"),
                         ("Seccomp", "2")):  # a filter
        require(fields.get(field) == value, f"the program runs with {field} {fields.get(field)}")


@scenario()
def reboot(name):
    lab = converted(name)
    boot = lab.boot(["hash=/", "file=/guest", f"file={LOG}", "pcr=15", f"file={STATUS}",
                     "file=/run/vmtest-show"], extra=WATCH_UNITS)
    results = boot.results()
    check_confined(results["program=" + PROGRAM])
    # This image knows no key broker.
    families = re.search(rb"^RestrictAddressFamilies=(.*)$", results["file=/run/vmtest-show"],
                         re.MULTILINE)[1]
    require(set(families.split()) == {b"AF_NETLINK", b"AF_UNIX"}, f"allowed: {families}")
    lab.check_guest_hashes(results)
    require(FIRST_MARKER.encode() in results["file=/guest"],
            "what the first boot wrote is not there")
    expected = lab.expected_pcr15(lab.volume_key, results["file=" + LOG])
    require(results["pcr=15"] == expected, f"PCR 15 is {results['pcr=15'].hex()}, "
            f"its log replays to {expected.hex()}")
    lab.check_events(results["file=" + LOG], "reopened")


@scenario(full=True)
def two_disks(name):
    """A second disk without a root partition does not disturb."""
    lab = converted(name)
    other = lab.folder / "other"
    other.write_bytes(os.urandom(MIB))
    boot = lab.boot(["hash=/"], drives=[Drive(other, serial="other"), Drive(lab.disk)])
    lab.check_guest_hashes(boot.results())


@scenario(full=True)
def tpm_of_tss(name):
    """Debian's rule gives the TPM to a user of its own, where dracut has put it in."""
    rule = b'KERNEL=="tpm[0-9]*|tpmrm[0-9]*", MODE="0660", OWNER="100", GROUP="100"\n'
    lab = converted(name)
    boot = lab.boot([f"file={STATUS}"], extra={"etc/udev/rules.d/60-tpm-udev.rules": rule})
    require(json.loads(boot.results()["file=" + STATUS])["root"] == "reopened", "not reopened")


@scenario(full=True)
def measured_elsewhere(name):
    """Each event in the register that the configuration names, in the first boot and later."""
    lab = Lab(name).make_image().make_tpm()
    lab.config += "[measure]\nconfig = 9\nmanifest = 12\nroot = 13\nleave = 14\n"
    digest = hashlib.sha256(lab.config.encode()).hexdigest()
    for how in "fresh", "reopened":
        results = lab.boot(["pcr=9", "pcr=12", "pcr=13", "pcr=14", f"file={LOG}"]).results()
        lab.check_events(results["file=" + LOG], how)
        manifest = [f"cvmroot:manifest:{disk.digest(lab.manifest)}"] if how == "fresh" else []
        for pcr, words in ((9, [f"cvmroot:config:{digest}"]), (12, manifest),
                           (13, [f"cvmroot:root:{how}:epoch=1:provider=tpm2"]),
                           (14, ["cvmroot:leave"])):
            value = bytes(32)
            for word in words:
                value = hashlib.sha256(value + hashlib.sha256(word.encode()).digest()).digest()
            require(results[f"pcr={pcr}"] == value, f"PCR {pcr} of a {how} root")


PCREXTEND_UNITS = {
    # As systemd's own, but for the condition: a boot without firmware has no measuring stub.
    unit("vmtest-pcrextend.socket"): b"""[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/systemd/io.systemd.PCRExtend
FileDescriptorName=varlink
SocketMode=0600
Accept=yes
""",
    unit("vmtest-pcrextend@.service"): b"""[Unit]
DefaultDependencies=no
[Service]
ExecStart=-/usr/lib/systemd/systemd-pcrextend
""",
    unit("cvmroot-boot.service.d/60-vmtest.conf"):
        b"[Unit]\nRequires=vmtest-pcrextend.socket\nAfter=vmtest-pcrextend.socket\n",
}


@scenario()
def measured_by_systemd(name):
    """systemd's service measures for us: the same events and values, and it wrote the records."""
    lab = Lab(name).make_image().make_tpm()
    extra = {**artefacts.overlay(lab.suite.rescue), **PCREXTEND_UNITS}
    for how in "fresh", "reopened":
        results = lab.boot([f"file={LOG}", "pcr=15"], extra=extra).results()
        log = results["file=" + LOG]
        lab.check_events(log, how)
        require(results["pcr=15"] == lab.expected_pcr15(lab.recover_keys()[1], log), "PCR 15")
        ours = [record["content"]["string"] for record in parse_log(log)
                if record["content"].get("eventType")]
        require(ours == [f"cryptsetup:root:{luks.uuid(lab.disk)}"],
                f"cvmroot wrote the records of {ours} itself")


@scenario()
def grow(name):
    """grow = true on a disk that the host has enlarged: the mapping reaches its end."""
    lab = Lab(name).make_image().make_tpm()
    lab.config += "[root]\ngrow = true\n"
    before = disk.partition_size(lab.disk)
    disk.grow(lab.disk, 64 * MIB)
    marker = f"written_by_the_guest_{lab.seed}"
    boot = lab.boot([*first_boot_orders(marker), "file=/sys/block/dm-0/size"])
    after = disk.partition_size(lab.disk)
    require(after >= before + 63 * MIB, f"the partition had {before} bytes and has {after}")
    size = int(boot.results()["file=/sys/block/dm-0/size"]) * 512
    require(size == after - disk.SHIFT, f"the mapping has {size} bytes of {after}")
    check_first_boot(lab, boot, marker)
    lab.boot(["hash=/"])


RESCUE_UNIT = """[Unit]
DefaultDependencies=no
After=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
Wants=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
[Service]
Type=oneshot
StandardInput=null
StandardOutput=journal+console
StandardError=journal+console
ExecStart=/vmtest/guest wait=/dev/tpmrm0 wait=/dev/vda1 "extend=11:{stub}"
{commands}
ExecStopPost=/vmtest/guest poweroff
"""


def rescue(lab, commands):
    """Boot the initrd's kernel and systemd for some stock commands only; what they sent."""
    from lab import STUB
    lines = "\n".join("ExecStart=" + command for command in commands)
    extra = {
        **artefacts.overlay(lab.suite.rescue),
        unit("cvmroot-boot.service"): "-> /dev/null",
        unit("vmtest-rescue.service"): RESCUE_UNIT.format(stub=STUB, commands=lines).encode(),
        unit("vmtest-rescue.target"):
            b"[Unit]\nDefaultDependencies=no\nRequires=vmtest-rescue.service\n",
    }
    before = disk.digest(lab.disk)
    boot = lab.machine(extra=extra, words="rd.systemd.unit=vmtest-rescue.target").run(300)
    require(disk.digest(lab.disk) == before, "the rescue wrote to the disk")
    return boot


def check_same_bytes(lab, boot):
    """The mapping in the guest has the bytes that the host gets by decrypting the raw disk."""
    found = boot.results().get("hash=/dev/mapper/rescue")
    expected = disk.digest(lab.decrypted(lab.volume_key)).encode()
    require(found == expected, f"the guest read {found}, expected {expected}:\n{boot.tail()}")


@scenario()
def stock_cryptsetup(name):
    """cryptsetup in the guest, with the slot's passphrase, sees what the host decrypts."""
    import base64
    lab = converted(name)
    commands = ["/usr/sbin/cryptsetup open --readonly --key-file /vmtest/passphrase "
                "/dev/vda1 rescue", "/vmtest/guest hash=/dev/mapper/rescue"]
    lab_initrd = lab.initrd
    lab.initrd = lambda extra: lab_initrd(
        {**extra, "vmtest/passphrase": base64.b64encode(lab.slot_secret)})
    check_same_bytes(lab, rescue(lab, commands))


def systemd_unlocks(lab):
    program = next(name for name in artefacts.SYSTEMD_CRYPTSETUP
                   if (lab.suite.rescue / name).exists())
    check_same_bytes(lab, rescue(lab, [
        f"/{program} attach rescue /dev/vda1 - tpm2-device=auto,headless=true,read-only",
        "/vmtest/guest hash=/dev/mapper/rescue"]))


@scenario()
def systemd_cryptsetup(name):
    """Stock systemd-cryptsetup of Debian 13 unlocks with our token and the vTPM."""
    systemd_unlocks(converted(name))


@scenario(full=True)
def systemd_cryptsetup_legacy(name):
    """That of Debian 12 knows the legacy primary only."""
    lab = Lab(name, suite="bookworm")
    lab.legacy = True
    lab.config += 'profile = "legacy"\n'
    lab.make_image().make_tpm().boot(["hash=/"])
    lab.slot_secret, lab.volume_key = lab.recover_keys()
    systemd_unlocks(lab)
