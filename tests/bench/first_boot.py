# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What a first boot does to the disk, beside "cryptsetup reencrypt --encrypt", on the same partition:
a loop device over a file, as fast as it goes, and behind a QEMU block layer that lets 200 MB/s
through, reading and writing together. Ours checks every used byte against the manifest before its
first write, and again while it converts. The last line gives the ratio of the medians without the
throttle, and with it our median over the time that the used bytes need, read once and written once.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import convert
from convert import MIB, TAIL, size
from figures import ROOT, Figures, run

HELP = "a first boot beside cryptsetup reencrypt, with and without a throttled disk"
RATE = 200_000_000  # bytes per second, read and written together
OURS, THEIRS = "cvmroot", "cryptsetup reencrypt"
FREE, THROTTLED = "unthrottled", f"at {RATE // 1_000_000} MB/s"
TARGETS = {"vs_cryptsetup": 0.2, "vs_limit": 1.1}


def progress(sentence):
    print(sentence, file=sys.stderr, flush=True)


def wait_until(done, what, seconds=30):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            sys.exit(f"no {what} after {seconds} s")
        time.sleep(0.05)


# ---- The disk ----

@contextlib.contextmanager
def running(*command):
    with subprocess.Popen(list(map(str, command))) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextlib.contextmanager
def throttled(image):
    """
    The file again, with no more than RATE going through. By NBD and FUSE: QEMU's own FUSE export
    (seen with 10.0) mixes up the data of requests that come at once.
    """
    folder = image.with_suffix(".throttled")
    folder.mkdir()
    socket, mount = image.with_suffix(".socket"), folder / "disk"
    group = {"qom-type": "throttle-group", "id": "limit", "limits": {"bps-total": RATE}}
    options = ["--object", json.dumps(group)]
    for node in ({"driver": "file", "node-name": "file", "filename": str(image),
                  "cache": {"direct": True}, "discard": "unmap"},
                 {"driver": "throttle", "node-name": "disk", "throttle-group": "limit",
                  "file": "file", "discard": "unmap"}):
        options += ["--blockdev", json.dumps(node)]
    export = {"type": "nbd", "id": "export", "node-name": "disk", "name": "", "writable": True}
    with running("qemu-storage-daemon", *options, "--nbd-server", f"addr.type=unix,"
                 f"addr.path={socket},max-connections=0", "--export", json.dumps(export)):
        wait_until(socket.exists, "socket of qemu-storage-daemon")
        with running("nbdfuse", mount, "--unix", socket) as bridge:
            try:
                wait_until(mount.exists, "file of nbdfuse")
                yield mount
            finally:
                run("fusermount3", "-u", folder)
                bridge.wait()
    folder.rmdir()
    socket.unlink(missing_ok=True)


class Loop:
    """A loop device without a cache of its own below it, and what it counted."""

    def __init__(self, image):
        self.device = run("losetup", "--find", "--show", "--direct-io=on", image).strip()
        self.begin = self.counters()

    def counters(self):
        """The kernel's Documentation/block/stat."""
        path = pathlib.Path("/sys/block") / os.path.basename(self.device) / "stat"
        numbers = [int(word) for word in path.read_text().split()]
        return {"read, MiB": numbers[2] * 512 / MIB, "written, MiB": numbers[6] * 512 / MIB,
                "flushes": numbers[15]}

    def counted(self):
        return {name: value - self.begin[name] for name, value in self.counters().items()}

    def detach(self):
        run("losetup", "--detach", self.device)


@contextlib.contextmanager
def disk(image, speed):
    with contextlib.ExitStack() as stack:
        loop = Loop(stack.enter_context(throttled(image)) if speed == THROTTLED else image)
        stack.callback(loop.detach)
        yield loop


# ---- The contenders ----

