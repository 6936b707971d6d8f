# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
The time from the start of systemd in the initrd to the mounted root, in a virtual machine with a
vTPM (Debian 13), by systemd's own time stamps: the image as it is, cvmroot with the vTPM, cvmroot
with a key broker on the host, systemd's TPM2 token, and clevis with a tpm2 pin. And what cvmroot's
unit costs beside what nobody can do without, in the same boot: the TPM's answers to its commands,
and libcryptsetup opening a volume of the same kind.
"""

import re

import guests
import lab
from guests import artefacts
from unlock import SYSTEMD, CLEVIS, MAPPINGS, UnlockLab, uuid_of

import disk
import luks
from figures import Figures, progress
from lab import unit
from machine import Drive, require
from platforms import PCR_11, PlatformLab

LIMIT = 1.15
PLAIN, TPM, BROKER = "plain image", "cvmroot, vTPM", "cvmroot, broker"
STAMPS = "/run/bench-stamps"
POLICY = {"tpm": {"pcrs": {"11": [PCR_11]}, "trusted_aks": "first"}}
OURS, THEIRS = "cvmroot-boot.service", "systemd-cryptsetup@root.service"
STAMPS_UNIT = f"""[Unit]
DefaultDependencies=no
Requires=sysroot.mount
After=sysroot.mount {OURS} {THEIRS}
Before=initrd-switch-root.target initrd-cleanup.service initrd-parse-etc.service
[Service]
Type=oneshot
StandardOutput=append:{STAMPS}
ExecStart=/usr/bin/systemctl show -p UserspaceTimestampMonotonic
ExecStart=/usr/bin/systemctl show -p ActiveEnterTimestampMonotonic sysroot.mount
ExecStart=-/usr/bin/systemctl show -p ExecMainStartTimestampMonotonic \\
    -p ExecMainExitTimestampMonotonic -p ExecMainStatus @UNIT@
"""
# Once before it counts, as in the bench "unlock": not with modules to be loaded.
FLOOR_LINES = """ExecStart=/bench/open_volume /dev/vdb1 /bench/key warm
ExecStart=/usr/sbin/dmsetup remove warm
ExecStart=/bench/open_volume /dev/vdb1 /bench/key floor
ExecStart=/usr/sbin/dmsetup remove floor
"""
# systemd's own units for volumes shall find PCR 11 as cvmroot's does.
AFTER_STUB = b"[Unit]\nWants=vmtest-stub.service\nAfter=vmtest-stub.service\n"


def stamps_overlay(name=OURS, more=""):
    """With the times of the unit of this name, where there is one."""
    return {
        **artefacts.guest_overlay(),
        unit("bench-stamps.service"): (STAMPS_UNIT.replace("@UNIT@", name) + more).encode(),
        unit("initrd.target.wants/bench-stamps.service"): "-> ../bench-stamps.service",
    }


def floor_overlay(key):
    """cvmroot's waiting for the TPM is timed in its process; the volume is opened after it."""
    programs = artefacts.BUILD / "tests/bench"
    return {
        **stamps_overlay(more=FLOOR_LINES), "bench/key": (key, 0o600),
        "bench/open_volume": ((programs / "open_volume").read_bytes(), 0o755),
        "bench/tpm_time.so": ((programs / "tpm_time.so").read_bytes(), 0o755),
        "etc/ld.so.preload": b"/bench/tpm_time.so\n",
    }


class BrokerLab(PlatformLab):
    """The same image by a broker on the host, which has the vTPM's quote."""

    def __init__(self, name, suite, image):
        super().__init__(name, "tpm", options="create-ak = true")
        self.suite, self.network = suite, True
        self.filesystem, self.manifest = image.filesystem, image.manifest
        disk.make_disk(self.disk, self.filesystem)
        self.make_tpm()
        self.serve(POLICY)
        self.extra = stamps_overlay()


class Bench:
    def __init__(self, suite):
        self.guests = suite
        self.tpm_lab = UnlockLab("boot", suite)
        self.plain = disk.copy(self.tpm_lab.disk, self.tpm_lab.folder / "plain.disk")
        self.tpm_lab.encrypt()
        self.tpm_lab.enrol()
        self.broker_lab = BrokerLab("boot-broker", suite, self.tpm_lab)

    def identity(self, name):
        """The LUKS UUID on the disk of another contender."""
        path = self.tpm_lab.disk_of(name)
        head = disk.read_at(path, disk.START, luks.METADATA_SIZE)
        return head[luks.UUID_OFFSET:luks.UUID_OFFSET + luks.UUID_SIZE].rstrip(b"\0").decode()

    def run_stock(self, path, words):
        """dracut's usual initrd and a disk of its own; the last results and the console."""
        here = self.tpm_lab
        here.machine_count += 1
        files = {**lab.stub_overlay(), **stamps_overlay(THEIRS),
                 unit("systemd-cryptsetup@.service.d/50-bench.conf"): AFTER_STUB}
        initrd = lab.cpio.append(self.guests.stock, here.folder / "stock-initrd", files)
        line = f"{lab.QUIET} rd.shell=0 {words} vmtest=file={STAMPS}"
        return lab.Machine(here.folder / f"vm{here.machine_count}", [Drive(path)], here.tpm,
                           self.guests.kernel, initrd, line).run(300)

    def run_plain(self):
        return self.run_stock(self.plain, f"root=UUID={uuid_of(self.tpm_lab.filesystem)} rw")

    def run_luks(self, contender, options=""):
        name = MAPPINGS[contender]
        identity = self.identity(name)
        if options:
            options = f"rd.luks.options={identity}={options}"
        return self.run_stock(self.tpm_lab.disk_of(name), f"rd.luks.name={identity}=root {options} "
                              "root=/dev/mapper/root rw")

    def run_tpm(self):
        here = self.tpm_lab
        drives = [Drive(here.disk), Drive(here.disk_of("floor"), serial="floor")]
        return here.boot([f"file={STAMPS}", "file=/run/bench-tpm"], drives=drives,
                         extra=floor_overlay(here.key))

    def run_broker(self):
        with self.broker_lab.broker:
            self.broker_lab.write_config()
            return self.broker_lab.boot([f"file={STAMPS}"])

    def contenders(self):
        return {
            PLAIN: self.run_plain, TPM: self.run_tpm, BROKER: self.run_broker,
            SYSTEMD: lambda: self.run_luks(SYSTEMD, "tpm2-device=auto,headless=yes"),
            CLEVIS: lambda: self.run_luks(CLEVIS),
        }


