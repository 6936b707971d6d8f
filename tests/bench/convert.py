# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Our converter and "cryptsetup reencrypt --encrypt" take turns over the same ext4 image, with 100, 25
and 5 percent of it used, on tmpfs and on the local disk. Ours verifies every byte against the
manifest. The last line gives the ratios of the medians on tmpfs.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

from figures import Figures, run

MIB = 1 << 20
TAIL = 32 * MIB
SHARES = (("full", 1.0), ("quarter", 0.25), ("sparse", 0.05))
# pbkdf2 with few rounds: the time of the key derivation shall not be in our favour.
REENCRYPT = ("reencrypt", "--encrypt", "--type", "luks2", "--sector-size", "4096",
             "--reduce-device-size", "32M", "--batch-mode", "--pbkdf", "pbkdf2",
             "--pbkdf-force-iterations", "1000")
TARGETS = {"full": 0.95, "quarter": 0.30, "sparse": 0.12}


def size(text):
    units = {"M": MIB, "G": 1024 * MIB}
    if text[-1:] not in units:
        raise argparse.ArgumentTypeError("a size ends with M or G")
    return int(text[:-1]) * units[text[-1]]


class Bench:
    def __init__(self, arguments, folder):
        self.driver = os.path.join(arguments.build, "tests/bench/convert_bench")
        self.size = arguments.size
        self.runs = arguments.runs
        self.threads = str(arguments.threads)
        self.folder = folder
        self.key = os.path.join(folder, "key")
        with open(self.key, "wb") as file:
            file.write(os.urandom(32))

    def ours(self, what, image, manifest):
        """Seconds, and peak memory in MiB."""
        seconds, memory = run(self.driver, what, image, manifest, self.threads).split()[:2]
        return float(seconds), int(memory) / 1024

    def theirs(self, image):
        start = time.monotonic()
        run("cryptsetup", *REENCRYPT, "--key-file", self.key, image)
        return time.monotonic() - start

    def make_file_system(self, tree, image, manifest):
        """An ext4 of the whole size; returns its used bytes."""
        with open(image, "wb") as file:
            file.truncate(self.size)
        run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-b", "4096", "-N", "16384", "-J", "size=16",
            "-d", tree, image)
        return int(run(self.driver, "manifest", image, manifest, self.threads))

    def make_image(self, share, image, manifest):
        """Random data in files until @share of the file system is used."""
        with tempfile.TemporaryDirectory(dir=self.folder) as tree:
            left = int(self.size * share) - self.make_file_system(tree, image, manifest) - 2 * MIB
            number = 0
            while left > 0:
                with open(os.path.join(tree, f"{number}"), "wb") as file:
                    file.write(os.urandom(min(left, 8 * MIB)))
                left -= 8 * MIB
                number += 1
            used = self.make_file_system(tree, image, manifest)
        os.truncate(image, self.size + TAIL)
        return used

    def fresh(self, image, work):
        """A copy with every block allocated, as on a disk, and nothing left to be written back."""
        run("cp", "--sparse=never", image, work)
        fd = os.open(work, os.O_RDWR)
        os.fsync(fd)
        os.close(fd)

    def measure(self, figures, name, image, manifest, work):
        for _ in range(self.runs):
            self.fresh(image, work)
            for what, contender in (("verify", "cvmroot, check before first write"),
                                    ("copy", "read and write, nothing else"),
                                    ("convert", "cvmroot, convert")):
                seconds, memory = self.ours(what, work, manifest)
                figures.add(contender, f"{name}, s", seconds)
                if what == "convert":
                    figures.add(contender, f"{name}, peak memory, MiB", memory)
            self.fresh(image, work)
            figures.add("cryptsetup reencrypt", f"{name}, s", self.theirs(work))
            os.unlink(work)


def is_tmpfs(folder):
    return run("stat", "-f", "-c", "%T", folder).strip() == "tmpfs"


def explain(figures, name, used, total):
    ours, bare = (figures.median(contender, f"{name}, s")
                  for contender in ("cvmroot, convert", "read and write, nothing else"))
    figures.note(f"{name}: {used // MIB} of {total // MIB} MiB used, {100 * bare / ours:.0f} % of "
                 f"the physical limit, {used / MIB / ours:.0f} MiB/s")


def measure(arguments):
    if not shutil.which("cryptsetup") or not shutil.which("mke2fs"):
        sys.exit("the benchmark needs cryptsetup and mke2fs (e2fsprogs)")
    figures = Figures("convert")
    for place in arguments.dir or ["/dev/shm", "/var/tmp"]:
        with tempfile.TemporaryDirectory(dir=place, prefix="cvmroot-bench-") as folder:
            bench = Bench(arguments, folder)
            image, manifest, work = (os.path.join(folder, name)
                                     for name in ("image", "manifest", "work"))
            for share, part in SHARES:
                name = f"{share} on {'tmpfs' if is_tmpfs(place) else 'disk'}"
                used = bench.make_image(part, image, manifest)
                bench.measure(figures, name, image, manifest, work)
                explain(figures, name, used, arguments.size)
                if is_tmpfs(place):
                    figures.reach(share, figures.ratio("cvmroot, convert", "cryptsetup reencrypt",
                                                       f"{name}, s"), TARGETS[share])
    if not figures.line:
        sys.exit("no folder was on tmpfs: no figures to compare")
    return figures


def add_options(parser):
    parser.add_argument("--size", type=size, default=2048 * MIB, help="of the file system: 2G")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", action="append", help="folder to work in; may be repeated")
    parser.add_argument("--threads", type=int, default=0,
                        help="0: as many as the converter chooses")