class Bench:
    def __init__(self, arguments, folder, used, partition):
        self.folder, self.used, self.partition = pathlib.Path(folder), used, partition
        self.image, self.manifest, self.work = (self.folder / name
                                                for name in ("image", "manifest", "work"))
        self.converter = convert.Bench(
            argparse.Namespace(build=arguments.build, size=partition - TAIL, runs=0,
                               threads=arguments.threads), folder)

    def make_image(self):
        progress(f"an image with {self.used // MIB} of {self.partition // MIB} MiB used")
        self.used = self.converter.make_image(self.used / (self.partition - TAIL),
                                              str(self.image), str(self.manifest))

    def ours(self, device):
        words = run(self.converter.driver, "first-boot", device, self.manifest,
                    self.converter.threads).split()
        return {"check before the first write, s": float(words[2]),
                "peak memory, MiB": int(words[1]) / 1024}

    def theirs(self, device):
        self.converter.theirs(device)
        return {}

    def measure(self, figures, contender, speed, counts=True):
        """One conversion of a fresh disk, until all of it has left every cache."""
        self.converter.fresh(self.image, self.work)
        with disk(self.work, speed) as loop:
            start = time.monotonic()
            more = (self.ours if contender == OURS else self.theirs)(loop.device)
            run("blockdev", "--flushbufs", loop.device)
            seconds = time.monotonic() - start
            if counts:
                more.update(loop.counted())
        self.work.unlink()
        progress(f"  {contender}, {speed}: {seconds:.1f} s")
        figures.add(contender, f"{speed}, s", seconds)
        for name, value in more.items():
            figures.add(contender, f"{speed}, {name}", value)
        return seconds


def contenders(number):
    """They take turns in going first."""
    return (OURS, THEIRS) if number % 2 == 0 else (THEIRS, OURS)


def explain(figures, used):
    """Where the time goes at the throttle, and the least that it can be."""
    seconds = figures.median(OURS, f"{THROTTLED}, s")
    check = figures.median(OURS, f"{THROTTLED}, check before the first write, s")
    moved = sum(figures.median(OURS, f"{THROTTLED}, {name}")
                for name in ("read, MiB", "written, MiB")) * MIB
    figures.note(f"{used / MIB:.0f} MiB are used: reading them takes {used / RATE:.2f} s at the "
                 f"throttle, reading and writing them {2 * used / RATE:.2f} s")
    figures.note(f"at the throttle, of {seconds:.2f} s the check before the first write takes "
                 f"{check:.2f} s, the conversion {seconds - check:.2f} s; all that went to and "
                 f"from the disk takes {moved / RATE:.2f} s there")


def measure_native(arguments, figures):
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cvmroot-bench-") as folder:
        bench = Bench(arguments, folder, arguments.used, arguments.size)
        bench.make_image()
        for number in range(arguments.runs):
            for speed in FREE, THROTTLED:
                for contender in contenders(number):
                    bench.measure(figures, contender, speed)
    explain(figures, bench.used)
    figures.note("both work on a loop device with direct I/O, and are done when it is flushed; "
                 "cryptsetup with sectors of 4096 bytes and 1000 rounds of PBKDF2")
    figures.note("read, written and flushed as the kernel counts it at the device; zeros that the "
                 "device is told to make are written bytes there")
    figures.reach("vs_cryptsetup", figures.ratio(OURS, THEIRS, f"{FREE}, s"),
                  TARGETS["vs_cryptsetup"])
    figures.reach("vs_limit", figures.median(OURS, f"{THROTTLED}, s") / (2 * bench.used / RATE),
                  TARGETS["vs_limit"])


def require_tools():
    tools = {"cryptsetup": "cryptsetup-bin", "mke2fs": "e2fsprogs", "losetup": "mount",
             "blockdev": "util-linux", "qemu-storage-daemon": "qemu-utils",
             "nbdfuse": "libnbd-bin", "fusermount3": "fuse3"}
    for name, package in tools.items():
        if not shutil.which(name):
            sys.exit(f"the benchmark needs {name} (Debian package {package})")


def measure(arguments):
    require_tools()
    figures = Figures("first-boot")
    measure_native(arguments, figures)
    return figures


def add_options(parser):
    parser.add_argument("--size", type=size, default=8192 * MIB, help="of the partition: 8G")
    parser.add_argument("--used", type=size, default=1024 * MIB, help="of its file system: 1G")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", default="/dev/shm",
                        help="folder for the disk, with room for its whole size: /dev/shm")
    parser.add_argument("--threads", type=int, default=0,
                        help="0: as many as the converter chooses")