def read_stamps(boot):
    results = boot.results()
    require("end" in results, f"the root was not booted:\n{boot.tail()}")
    text = results[f"file={STAMPS}"].decode()
    stamps = {name: int(value) for name, value in re.findall(r"^(\w+)=(\d+)$", text, re.MULTILINE)}
    begin, mounted = (stamps.get(name) for name in ("UserspaceTimestampMonotonic",
                                                    "ActiveEnterTimestampMonotonic"))
    require(begin and mounted, f"systemd's time stamps are {text!r}")
    return stamps, (mounted - begin) / 1000


def unit_time(stamps):
    return (stamps["ExecMainExitTimestampMonotonic"]
            - stamps["ExecMainStartTimestampMonotonic"]) / 1000


def add_unit(figures, boot, stamps):
    """The unit, what is unavoidable in it, and where the rest goes."""
    results = boot.results()
    loaded, first, last, end, waited, commands, idle, cpu, contexts, context_time = map(
        int, results["file=/run/bench-tpm"].split())
    opened = [int(line) for line in results[f"file={STAMPS}"].split() if line.isdigit()][-1]
    whole = unit_time(stamps)
    own = whole - idle / 1000
    floor = (waited + opened) / 1000
    for figure, value in (
            ("unit, ms", whole), ("waiting for devices, ms", idle / 1000),
            ("unit without that, ms", own), ("floor: its TPM commands, ms", waited / 1000),
            ("floor: keyslot and activation, ms", opened / 1000), ("floor, ms", floor),
            ("unit without waiting, by floor", own / floor), ("TPM commands", commands),
            ("its CPU time, ms", cpu / 1000), ("libtss2-esys's OpenSSL contexts", contexts),
            ("making and freeing them, ms", context_time / 1000),
            ("until its libraries are loaded, ms",
             (loaded - stamps["ExecMainStartTimestampMonotonic"]) / 1000),
            ("from there to its first TPM command, ms", (first - loaded) / 1000),
            ("from there to the last answer, without waiting and floor, ms",
             (last - first - idle) / 1000 - floor),
            ("from there to its end, ms", (end - last) / 1000)):
        figures.add(f"{TPM}: the unit", figure, value)


def measure(arguments):
    guests.use_work_folder()
    figures = Figures("boot")
    bench = Bench(guests.prepare())
    progress("the broker's first boot")
    bench.run_broker()
    contenders = bench.contenders()
    order = list(contenders)
    for number in range(arguments.rounds):
        shift = number % len(order)
        for contender in order[shift:] + order[:shift]:
            progress(f"round {number + 1} of {arguments.rounds}: {contender}")
            boot = contenders[contender]()
            stamps, value = read_stamps(boot)
            figures.add(contender, "initrd to root, ms", value)
            if contender == TPM:
                add_unit(figures, boot, stamps)
            elif contender in (BROKER, SYSTEMD):
                figures.add(contender, "unit, ms", unit_time(stamps))
    conclude(figures)
    return figures


def conclude(figures):
    figures.note("in our favour: the initrd of cvmroot holds no shell and no more modules than it "
                 "needs; the image as it is, systemd and clevis are in dracut's usual one")
    figures.note("against us: a library in cvmroot that takes the times, and a second disk; the "
                 "unit is counted from its start by systemd, with its sandbox, to its exit")
    name = f"{TPM}: the unit"
    figures.note("the unit waits for the disk's driver and for udev, which start beside it: that "
                 "is taken off; with one processor, what it does itself shares that with them, "
                 "while the floor's volume is opened when they are done")
    whole = figures.median(name, "unit without that, ms")
    figures.note("of the unit's time without waiting: " + ", ".join(
        f"{100 * figures.median(name, part) / whole:.0f} % {words}"
        for part, words in (("floor: its TPM commands, ms", "the TPM"),
                            ("floor: keyslot and activation, ms", "the volume"),
                            ("until its libraries are loaded, ms", "sandbox and libraries"),
                            ("making and freeing them, ms", "OpenSSL contexts of libtss2-esys"))) +
                 f"; its CPU time is {figures.median(name, 'its CPU time, ms'):.0f} ms")
    theirs, floor = figures.median(SYSTEMD, "unit, ms"), figures.median(name, "floor, ms")
    figures.note("systemd's own unit for its token, which has no sandbox, is started when its "
                 f"disk is there and measures nothing, takes {theirs:.0f} ms in its boot, "
                 f"{theirs / floor:.1f} of the floor; cvmroot's without waiting takes "
                 f"{whole / theirs:.2f} of that")
    figures.reach("unit_vs_floor", figures.median(name, "unit without waiting, by floor"), LIMIT)


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=7, help="boots of each: 7")
