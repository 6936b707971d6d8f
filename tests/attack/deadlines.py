# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Rows 10, 22: what the boot waits for never comes. Each such state ends by itself, in its time; those
of a network and of a broker are in the suites vm and broker.
"""

import os
import time

import disk
from lab import Lab, converted
from machine import Drive, require
from rows import attack
from wire import UNSEAL, Wire, code

# The kernel's driver waits 120 s for an answer, and nothing ends a process in the meantime. Around
# one command of ours it has others: contexts to load, save and flush; more for the failure's event,
# and one at the power-off.
DRIVER = 8 * 120
PATIENCE = 300  # seconds that one step of cvmroot boot has
WAITING = 30  # on top of it, by the configuration
FOR_EVER = {"etc/systemd/system/cvmroot-boot.service.d/90-weakened.conf":
            b"[Service]\nNotifyAccess=none\nTimeoutStartSec=infinity\n"}
APPEARING = 90  # for the file system of the root that was opened
FOR_ANY_ROOT = {"etc/systemd/system/dev-mapper-root.device.d/zz-cvmroot.conf":
                b"[Unit]\nAfter=cvmroot-boot.service\nJobTimeoutSec=infinity\n"}
STARTING, STOPPING = 90, 90  # of the machine; until the unit has been given up, and it is off
WOULD_HAVE = r"cvmroot: .*could not go on and would have offered a shell"


def give_up(machine, seconds, during=None):
    """
    Off by itself, and not too late. That the guest has powered off is what counts: a QEMU whose
    vTPM owes it an answer does not end.
    """
    begin = time.monotonic()
    with machine.start() as boot:
        if during:
            during(boot)
        while boot.run_for(1) and not boot.reason() and time.monotonic() < begin + seconds:
            pass
        require(boot.reason() or boot.ended(), f"after {seconds} s it still runs:\n{boot.tail()}")
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    require("end" not in boot.results(), "the root was booted")
    return boot


@attack(10, "off after five minutes", weaken=FOR_EVER, red="it still runs", full=True)
def withheld_disk(name):
    """The disk takes the first bytes that are written, and then answers no more."""
    lab, begun = Lab(name).make_image().make_tpm(), []
    lab.config += f"[root]\nwait-seconds = {WAITING}\n"

    def wait_begin(boot):
        boot.wait_text("verifying the root file system: 100 %", 200)
        begun.append(time.monotonic())

    boot = give_up(lab.machine(drives=[Drive(lab.disk, bytes_per_second=1)]),
                   PATIENCE + WAITING + STARTING + STOPPING, wait_begin)
    seconds = time.monotonic() - begun[0]
    lab.require_sentence(boot, WOULD_HAVE)
    require(seconds >= PATIENCE, f"given up after {seconds:.0f} s")
    return f"{seconds:.0f} s later the unit's timeout, cvmroot fail, and the power off"


# The kernel's driver gives up by itself, so there is nothing of ours to take out.
@attack(10, "off after the driver's time", timeout=1500, full=True)
def silent_tpm(name):
    """The vTPM takes the command to unseal, and then answers no more."""
    lab, silent = converted(name), []

    def change(command, response):
        silent.extend([True] * (code(command) == UNSEAL))
        return None if silent else response

    lab.tpm = Wire(lab.tpm.folder, change)
    boot = give_up(lab.machine(), STARTING + DRIVER + STOPPING)
    require(silent, "the key was not unsealed")
    lab.require_sentence(boot, r"cvmroot: (.*unsealing the disk's key.*|.*offered a shell)")
    return "an error of the driver, or the unit's end, and the power off"


@attack(10, "the initrd starts again", full=True,
        weaken={"etc/systemd/system.conf.d/zz-cvmroot.conf": b"[Manager]\n"}, red="no power-off")
def crashed_manager(name):
    """The service manager crashes: by itself it would stand still."""
    lab = converted(name)
    extra = {"etc/systemd/system/cvmroot-boot.service.d/60-vmtest.conf":
             b"[Service]\nExecStartPre=/vmtest/guest crash\n"}
    boot = lab.machine(extra=extra).run(120)
    require(boot.reason() == "guest-reset", f"ended by {boot.reason()}:\n{boot.tail()}")
    return "a restart"


@attack(22, "off, nothing mounted", weaken=FOR_ANY_ROOT, red="it still runs", full=True)
def data_of_noise(name):
    """The header is ours; what lies behind it is noise of the host's, and no file system."""
    lab = converted(name)
    disk.write_at(lab.disk, disk.START + disk.SHIFT, os.urandom(lab.filesystem.stat().st_size))
    boot = give_up(lab.machine(), STARTING + APPEARING + STOPPING)
    lab.require_sentence(boot, WOULD_HAVE)
    return "no file system appears on the root; the power off"
