# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What a first boot does to the disk, beside "cryptsetup reencrypt --encrypt", on the same partition:
a loop device over a file, as fast as it goes, and behind a QEMU block layer that lets 200 MB/s
through, reading and writing together. Ours checks every used byte against the manifest before its
first write, and encrypts nothing that was not checked. The last line gives the ratio of the medians
without the throttle, and with it our median over the time that the used bytes need, read once and
written once.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import mmap
import os
import pathlib
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time

import convert
import guest_encrypt
from convert import MIB, TAIL, size
from figures import ROOT, Figures, progress, run

LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception"
RATE = 200_000_000  # bytes per second, read and written together
OURS, THEIRS = "cvmroot", "cryptsetup reencrypt"
FLOOR = "read and write the used bytes, nothing else"
TWICE = "cvmroot, with nothing kept in memory"
WARM = "cvmroot, with memory that was in use just before"
TOUCHING = "touching that memory, s"
FREE, THROTTLED = "unthrottled", f"at {RATE // 1_000_000} MB/s"
TARGETS = {"vs_cryptsetup": 0.2, "vs_limit": 1.1}


# ---- The disk ----

@contextlib.contextmanager
def daemon(*command):
    """qemu-storage-daemon: ready when its first process has ended."""
    with tempfile.NamedTemporaryFile(mode="r", prefix="cvmroot-bench-") as pid:
        run(*command, "--daemonize", "--pidfile", pid.name)
        process = os.pidfd_open(int(pid.read()))
    try:
        yield
    finally:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        select.select([process], [], [])
        os.close(process)


