# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
The part of first_boot.py that works in virtual machines: a first boot with cvmroot's own unit, and
"cryptsetup reencrypt --encrypt" as a unit of the same initrd, on copies of one disk.
"""

import contextlib
import os
import re
import sys
import time

from convert import REENCRYPT
from figures import ROOT, progress

sys.path.insert(0, str(ROOT / "tests" / "vm"))

# pylint: disable=wrong-import-position
import artefacts
import disk
import machine
from disk import MIB
from lab import Lab, unit

OURS, THEIRS = "cvmroot, in the guest", "cryptsetup reencrypt, in the guest"
SHOWN = "/run/vmtest-show"
TIMEOUT = 3600

# The key file is the passphrase of the new slot, as in the comparison outside.
ENCRYPT_UNIT = f"""[Unit]
DefaultDependencies=no
After=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
Wants=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
StandardInput=null
StandardOutput=journal+console
StandardError=journal+console
ExecStartPre=/vmtest/guest wait=/dev/vda1
ExecStart=/usr/sbin/cryptsetup {" ".join(REENCRYPT)} --key-file /vmtest/key /dev/vda1
"""
END_UNIT = """[Unit]
DefaultDependencies=no
Requires=vmtest-encrypt.service
After=vmtest-encrypt.service
[Service]
Type=oneshot
ExecStart="/vmtest/guest" "run=/usr/bin/systemctl show vmtest-encrypt.service"
ExecStopPost=/vmtest/guest poweroff
"""
END_TARGET = "[Unit]\nDefaultDependencies=no\nRequires=vmtest-end.service\n"


def service_seconds(text):
    """How long the unit's program ran, in the guest's time."""
    values = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    if values.get("Result") != "success":
        sys.exit(f"the unit ended by {values.get('Result')!r}")
    begin, end = (int(values[f"ExecMain{name}TimestampMonotonic"]) for name in ("Start", "Exit"))
    return (end - begin) / 1_000_000


def traffic(boot):
    """What QEMU counted at the disk; the machine is off, and QEMU waits."""
    end = time.monotonic() + TIMEOUT
    while not boot.reason():
        boot.step(end, "power-off")
    stats = boot.ask("query-blockstats")[0]["stats"]
    boot.command("quit")
    return {"read, MiB": stats["rd_bytes"] / MIB, "written, MiB": stats["wr_bytes"] / MIB,
            "flushes": stats["flush_operations"]}


class Guests:
    def __init__(self, size, used, rate):
        self.rate = rate
        self.lab = Lab("bench-first-boot")
        # To stay when the guest is off, for the figures.
        self.lab.machine_options = ("-no-shutdown",)
        self.lab.make_image(content=used, size=size - disk.TAIL).make_tpm()

    def machine(self, lab, throttled, **options):
        drive = machine.Drive(lab.disk, bytes_per_second=self.rate if throttled else 0,
                              limit="bps-total")
        return lab.machine(drives=[drive], **options)

    def run(self, virtual_machine):
        counted = {}
        boot = virtual_machine.run(TIMEOUT, lambda boot: counted.update(traffic(boot)))
        return boot.results(), counted

    def ours(self, lab, throttled):
        results, counted = self.run(self.machine(lab, throttled, orders=[f"file={SHOWN}"]))
        return results[f"file={SHOWN}"], counted

    def theirs(self, lab, throttled):
        extra = {
            **artefacts.overlay(lab.suite.rescue),
            "vmtest/key": os.urandom(32),
            unit("cvmroot-boot.service"): "-> /dev/null",
            unit("vmtest-encrypt.service"): ENCRYPT_UNIT.encode(),
            unit("vmtest-end.service"): END_UNIT.encode(),
            unit("vmtest-end.target"): END_TARGET.encode(),
        }
        results, counted = self.run(self.machine(lab, throttled, extra=extra,
                                                 words="rd.systemd.unit=vmtest-end.target"))
        return results["run=/usr/bin/systemctl show vmtest-encrypt.service"], counted

    def measure(self, figures, contender, speed, throttled):
        lab = self.lab.fork("bench-first-boot-run")
        shown, counted = (self.ours if contender == OURS else self.theirs)(lab, throttled)
        seconds = service_seconds(shown.decode())
        progress(f"  {contender}, {speed}: {seconds:.1f} s")
        figures.add(contender, f"{speed}, s", seconds)
        for name, value in counted.items():
            figures.add(contender, f"{speed}, {name}", value)


def measure_guests(figures, arguments, speeds, rate):
    """@speeds: names of the disk's speeds, with whether it is throttled."""
    artefacts.WORK.mkdir(parents=True, exist_ok=True)
    # The virtual machines' modules report there what the benchmark has no table for.
    with contextlib.redirect_stdout(sys.stderr):
        guests = Guests(arguments.guest_size, arguments.guest_used, rate)
        for number in range(arguments.guest_runs):
            order = (OURS, THEIRS) if number % 2 == 0 else (THEIRS, OURS)
            for speed, throttled in speeds.items():
                for contender in order:
                    guests.measure(figures, contender, speed, throttled)
    figures.note(f"in the guest ({machine.accelerator()}): a partition of "
                 f"{arguments.guest_size // MIB} MiB with about {arguments.guest_used // MIB} MiB "
                 f"used; the time of the unit's program, in cvmroot's with TPM, keyslot and "
                 f"mapping; the disk is a sparse file in the host's cache, counted by QEMU")
    if machine.accelerator() == "tcg":
        figures.note("the guest's processor is emulated, and with it AES and SHA-256: its times "
                     "are no forecast for a real one; the last line is from outside")
