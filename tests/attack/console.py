# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Row 10: whoever sits at the console, or has put a debugging option on the command line, gets no
prompt, holds up nothing, and every boot that fails ends.

rdinit=/bin/sh and systemd.confirm_spawn are not tried: the kernel obeys the one before any program
of the initrd, and the service manager the other before any unit. A command line that is measured is
all that there is against them (see cvmroot(7)).
"""

import contextlib
import pathlib
import re
import time

import disk
from lab import Lab, converted, unit
from machine import require
from rows import attack

PROMPT = re.compile(r"(#|\$) $|sh-5|Give root password|press enter|emergency mode|Control-D|login:"
                    r"|Execute .*\?", re.IGNORECASE | re.MULTILINE)
# A shell that reads this says that it is one; what stood on the line before does not matter.
TYPED, ANSWER = b"\necho typed-$((6*7))-here\n", "typed-42-here"
KEYS = (b"\n", TYPED, b"\x03", b"\x04", b"\x1b", b"\x1a", b"\x1c", b"root\n", b"y\n", b"\x1b[A",
        b"\x13", b"\x11")
# Magic SysRq behind a BREAK: help, terminate, kill, out of memory, kill on this console, tasks,
# registers, remount, sync. Not crash, reset and off, which the host has buttons for.
SYSRQ = b"heifktpus"
BEGUN = "cvmroot: looking"
TYPING = 180  # seconds, in which every boot here has ended
WAITING, TOLD, GIVEN_UP = 5, 30, 60  # the configuration's seconds, and those of cvmroot(7)
SLOW = 30  # what an emulated processor takes on top of these

SYSTEMD = "etc/systemd/system"
GENERATOR = "systemd/system-generators/systemd-debug-generator"
SHELL = {"usr/bin/sh": (pathlib.Path("/bin/sh").read_bytes(), 0o755),
         "usr/bin/bash": (pathlib.Path("/bin/sh").read_bytes(), 0o755)}
# What a distribution has in its initrd.
DEBUG_SHELL = {**SHELL, "etc/" + GENERATOR: "-> /usr/lib/" + GENERATOR,
               f"{SYSTEMD}/debug-shell.service": "-> /usr/lib/systemd/system/debug-shell.service"}
RESCUE_SHELL = """[Unit]
DefaultDependencies=no
[Service]
Type=simple
Restart=always
ExecStart=-/usr/bin/sh -i
StandardInput=tty-force
StandardOutput=tty
TTYPath=/dev/console
"""
EMERGENCY_SHELL = {**SHELL, f"{SYSTEMD}/emergency.service": RESCUE_SHELL.encode(),
                   f"{SYSTEMD}/rescue.service": RESCUE_SHELL.encode()}

# As long as nobody has the console open, nothing that is typed reaches the kernel, and a Ctrl-S is
# forgotten.
HOLDING = "vmtest: holding"
HELD_CONSOLE = {
    unit("vmtest-console.service"): b"""[Unit]
DefaultDependencies=no
After=systemd-sysctl.service
[Service]
Type=exec
ExecStart=/vmtest/guest hold
StandardOutput=tty
TTYPath=/dev/console
""",
    unit("cvmroot-boot.service.d/60-vmtest-console.conf"):
        b"[Unit]\nWants=vmtest-console.service\nAfter=vmtest-console.service\n",
}
# What is written to a stopped console is kept, up to a page of it. Until there is no more room.
CROWDED_CONSOLE = {
    **HELD_CONSOLE,
    unit("vmtest-crowd.service"): b"""[Unit]