@contextlib.contextmanager
def bridge(socket, mount):
    """nbdfuse: ready when it says its number."""
    ready = mount.parent.with_suffix(".ready")
    os.mkfifo(ready)
    pipe = os.open(ready, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(["nbdfuse", "--pidfile", ready, mount, "--unix", socket]) as process:
        if not select.select([pipe], [], [], 30)[0]:
            process.kill()
            sys.exit("nbdfuse does not come up")
        try:
            yield
        finally:
            # What it still has to write comes first, whatever has the file open.
            run("fusermount3", "-u", "-z", mount.parent)
    os.close(pipe)
    ready.unlink()


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
    server = f"addr.type=unix,addr.path={socket},max-connections=0"
    with daemon("qemu-storage-daemon", *options, "--nbd-server", server,
                "--export", json.dumps(export)), bridge(socket, mount):
        yield mount
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

    def floor(self, device):
        run(self.converter.driver, "copy", device, self.manifest, self.converter.threads)
        return {}

    def twice(self, device):
        """As where there is too little memory: the conversion reads and hashes all of it again."""
        for step in "verify", "convert":
            run(self.converter.driver, step, device, self.manifest, self.converter.threads)
        return {}

    def touch_memory(self):
        """
        As much as the image that is kept: the kernel clears the pages, and a hypervisor that has
        not given them yet gives them now. Seconds of one processor.
        """
        with mmap.mmap(-1, self.used, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.madvise(mmap.MADV_HUGEPAGE)
            start = time.monotonic()
            for offset in range(0, self.used, mmap.PAGESIZE):
                memory[offset] = 1
            return time.monotonic() - start

    def once(self, contender, speed):
        """Seconds of one conversion of a fresh disk until it is flushed, and figures beside."""
        self.converter.fresh(self.image, self.work)
        touched = {TOUCHING: self.touch_memory()} if contender == WARM else {}
        with disk(self.work, speed) as loop:
            start = time.monotonic()
            more = {OURS: self.ours, THEIRS: self.theirs, FLOOR: self.floor,
                    TWICE: self.twice, WARM: self.ours}[contender](loop.device)
            run("blockdev", "--flushbufs", loop.device)
            seconds = time.monotonic() - start
            more.update(loop.counted(), **touched)
        self.work.unlink()
        progress(f"  {contender}, {speed}: {seconds:.1f} s")
        return seconds, more

    def measure(self, figures, contender, speed):
        seconds, more = self.once(contender, speed)
        figures.add(contender, f"{speed}, s", seconds)
        for name, value in more.items():
            figures.add(contender, f"{speed}, {name}", value)


def contenders(number):
    """They take turns in going first."""
    return (OURS, THEIRS) if number % 2 == 0 else (THEIRS, OURS)


def hash_seconds(size):
    """Of one processor, for SHA-256 of that many bytes by the library that cvmroot uses."""
    data = os.urandom(64 * MIB)
    start = time.process_time()
    hashlib.sha256(data).digest()
    return (time.process_time() - start) * size / len(data)


def explain(figures, used):
    """Where the time goes, and the least that it can be."""
    seconds = figures.median(OURS, f"{THROTTLED}, s")
    check = figures.median(OURS, f"{THROTTLED}, check before the first write, s")
    moved = sum(figures.median(OURS, f"{THROTTLED}, {name}")
                for name in ("read, MiB", "written, MiB")) * MIB
    limit = 2 * used / RATE
    figures.note(f"the limit: {used / MIB:.0f} used MiB, read once and written once, take "
                 f"{limit:.2f} s at the throttle; the conversion alone takes "
                 f"{seconds - check:.2f} s, {(seconds - check) / limit:.2f} of it")
    figures.note(f"the check before the first write takes {check:.2f} of {seconds:.2f} s; what it "
                 "read stays in memory, so that the conversion reads nothing. With too little "
                 "memory for that, vs_limit is up to 1.5 (check-first = false leaves the check "
                 f"out). All that went to and from the disk needs {moved / RATE:.2f} s")
    hashing = hash_seconds(used)
    free, check = (figures.median(OURS, f"{FREE}, {name}")
                   for name in ("s", "check before the first write, s"))
    theirs, floor, twice, warm = (figures.median(name, f"{FREE}, s")
                                  for name in (THEIRS, FLOOR, TWICE, WARM))
    touched = figures.median(WARM, f"{FREE}, {TOUCHING}")
    figures.note(f"unthrottled the check takes {check:.2f} of {free:.2f} s, and the conversion the "
                 f"rest: {(free - check) / theirs:.2f} of cryptsetup's time, which checks nothing. "
                 f"To read and write the used bytes and no more is {floor / theirs:.2f} of it. "
                 f"SHA-256 of them takes {hashing:.2f} s of one processor; load average "
                 f"{os.getloadavg()[1]:.1f}")
    figures.note("most of the check is the memory for what is kept: to touch as much takes "
                 f"{touched:.2f} s of one processor where the hypervisor has to give it first. In "
                 f"memory that was in use just before, a first boot takes {warm:.2f} s, "
                 f"{warm / theirs:.3f} of cryptsetup's time; with nothing kept, {twice:.2f} s, "
                 f"{twice / theirs:.3f} of it. Kept it is for the disks that clouds have: at the "
                 f"throttle, reading twice costs {used / RATE:.1f} s more")


def measure_native(arguments, figures):
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cvmroot-bench-") as folder:
        bench = Bench(arguments, folder, arguments.used, arguments.size)
        bench.make_image()
        for number in range(arguments.runs):
            for speed in FREE, THROTTLED:
                for contender in contenders(number):
                    bench.measure(figures, contender, speed)
            for contender in FLOOR, TWICE, WARM:
                bench.measure(figures, contender, FREE)
    explain(figures, bench.used)
    figures.note("both work on a loop device with direct I/O, and are done when it is flushed; "
                 "cryptsetup with sectors of 4096 bytes and 1000 rounds of PBKDF2")
    figures.note("read, written and flushed as the kernel counts it at the device; zeros that the "
                 "device is told to make are written bytes there")
    figures.reach("vs_cryptsetup", figures.ratio(OURS, THEIRS, f"{FREE}, s"),
                  TARGETS["vs_cryptsetup"])
    figures.reach("vs_limit", figures.median(OURS, f"{THROTTLED}, s") / (2 * bench.used / RATE),
                  TARGETS["vs_limit"])


# ---- Over sizes ----

SWEEPS = {"unthrottled": (FREE,), "throttled": (THROTTLED,), "both": (FREE, THROTTLED)}


def sweep(arguments, figures, title, sizes):
    """Times over (used, partition) in MiB; the figure's name says both."""
    for used, partition in sizes:
        with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="cvmroot-bench-") as folder:
            bench = Bench(arguments, folder, used * MIB, partition * MIB)
            bench.make_image()
            for number in range(arguments.runs):
                for speed in SWEEPS[arguments.sweep]:
                    for contender in contenders(number):
                        seconds = bench.once(contender, speed)[0]
                        figures.add(contender, f"{speed}, {title}, {used} of {partition} MiB "
                                    "used, s", seconds)


def measure_sweep(arguments, figures):
    used, partition = arguments.used // MIB, arguments.size // MIB
    sweep(arguments, figures, PLOTS[0].title,
          [(part, partition) for part in (used // 8, used // 4, used // 2, used, used * 2)])
    sweep(arguments, figures, PLOTS[1].title,
          [(used, whole) for whole in (partition // 4, partition // 2, partition, partition * 2)])


@dataclasses.dataclass
class Plot:
    title: str
    column: int  # of the two numbers in a figure's name: what the horizontal axis shows
    axis: str


PLOTS = (Plot("over used bytes", 0, "used, GiB"), Plot("over sizes", 1, "partition, GiB"))
# gnuplot's colour of the line and kind of the points.
STYLES = {(OURS, FREE): "lc rgb '#58a5e0' pt 6", (OURS, THROTTLED): "lc rgb '#0050a0' pt 7",
          (THEIRS, FREE): "lc rgb '#f08a50' pt 4", (THEIRS, THROTTLED): "lc rgb '#b03000' pt 5"}


def curve(figures, plot, contender, speed):
    """Horizontal, median, least and most of each point, as gnuplot reads them."""
    name = re.compile(rf"{re.escape(speed)}, {plot.title}, (\d+) of (\d+) MiB used, s")
    points = []
    for figure, values in figures.series[contender].items():
        if match := name.fullmatch(figure):
            points.append((int(match[1 + plot.column]) / 1024, statistics.median(values),
                           min(values), max(values)))
    return "\n".join(" ".join(map(str, point)) for point in sorted(points))


def draw(figures, arguments, path):
    """Two plots beside each other, as SVG."""
    fixed = (f"partition of {arguments.size / MIB / 1024:g} GiB",
             f"{arguments.used / MIB / 1024:g} GiB used")
    script = ["set terminal svg size 1000,520 font 'sans,13' background 'white'",
              f"set output '{path}'", "set multiplot layout 1,2", "set grid lc rgb '#dddddd'",
              "set key outside below center vertical maxcols 1 Left reverse samplen 2",
              "set xrange [0:*]", "set ylabel 'time, s'", "set border 3", "set tics nomirror out"]
    # Throttled and not lie too far apart for one scale.
    script.append("set logscale y" if arguments.sweep == "both" else "set yrange [0:*]")
    for plot, title in zip(PLOTS, fixed):
        script += [f"set title 'first boot, {title}'", f'set xlabel "{plot.axis}\\n" offset 0,0.5']
        lines = []
        for index, ((contender, speed), style) in enumerate(STYLES.items()):
            if speed not in SWEEPS[arguments.sweep]:
                continue
            block = f"$data{PLOTS.index(plot)}{index}"
            script += [f"{block} << EOD", curve(figures, plot, contender, speed), "EOD"]
            lines.append(f"{block} using 1:2:3:4 with yerrorlines lw 1.6 {style} ps 0.7 "
                         f"title '{contender}, {speed}'")
        script.append("plot " + ", ".join(lines))
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)
    tidy(pathlib.Path(path))


def tidy(path):
    """A licence, and lines as short as every file's here; XML takes a line feed for a space."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    result = [head, f"<!-- {LICENCE} -->"]
    for line in lines:
        result += textwrap.wrap(line, 100, break_on_hyphens=False, break_long_words=False) \
            if len(line.expandtabs()) > 100 else [line.rstrip()]
    path.write_text("\n".join(result) + "\n", encoding="utf-8")


def require_tools(arguments):
    tools = {"cryptsetup": "cryptsetup-bin", "mke2fs": "e2fsprogs", "losetup": "mount",
             "blockdev": "util-linux", "qemu-storage-daemon": "qemu-utils",
             "nbdfuse": "libnbd-bin", "fusermount3": "fuse3"}
    if arguments.sweep:
        tools["gnuplot"] = "gnuplot-nox"
    for name, package in tools.items():
        if not shutil.which(name):
            sys.exit(f"the benchmark needs {name} (Debian package {package})")


def require_room(arguments):
    """For the largest disk, and the image beside it."""
    need = (2 if arguments.sweep else 1) * (arguments.size + 2 * arguments.used)
    free = shutil.disk_usage(arguments.dir).free
    if convert.is_tmpfs(arguments.dir):
        memory = pathlib.Path("/proc/meminfo").read_text()
        free = min(free, int(re.search(r"MemAvailable:\s*(\d+)", memory)[1]) * 1024)
    if free < need:
        sys.exit(f"{arguments.dir} has room for {free // MIB} MiB, and {need // MIB} MiB are "
                 "needed: name another folder with --dir")


def measure(arguments):
    require_tools(arguments)
    require_room(arguments)
    figures = Figures("first-boot")
    measure_native(arguments, figures)
    if arguments.guest_runs:
        guest_encrypt.measure_guests(figures, arguments, {FREE: False, THROTTLED: True}, RATE)
    if arguments.sweep:
        measure_sweep(arguments, figures)
        # It took long: not to be lost with a plot that fails.
        figures.save(arguments.json)
        draw(figures, arguments, arguments.plot)
    return figures


def add_options(parser):
    parser.add_argument("--size", type=size, default=8192 * MIB, help="of the partition: 8G")
    parser.add_argument("--used", type=size, default=1024 * MIB, help="of its file system: 1G")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--guest-runs", type=int, default=2, help="0: outside of guests only")
    parser.add_argument("--guest-size", type=size, default=1024 * MIB,
                        help="of the guest's partition: 1G")
    parser.add_argument("--guest-used", type=size, default=128 * MIB, help="of it: 128M")
    parser.add_argument("--sweep", nargs="?", const="unthrottled", choices=SWEEPS,
                        help="also over sizes: used bytes from an eighth of --used to twice, "
                        "partitions from a quarter of --size to twice; and the plot of that")
    parser.add_argument("--plot", default=str(ROOT / "tests" / "bench" / "first-boot.svg"),
                        help="where --sweep draws: tests/bench/first-boot.svg")
    parser.add_argument("--dir", default="/dev/shm",
                        help="folder for the disk, with room for its whole size: /dev/shm")
    parser.add_argument("--threads", type=int, default=0,
                        help="0: as many as the converter chooses")
