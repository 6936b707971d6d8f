# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""One boot of a virtual machine: QEMU, its console, its end, what the guest sent back."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time

OVMF = pathlib.Path("/usr/share/OVMF")
# Debian's key pair for trials: everybody has the private part, too.
SNAKEOIL_CERTIFICATE = pathlib.Path("/usr/share/ovmf/PkKek-1-snakeoil.pem")
SNAKEOIL_KEY = pathlib.Path("/usr/share/ovmf/PkKek-1-snakeoil.key")
SNAKEOIL_PASSPHRASE = "snakeoil"


class BootError(AssertionError):
    """A boot did not do what the scenario waited for."""


@functools.cache
def qemu_version():
    text = subprocess.run(["qemu-system-x86_64", "--version"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return int(re.search(r"version (\d+)\.", text)[1])


@functools.cache
def accelerator():
    """KVM if it really works: some machines have the device, and guests hang with it."""
    cached = os.environ.get("CVMROOT_ACCEL")
    if cached:
        return cached
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    from artefacts import probe_kernel
    kernel = probe_kernel()
    process = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "256",
         "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel,
         "-append", "console=ttyS0 panic=-1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    # Without an initrd the kernel panics for want of a root: far enough to trust KVM.
    try:
        output = process.communicate(timeout=10)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0]
    return "kvm" if b"Unable to mount root fs" in output else "tcg"


@dataclasses.dataclass
class Drive:
    """
    A disk of the machine. @rules are blkdebug's: {"event": ..., "sector": ...}. @log takes all
    writes and flushes: see tests/power/write_log.h. With @server an NBD server at that socket
    stands between the machine and the file.
    """
    path: pathlib.Path
    read_only: bool = False
    serial: str = "root"
    bytes_per_second: int = 0
    limit: str = "bps-write"  # what that limits, as QEMU calls it
    rules: list = dataclasses.field(default_factory=list)
    log: pathlib.Path | None = None
    server: pathlib.Path | None = None

    def options(self, index):
        node = {"driver": "file", "filename": str(self.path), "read-only": self.read_only}
        if self.server:
            node = {"driver": "nbd", "server": {"type": "unix", "path": str(self.server)}}
        if self.rules:
            node = {"driver": "blkdebug", "image": node, "inject-error": self.rules}
        node = {"driver": "raw", "file": node, "node-name": f"disk{index}",
                "read-only": self.read_only, "discard": "unmap"}
        if self.log:
            self.log.write_bytes(b"")
            node = {"driver": "blklogwrites", "node-name": f"disk{index}",
                    "file": dict(node, **{"node-name": f"logged{index}"}),
                    "log": {"driver": "file", "filename": str(self.log)}}
        device = f"virtio-blk-pci,serial={self.serial},drive=disk{index}"
        result = []
        if self.bytes_per_second:
            group = {"qom-type": "throttle-group", "id": f"limit{index}",
                     "limits": {self.limit: self.bytes_per_second}}
            node = {"driver": "throttle", "throttle-group": f"limit{index}",
                    "node-name": f"disk{index}", "read-only": self.read_only,
                    "file": dict(node, **{"node-name": f"raw{index}"})}
            result += ["-object", json.dumps(group)]
        return result + ["-blockdev", json.dumps(node), "-device", device]


class Machine:
    """
    A virtual machine in @folder: drives, a vTPM or none, and either a kernel with an initrd,
    firmware that boots the first drive, or firmware that boots the kernel. With @secure_boot the
    firmware starts only programs that are signed with the key of Debian's test firmware
    (SNAKEOIL_KEY). With @network it has a card, and the host's loopback is at 10.0.2.2; a text is
    further options of QEMU's user network. @options are QEMU's, as they are.
    """

    def __init__(self, folder, drives, tpm=None, kernel=None, initrd=None, command_line="",
                 firmware=False, secure_boot=False, memory=1024, processors=1, network=False,
                 options=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.drives = drives
        self.tpm = tpm
        self.kernel = kernel
        self.initrd = initrd
        self.command_line = command_line
        self.firmware = firmware
        self.secure_boot = secure_boot
        self.memory = memory
        self.processors = processors
        self.network = network
        self.more = list(options)
        self.boots = 0

    @property
    def network_options(self):
        return f",{self.network}" if isinstance(self.network, str) else ""

    def firmware_options(self):
        kernel = ["-kernel", self.kernel, "-initrd", self.initrd, "-append",
                  f"console=ttyS0,115200 {self.command_line}"] if self.kernel else []
        if not self.firmware:
            return kernel
        variables = self.folder / "vars.fd"
        kind = ".snakeoil.fd" if self.secure_boot else ".fd"
        if not variables.exists():
            shutil.copy(OVMF / f"OVMF_VARS_4M{kind}", variables)
        code = OVMF / ("OVMF_CODE_4M" + (".secboot.fd" if self.secure_boot else ".fd"))
        # The guest must not change the variables behind the firmware's back.
        secure = ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        return [*kernel,
                "-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                "-drive", f"if=pflash,format=raw,file={variables}",
                *(secure if self.secure_boot else [])]

    def options(self, results, qmp):
        accel = accelerator()
        cpu = "host" if accel == "kvm" else "max,la57=off" if qemu_version() >= 8 else "Westmere"
        options = [
            "qemu-system-x86_64", "-accel", accel, "-cpu", cpu,
            "-machine", "q35,smm=" + ("on" if self.secure_boot else "off"),
            "-smp", str(self.processors), "-m", str(self.memory), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-serial", "stdio",
            "-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control",
            "-serial", f"file:{results}",
            "-device", "virtio-rng-pci",
            *self.firmware_options(), *self.more]
        for index, drive in enumerate(self.drives):
            options += drive.options(index)
        if self.network:
            options += ["-netdev", "user,id=net0" + self.network_options,
                        "-device", "virtio-net-pci,netdev=net0,romfile="]
        if self.tpm:
            options += ["-chardev", f"socket,id=tpm,path={self.tpm.start()}",
                        "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device",
                        "tpm-crb,tpmdev=tpm0"]
        return [str(option) for option in options]

    def start(self):
        """Power on. Use as a context: leaving it kills what still runs."""
        self.boots += 1
        return Boot(self, self.folder / f"boot{self.boots}")

    def run(self, timeout=300, during=None):
        """Power on, wait until the machine is off again; during(boot) may act on it meanwhile."""
        with self.start() as boot:
            if during:
                during(boot)
            boot.wait_end(timeout)
        return boot


class Boot:
    def __init__(self, machine, name):
        self.results_path = name.with_suffix(".results")
        self.log = open(name.with_suffix(".console"), "wb")
        self.console = b""
        self.events = []
        self.tpm = machine.tpm
        self.begin = time.monotonic()
        print(f"boot {machine.boots}: console in {self.log.name}", flush=True)
        ours, theirs = socket.socketpair()
        self.qmp = ours
        self.process = subprocess.Popen(
            machine.options(self.results_path, theirs.fileno()), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()])
        theirs.close()
        self.qmp.sendall(b'{"execute": "qmp_capabilities"}\n')
        self.qmp_text = b""
        self.asked = 0
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ, self.read_console)
        self.selector.register(self.qmp, selectors.EVENT_READ, self.read_qmp)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def read_console(self):
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            self.selector.unregister(self.process.stdout)
            return
        self.console += data
        self.log.write(data)
        self.log.flush()

    def read_qmp(self):
        try:
            data = self.qmp.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.selector.unregister(self.qmp)
            return
        *lines, self.qmp_text = (self.qmp_text + data).split(b"\n")
        self.events += [json.loads(line) for line in lines if line.strip()]

    def command(self, order, /, **arguments):
        """Give an order to QEMU; it is obeyed even before the guest has begun."""
        text = json.dumps({"execute": order, "arguments": arguments})
        self.qmp.sendall(text.encode() + b"\n")

    def ask(self, order, /, timeout=60, **arguments):
        """Give an order to QEMU and wait until it is obeyed; what it returned."""
        self.asked += 1
        text = json.dumps({"execute": order, "arguments": arguments, "id": self.asked})
        self.qmp.sendall(text.encode() + b"\n")
        end = time.monotonic() + timeout
        while not (found := [event for event in self.events if event.get("id") == self.asked]):
            self.step(end, f"answer to {order}")
        require("return" in found[0], f"QEMU refuses {order}: {found[0]}")
        return found[0]["return"]

    def type(self, keys):
        """On the serial console, as its owner."""
        # The machine may have ended just now.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(keys)
            self.process.stdin.flush()

    def step(self, end, what):
        """Handle what arrives until then; BootError at the deadline."""
        left = end - time.monotonic()
        if left <= 0:
            raise BootError(f"no {what}; the console ends with:\n{self.tail()}")
        for key, _ in self.selector.select(left):
            key.data()

    def ended(self):
        return not self.selector.get_map()

    def wait_text(self, text, timeout=60):
        """Wait until a regular expression matches on the console; the match."""
        pattern = re.compile(text.encode())
        end = time.monotonic() + timeout
        while not (match := pattern.search(self.console)):
            if self.ended():
                raise BootError(f"the machine ended without {text!r}:\n{self.tail()}")
            self.step(end, repr(text))
        return match

    def run_for(self, seconds):
        """Let the machine run on for a while; true while it does."""
        end = time.monotonic() + seconds
        while not self.ended() and time.monotonic() < end:
            for key, _ in self.selector.select(max(0, end - time.monotonic())):
                key.data()
        return not self.ended()

    def wait_end(self, timeout):
        """Wait until the machine is off by itself."""
        end = time.monotonic() + timeout
        while not self.ended():
            self.step(end, "power-off")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        note(f"off after {time.monotonic() - self.begin:.1f} s, {busy:.1f} s of processor time")
        self.finish()

    def kill(self):
        """Cut the power: SIGKILL. What QEMU wrote stays, as with a disk that has no cache."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        while not self.ended():
            self.step(time.monotonic() + 5, "end of the console")
        self.finish()

    def finish(self):
        self.log.close()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.qmp.close()
        if self.tpm:
            self.tpm.stop()

    def reason(self):
        """Why the machine ended, in QMP's words: "guest-shutdown", "guest-reset", or None."""
        reasons = [event["data"]["reason"] for event in self.events
                   if event.get("event") == "SHUTDOWN"]
        return reasons[0] if reasons else None

    def text(self):
        return self.console.decode(errors="replace")

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])

    def results(self):
        """What the guest program sent: a dictionary from order to bytes."""
        data = self.results_path.read_bytes()
        found = {}
        # The firmware may have written to the same port before.
        while match := re.search(rb"@vmtest (.+) (\d+)\n", data):
            end = match.end() + int(match[2])
            found[match[1].decode()] = data[match.end():end]
            data = data[end:]
        return found


def require(condition, text):
    """An assertion that stays with -O and says what it is about."""
    if not condition:
        raise BootError(text)


def note(text):
    print(text, flush=True)
    sys.stdout.flush()