DefaultDependencies=no
After=vmtest-console.service
StartLimitIntervalSec=0
[Service]
Type=exec
Restart=always
ExecStart=/usr/bin/systemctl show cvmroot-boot.service
StandardOutput=tty
TTYPath=/dev/console
""",
    unit("cvmroot-boot.service.d/60-vmtest-crowd.conf"): b"[Unit]\nWants=vmtest-crowd.service\n",
}
# Sorted behind what the initrd has.
SYSRQ_ON = {"etc/sysctl.d/zzz-weakened.conf": b"kernel.sysrq = 1\n"}
STATUS_LINES = {"etc/systemd/system.conf.d/zzz-weakened.conf": b"[Manager]\nShowStatus=yes\n"}

SHELL_WORDS = " ".join((
    "rd.systemd.debug_shell=ttyS0 systemd.debug_shell=ttyS0 systemd.default_debug_tty=ttyS0",
    "rd.systemd.wants=debug-shell.service systemd.wants=debug-shell.service",
    "rd.systemd.mask=cvmroot-boot.service systemd.mask=cvmroot-boot.service",
    "rd.break rd.shell=1 rd.debug rd.emergency=shell rd.hang",
    "systemd.crash_shell=1 rd.systemd.crash_shell=1 systemd.run=/bin/sh",
    "systemd.setenv=SYSTEMD_SULOGIN_FORCE=1 SYSTEMD_SULOGIN_FORCE=1",
    "init=/bin/sh systemd.unit=rescue.target"))


def type_at(boot, keys=KEYS, sysrq=SYSRQ):
    """
    Type all of them again and again until the machine is off, or a shell answers. A BREAK makes a
    SysRq of whatever key the kernel takes next, and before the initrd's settings it would obey: an
    "o" would turn the machine off, which the host can do anyway.
    """
    turn, end = 0, time.monotonic() + TYPING
    while boot.run_for(0.3) and ANSWER not in boot.text():
        require(time.monotonic() < end, f"after {TYPING} s it still runs:\n{boot.tail()}")
        boot.type(keys[turn % len(keys)])
        if sysrq and turn % 3 == 0 and BEGUN in boot.text():
            # The machine may have ended just now.
            with contextlib.suppress(BrokenPipeError):
                boot.command("chardev-send-break", id="serial0")
            boot.type(sysrq[turn // 3 % len(sysrq):][:1])
        turn += 1
    require(ANSWER not in boot.text(), f"a shell obeys whoever types:\n{boot.tail()}")


def failing(name):
    """Something is wrong as well, and time goes by: the moments at which others ask questions."""
    lab = Lab(name).make_image().make_tpm()
    disk.set_type(lab.disk, disk.DATA_TYPE)
    lab.config += f"[root]\nwait-seconds = {WAITING}\n"
    return lab


def require_no_prompt(lab, sentence, words, during=type_at, **options):
    boot = lab.refuse(sentence, during=during, words=words, **options)
    found = PROMPT.search(boot.text())
    require(not found, f"the console offers {found!r}:\n{boot.tail()}")
    return boot


def check_no_sysrq(boot):
    ours = boot.text().partition(BEGUN)[2]
    require("sysrq:" not in ours, f"SysRq still works:\n{ours}")


@attack(10, "no shell, nothing stops, off", weaken=DEBUG_SHELL, red="a shell obeys")
def debug_shell(name):
    """Every option for a shell beside the boot, on a boot that fails, and keys typed at it."""
    boot = require_no_prompt(failing(name), r"cvmroot: .*no partition", SHELL_WORDS)
    check_no_sysrq(boot)
    return "no shell, no SysRq; the failure's sentence, and the power off"


def refuse_target(name, words):
    """Of a boot into another target than the initrd's there is only cvmroot's own end."""
    require_no_prompt(failing(name), r"cvmroot: .*would have offered a shell", words)
    return "cvmroot fail in its place: its sentence, and the power off"


@attack(10, "no shell, off", weaken=EMERGENCY_SHELL, red="a shell obeys")
def emergency_target(name):
    """The initrd's own target of last resort, in the place of the boot."""
    return refuse_target(name, "rd.systemd.unit=emergency.target SYSTEMD_SULOGIN_FORCE=1")


@attack(10, "no shell, off", weaken=EMERGENCY_SHELL, red="a shell obeys", full=True)
def rescue_target(name):
    return refuse_target(name, "rd.systemd.unit=rescue.target")


@attack(10, "no shell, off", weaken=EMERGENCY_SHELL, red="a shell obeys", full=True)
def missing_target(name):
    """systemd's answer to a target that is not there is rescue.target."""
    return refuse_target(name, "rd.systemd.unit=not-there.target")


