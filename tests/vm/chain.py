# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The whole chain: OVMF, a UKI on the ESP, a Debian root tree, as image-tools/bake makes it."""

import hashlib
import shutil
import struct

import artefacts
import disk
from boots import LOG, STATUS
from lab import Lab
from machine import Drive, Machine, require
from scenario import scenario

EVENT_LOG = "/sys/kernel/security/tpm0/binary_bios_measurements"
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
MARKER = "written_by_the_guest"

# In the booted Debian: report, write, power off. Nobody logs in.
REPORT_UNIT = f"""[Unit]
After=multi-user.target systemd-growfs-root.service
[Service]
Type=oneshot
ExecStart=/vmtest-guest file=/marker write=/marker:{MARKER}_ pcr=11 pcr=15 file={LOG} \\
    file={STATUS} file=/proc/mounts file={EVENT_LOG} file=/proc/cmdline \\
    file={SECURE_BOOT}
ExecStart=/usr/bin/systemctl --failed --plain --no-legend
ExecStart=/usr/bin/systemctl --no-block poweroff
StandardOutput=journal+console
"""


def replay(log, pcr):
    """The SHA-256 digests that a TCG event log (crypto agile) has for a PCR, in order."""
    digests = []
    # The first event has the old format: PCR, type, SHA-1, size, data.
    position = 32 + struct.unpack_from("<I", log, 28)[0]
    sizes = {0x0004: 20, 0x000B: 32, 0x000C: 48, 0x000D: 64}
    while position + 12 <= len(log):
        number, _, count = struct.unpack_from("<III", log, position)
        position += 12
        for _ in range(count):
            algorithm = struct.unpack_from("<H", log, position)[0]
            value = log[position + 2:position + 2 + sizes[algorithm]]
            position += 2 + sizes[algorithm]
            if number == pcr and algorithm == 0x000B:
                digests.append(value)
        position += 4 + struct.unpack_from("<I", log, position)[0]
    return digests


class ChainLab(Lab):
    """A baked Debian image; what PCR 11 was in the initrd comes from the firmware's event log."""

    phases = ("enter-initrd",)

    @property
    def tree(self):
        return self.folder / "tree"

    def make_tree(self, suite):
        tree = self.tree
        artefacts.make_tree(suite, tree)
        shutil.copy(artefacts.GUEST, tree / "vmtest-guest")
        units = tree / "etc/systemd/system"
        (units / "vmtest.service").write_text(REPORT_UNIT)
        (units / "graphical.target.wants").mkdir(parents=True, exist_ok=True)
        (units / "graphical.target.wants/vmtest.service").symlink_to("../vmtest.service")
        (tree / "data").mkdir()
        (tree / "data/marked").write_text(f"{disk.MARKER} {self.seed}\n" * 1000)
        self.remember_files(tree)

    def bake(self, *options):
        artefacts.image_tool("bake", "--tree", self.tree, "--output", self.disk,
                             "--build", artefacts.BUILD, *options)
        start, size = disk.root_partition(self.disk)
        disk.run("dd", f"if={self.disk}", f"of={self.filesystem}", "bs=1M",
                 f"skip={start // disk.MIB}", f"count={(size - disk.TAIL) // disk.MIB}",
                 "conv=sparse", "status=none")
        esp = self.folder / "esp"
        esp.write_bytes(disk.read_at(self.disk, 0, start))
        self.public_blocks = disk.plaintext_blocks(esp)

    def remember_files(self, tree):
        """Files that no boot changes."""
        for folder in "usr/bin", "usr/lib/systemd", "data", "usr/lib/x86_64-linux-gnu":
            for path in sorted((tree / folder).glob("*")):
                if path.is_file() and not path.is_symlink():
                    name = "/" + str(path.relative_to(tree))
                    self.hashes[name] = disk.digest(path)

    def power_on(self):
        boot = self.chain_machine.run(600)
        require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
        results = boot.results()
        require("pcr=15" in results, f"Debian did not report:\n{boot.tail()}")
        require(b"/dev/mapper/root / " in results["file=/proc/mounts"],
                f"the root is not the mapping: {results['file=/proc/mounts'].decode()}")
        self.event_log = results["file=" + EVENT_LOG]
        return boot

    def measure(self, tpm):
        for digest in replay(self.event_log, 11):
            tpm.extend_digest(11, digest)
        for phase in self.phases:
            tpm.extend(11, phase.encode())

    def check_event_log(self, results):
        """The event log and the phases explain PCR 11, as far as the guest has come."""
        pcr = bytes(32)
        seen = []
        later = ["enter-initrd", "leave-initrd", "sysinit", "ready"]
        for digest in replay(self.event_log, 11):
            pcr = hashlib.sha256(pcr + digest).digest()
            seen.append(pcr)
        require(seen, "the firmware's log has nothing of PCR 11")
        for phase in later:
            pcr = hashlib.sha256(pcr + hashlib.sha256(phase.encode()).digest()).digest()
            seen.append(pcr)
        require(results["pcr=11"] in seen, "PCR 11 is not what the log and the phases say")


@scenario(1800)
def debian_12(name):
    """With literal PCRs, and the primary key of its systemd; Debian 13's chain is a signed one."""
    lab = ChainLab(name)
    lab.legacy = True
    config = lab.folder / "cvmroot.toml"
    config.write_text('[root]\ngrow = true\n[tpm2]\npcrs = [11, 12]\nprofile = "legacy"\n')
    lab.make_tree("bookworm")
    lab.bake("--config", config)
    shutil.rmtree(lab.tree)
    lab.make_tpm()
    require(disk.MARKER.encode() in lab.filesystem.read_bytes(), "no marker in the plaintext")
    lab.chain_machine = Machine(lab.folder / "vm", [Drive(lab.disk)], lab.tpm, firmware=True,
                                processors=2)

    first = lab.power_on().results()
    require(first["file=/marker"].startswith(b"error"), "the first boot found a marker")
    lab.check_event_log(first)
    _, key = lab.check_encrypted([MARKER])
    require(first["pcr=15"] == lab.expected_pcr15(key, first["file=" + LOG]), "PCR 15")
    require(b"fresh" in first["file=" + LOG], "the first boot is not called fresh")

    second = lab.power_on().results()
    require(MARKER.encode() in second["file=/marker"], "what the first boot wrote is gone")
    require(second["pcr=15"] == lab.expected_pcr15(key, second["file=" + LOG]), "PCR 15")
    require(b"reopened" in second["file=" + LOG], "the second boot is not called reopened")
