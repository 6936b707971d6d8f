# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Policies that image-tools makes for a boot program, and whom a broker then gives the key."""

import subprocess

import artefacts
import cpio
import disk
from chain import EVENT_LOG
from disk import MIB
from lab import QUIET, unit
from machine import Drive, Machine, require
from measured import (FETCH, after_overlay, check_booted, check_fetch, check_pcr15, measure,
                      predict, run_result)
from platforms import RESOURCE, PlatformLab
from scenario import scenario

ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
ESP_SIZE = 96 * MIB
TIMEOUT = 600  # the firmware takes its time

# A boot that failed before: what the machine's owner says by a base board's serial number, which
# is in no register that a policy looks at, the initrd makes true.
FAILED_UNIT = """[Unit]
DefaultDependencies=no
ConditionPathExists=/sys/class/dmi/id/board_serial
Before=cvmroot-boot.service
[Service]
Type=oneshot
ExecStart=/vmtest/guest wait=/dev/tpmrm0 extend=15:cvmroot:failed
"""
FAILED_BEFORE = ("-smbios", "type=2,serial=failed")


class ProgramLab(PlatformLab):
    """A small image booted as a baked one is: firmware, one boot program on the ESP, a vTPM."""

    def __init__(self, name):
        super().__init__(name, "tpm", options="create-ak = true")
        self.make_tpm()
        self.words = ""
        self.power = Machine(self.folder / "vm", [Drive(self.disk)], self.tpm, firmware=True,
                             network=True)
        self.extra = {
            **after_overlay("run=" + FETCH, "pcr=4", "pcr=9", "pcr=11", "pcr=12", "pcr=15",
                            f"file={EVENT_LOG}"),
            unit("vmtest-failed.service"): FAILED_UNIT.encode(),
            unit("cvmroot-boot.service.wants/vmtest-failed.service"):
                "-> ../vmtest-failed.service",
        }

    def make_image(self, *arguments, **options):
        """As usual, then again with an ESP in front of the root."""
        super().make_image(*arguments, **options)
        size = self.filesystem.stat().st_size
        start = MIB + ESP_SIZE
        with open(self.disk, "wb") as file:
            file.truncate(start + size + disk.TAIL + MIB)
        table = (f"label: gpt\nstart={MIB // 512}, size={ESP_SIZE // 512}, type={ESP_TYPE}\n"
                 f"start={start // 512}, size={(size + disk.TAIL) // 512}, "
                 f"type={disk.ROOT_TYPE}\n")
        subprocess.run(["sfdisk", "-q", str(self.disk)], input=table, check=True, text=True)
        disk.write_partition(self.disk, self.filesystem, start)
        return self

    def make_program(self, name):
        """The boot program with configuration, manifest and command line as they are now."""
        program, initrd = self.folder / f"{name}.efi", self.folder / f"{name}.initrd"
        config = self.folder / f"{name}.toml"
        config.write_text(self.config)
        cpio.append(self.suite.network_initrd, initrd, self.extra)
        artefacts.image_tool("append-initrd", initrd, initrd, f"cvmroot.toml={config}",
                             f"root.manifest={self.manifest}")
        line = " ".join(["console=ttyS0,115200", QUIET, "root=/dev/mapper/root", self.words,
                         "vmtest=" + ",".join(self.orders())])
        artefacts.image_tool("uki", "--tree", self.suite.boot_tree, "--initrd", initrd,
                             "--cmdline", line, "--output", program)
        return program

    def install(self, program):
        esp = self.folder / "esp"
        with open(esp, "wb") as file:
            file.truncate(ESP_SIZE)
        disk.run("mkfs.vfat", "-F", "32", esp)
        disk.run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
        disk.run("mcopy", "-i", esp, program, "::/EFI/BOOT/BOOTX64.EFI")
        disk.write_partition(self.disk, esp, MIB)

    def other_manifest(self):
        """Of the same file system with a file more."""
        changed, manifest = self.folder / "other.fs", self.folder / "other.manifest"
        disk.copy(self.filesystem, changed)
        disk.run("debugfs", "-w", "-R", f"write {self.manifest} more", changed,
                 stderr=subprocess.DEVNULL)
        self.make_manifest(changed, manifest)
        return manifest

    def attested(self, number):
        """The claims of one attestation that the broker accepted, -1: of the last."""
        return self.broker.events("attest")[number]["claims"]

    def machine(self, *_, **__):
        """What is booted and how is on the disk."""
        self.power.more = list(self.machine_options)
        return self.power

    def boot(self, *arguments, **options):
        return super().boot(*arguments, **{**options, "timeout": TIMEOUT})


def check_good_boot(lab, reference, how):
    results = lab.boot_checked()
    check_fetch(lab.attested(-2), reference)
    check_booted(results, reference)
    check_pcr15(lab, results, how, reference["events"])
    return results


def check_denied(lab, changed):
    """The broker's verifier takes the evidence; its policy sees what is another, and says no."""
    before = lab.attested(0)
    lab.refuse(r"cvmroot: .*: resource: HTTP 401 PolicyDeny.*", timeout=TIMEOUT)
    claims = lab.attested(-1)
    # IMA's PCR 10 begins with the others.
    found = [number for number in range(24) if number != 10
             and claims[f"pcr{number:02}"] != before[f"pcr{number:02}"]]
    require(found == changed, f"the PCRs {found} are other ones, not {changed}")
    return claims


def check_other_program(lab, name, changed):
    """It is booted; what it changes was computed before, too."""
    program = lab.make_program(name)
    lab.install(program)
    check_fetch(check_denied(lab, changed), predict(lab, "--uki", program))


def set_policies(lab, program):
    """For this program. The first boot made the attestation key, which its owner now knows."""
    key = lab.folder / "ak.pem"
    key.write_text(f"-----BEGIN PUBLIC KEY-----\n{lab.attested(0)['ak_public']}\n"
                   "-----END PUBLIC KEY-----\n")
    options = ("--uki", program, "--tee", "tpm", "--attestation-key", key)
    lab.broker.set_policies(
        measure(lab, *options, "--format", "attestation-policy"),
        measure(lab, *options, "--format", "resource-policy", "--resource", RESOURCE),
        predict(lab, *options, "--format", "rvps"))


@scenario(1800)
def policies(name):
    """
    A broker with the policies that are made for a boot program: it gives the key to this program,
    once in a boot, and neither to a changed one nor after a failure.
    """
    lab = ProgramLab(name)
    with lab.serve({}) as broker:
        lab.write_config()
        good = lab.make_program("good")
        reference = predict(lab, "--uki", good)
        lab.install(good)
        check_good_boot(lab, reference, "fresh")
        set_policies(lab, good)

        lab.machine_options = FAILED_BEFORE
        check_denied(lab, [15])
        lab.machine_options = ()
        lab.words = "vmtest.changed"
        check_other_program(lab, "words", [4, 9, 11])
        lab.words = ""
        lab.deadline += 1
        lab.write_config()
        check_other_program(lab, "configuration", [4, 9, 11])
        lab.deadline -= 1
        lab.write_config()
        manifest = lab.manifest
        lab.manifest = lab.other_manifest()
        check_other_program(lab, "manifest", [4, 9, 11])
        lab.manifest = manifest
        lab.install(good)
        results = check_good_boot(lab, reference, "reopened")
        require(run_result(results, FETCH)[0] != 0, "the broker gave the key once more")
        # With no policy yet, whoever asked in the first boot got it.
        given = ["ok", "ok", *["refused"] * 4, "ok", "refused"]
        require(broker.results("resource") == given,
                f"the broker's log has {broker.events('resource')}")