@attack(10, "the kernel does not answer", weaken=SYSRQ_ON, red="SysRq still works", full=True)
def sysrq(name):
    """Magic SysRq alone, and of it what only prints, so that the boot comes to its own end."""
    boot = require_no_prompt(failing(name), r"cvmroot: .*no partition", "", extra=HELD_CONSOLE,
                             during=lambda boot: type_at(boot, (b"\n",), b"h"))
    check_no_sysrq(boot)
    return "nothing is printed; the failure's sentence, and the power off"


@attack(10, "off within two minutes", weaken=STATUS_LINES, red="it still runs", full=True)
def stopped_terminal(name):
    """
    Ctrl-S, again and again: what is written to the console is not taken any more. The service
    manager would write each unit's state there, and wait; "quiet" alone would keep it from that.
    """
    lab, stopped = failing(name), []

    def stop(boot):
        boot.wait_text(HOLDING, 200)
        stopped.append(time.monotonic())
        type_at(boot, (b"\x13",), b"")

    before = disk.digest(lab.disk)
    machine = lab.machine(extra=CROWDED_CONSOLE)
    machine.command_line = machine.command_line.replace(" quiet ", " ")
    boot = machine.run(300, stop)
    seconds = time.monotonic() - stopped[0]
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    require("powers off now" not in boot.text(), f"the console was not stopped:\n{boot.tail()}")
    require(disk.digest(lab.disk) == before, "the disk was written")
    require(seconds < WAITING + TOLD + GIVEN_UP + SLOW, f"off only {seconds:.0f} s after Ctrl-S")
    return f"nothing more is printed; off {seconds:.0f} s later"


# Where dracut's usual modules stop with a shell. An initrd that is cvmroot's alone has none of
# these hooks, and no shell.
BEHIND_MOUNT = ("mount", "pre-pivot", "cleanup")
BREAKPOINTS = ("cmdline", "pre-udev", "pre-trigger", "initqueue", "pre-mount", *BEHIND_MOUNT)
SHELL_REFUSED = r"cvmroot: .*would have offered a shell"
DRACUT = "dracut-emergency.service"
# With the root account open, as some images have it: a locked one makes another question of it.
DRACUT_SHELL = {f"{SYSTEMD}/{DRACUT}": f"-> /usr/lib/systemd/system/{DRACUT}",
                "etc/shadow": b"root::20000::::::\n"}


def type_on(boot):
    """dracut's shell is gone for good at an end of file or a Ctrl-C, perhaps before it answers."""
    type_at(boot, (b"\n", TYPED), b"")


def check_ended(lab, words):
    """As a refusal, but that the root is mounted by then, which writes to the disk."""
    boot = lab.machine(words=words).run(300, type_on)
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    require("end" not in boot.results(), "the root was booted")
    lab.require_sentence(boot, SHELL_REFUSED)
    found = PROMPT.search(boot.text())
    require(not found, f"the console offers {found!r}:\n{boot.tail()}")


def break_at(place):
    """A function of its own for each, so that each is a test."""
    def attempt(name):
        lab = converted(name)
        lab.shell = True
        words = f"rd.break={place} rd.shell=1 rd.emergency=shell"
        if place in BEHIND_MOUNT:
            check_ended(lab, words)
        else:
            require_no_prompt(lab, SHELL_REFUSED, words, during=type_on)
        return "cvmroot fail in the place of the shell: its sentence, and the power off"
    attempt.__name__ = f"break_{place}"
    attack(10, "no shell, off", red="a shell obeys", full=True,
           weaken=DRACUT_SHELL)(attempt)


for breakpoint_name in BREAKPOINTS:
    break_at(breakpoint_name)


@attack(10, "the image's own init is started",
        weaken={f"{SYSTEMD}/initrd-switch-root.service.d/90-cvmroot.conf":
                b"[Unit]\nRequires=sysroot.mount\nAfter=sysroot.mount\n"},
        red="/sbin/other was started")
def other_init(name):
    """init= names a program of the unlocked root, as init=/bin/sh would."""
    boot = converted(name).boot(words="init=/sbin/other")
    started = boot.results()["end"].decode()
    require(started == "/sbin/init", f"{started} was started on the unlocked root")
    return "init= is not looked at: /sbin/init was started"
