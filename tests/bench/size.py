# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What cvmroot, systemd-cryptsetup and clevis add to an initrd that has dracut's "crypt" and
"tpm2-tss": dracut runs in one Debian 13 tree, for one kernel, with and without the modules of each,
and the files of the initrds are compared. All bytes of an added file count, and what a file of both
has more; hard links count once. The whole list goes to a file beside the JSON.
"""

import collections
import math
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

from figures import ROOT, Figures, run

sys.path.insert(0, str(ROOT / "tests" / "vm"))

# pylint: disable=wrong-import-position
import artefacts
import cpio

KIB, MIB = 1 << 10, 1 << 20
BINARY_KIB, ADDED_KIB = 350, 3 * 1024

# What the modules of clevis and of the network want: /etc/services is of netbase, ip of iproute2.
PACKAGES = ("clevis", "clevis-dracut", "clevis-luks", "clevis-tpm2", "iproute2", "netbase",
            "systemd-cryptsetup")
PROGRAM = "usr/bin/cvmroot"
LIBCURL, LIBFDISK = "libcurl.so.4", "libfdisk.so.1"
BASE = "base: crypt, tpm2-tss"
COMMON = ("crypt", "tpm2-tss")
OURS, OURS_BROKER = "cvmroot, vTPM only", "cvmroot, broker too"
THEIRS = ("systemd-cryptsetup",)
CLEVIS = (*THEIRS, "clevis", "clevis-pin-tpm2")
# Contender -> modules, and whether a cvmroot among them gets a network. In an initrd with systemd
# clevis answers what systemd-cryptsetup asks, and is nothing without it.
CONTENDERS = {
    BASE: ((), None),
    OURS: (("cvmroot",), "no"),
    OURS_BROKER: (("cvmroot",), "yes"),
    "systemd-cryptsetup": (THEIRS, None),
    "clevis, vTPM only": (CLEVIS, None),
    "clevis, tang too": ((*CLEVIS, "clevis-pin-tang"), None),
}
# dracut would take them by itself, once they are installed.
UNASKED = (*CLEVIS, "clevis-pin-tang", "clevis-pin-null", "clevis-pin-sss")
# As image-tools makes it for an image: no shell, nor any of dracut's usual modules.
ALONE = {"cvmroot alone, vTPM only": (), "cvmroot alone, broker too": ("--network",)}
KINDS = ("programs", "libraries", "kernel modules", "all else")
NAMED = 16 * KIB  # files of at least this size stand in the notes


def dracut(tree, folder, modules, network):
    """An initrd with dracut's usual modules and these; otherwise as image-tools/initrd does it."""
    (folder / "dracut.conf").write_text(f"cvmroot_network={network}\n" if network else "")
    (folder / "dracut.conf.d").mkdir(exist_ok=True)
    kernel = (tree / "usr/lib/modules").iterdir()
    result = subprocess.run(
        ["bash", "-euc", '. "$0"; in_tree "$@"', artefacts.TOOLS / "common.sh", tree, "dracut",
         "--force", "--quiet", "--no-hostonly", "--no-hostonly-cmdline", "--no-early-microcode",
         "--reproducible", "--zstd", "--kver", next(kernel).name, "--conf", "/run/out/dracut.conf",
         "--confdir", "/run/out/dracut.conf.d", "--add", " ".join((*COMMON, *modules)),
         "--omit", " ".join(name for name in UNASKED if name not in modules), "/run/out/initrd"],
        env={**os.environ, "IN_TREE_BIND": str(folder)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False)
    # dracut goes on without what it does not find.
    if result.returncode != 0 or "FAILED" in result.stderr:
        sys.exit(f"dracut with {', '.join((*COMMON, *modules))}: {result.stderr[-1000:]}")
    return Initrd(folder / "initrd")


class Initrd:
    """The regular files of an initrd, as groups of names of one inode."""

    def __init__(self, path):
        self.compressed = path.stat().st_size
        archive = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
        self.names, self.modes, self.sizes = collections.defaultdict(list), {}, {}
        for name, mode, number, size in cpio.members(archive):
            if stat.S_ISREG(mode):
                self.names[number].append(name)
                self.modes[number] = mode
                self.sizes[number] = self.sizes.get(number, 0) + size
        path.unlink()

    def total(self):
        return sum(self.sizes.values())

    def by_name(self):
        return {name: self.sizes[number] for number, names in self.names.items() for name in names}

    def beyond(self, base):
        """Files that @base has not or has smaller: name -> (bytes that are added, kind)."""
        added, before = {}, base.by_name()
        for number, names in self.names.items():
            more = self.sizes[number] - max((before.get(name, 0) for name in names))
            if more or not any(name in before for name in names):
                added[names[0]] = more, kind(names[0], self.modes[number])
        return added


def kind(name, mode):
    if name.startswith("usr/lib/modules/"):
        return "kernel modules"
    if re.search(r"\.so(\.[0-9.]+)?$", name):
        return "libraries"
    return "programs" if mode & 0o111 else "all else"


def real_paths(tree, program):
    """Where the libraries lie that a program or a library loads."""
    return {os.path.relpath(os.path.realpath(tree / path), tree)
            for path in artefacts.find_libraries(tree, program)}


def needed(program):
    lines = [line for line in run("readelf", "--dynamic", program).splitlines()
             if "(NEEDED)" in line]
    return [line.split("[")[1].rstrip("]") for line in lines]


class Libraries:
    """What our program loads at its start, and what it loads with libcurl for a broker."""

    def __init__(self, tree):
        self.tree = tree
        self.named = needed(tree / PROGRAM)
        self.all = real_paths(tree, PROGRAM)
        path = (artefacts.LIBRARIES / LIBCURL).as_posix()
        real = os.path.relpath(os.path.realpath(tree / path), tree)
        self.curl = (real_paths(tree, path) | {real}) - self.all

    def size(self, paths):
        return sum((self.tree / path).stat().st_size for path in paths)

    def add(self, figures):
        for figure, value in (("stripped, KiB", kib((self.tree / PROGRAM).stat().st_size)),
                              ("libraries that it names", len(self.named)),
                              ("libraries with theirs", len(self.all))):
            figures.add("cvmroot, the program", figure, value)
        figures.note(f"the program names {', '.join(self.named)}; it loads {LIBCURL} for a broker "
                     f"and {LIBFDISK} for a partition that is to be grown")
        fdisk = os.path.realpath(self.tree / artefacts.LIBRARIES / LIBFDISK)
        figures.note("against us: an image whose configuration says grow = true, as the one that "
                     "image-tools/bake writes does, gets libfdisk as well, "
                     f"{kib(os.stat(fdisk).st_size)} KiB more")

    def note_curl(self, figures, base):
        here = base.by_name()
        names = ", ".join(f"{pathlib.Path(path).name} {kib(self.size([path]))}"
                          for path in sorted(self.curl))
        figures.note(f"libcurl and what it alone pulls in, {kib(self.size(self.curl))} KiB, not "
                     f"counted in added_kib: {names}; {sum(path in here for path in self.curl)} of "
                     f"{len(self.curl)} are in the base, since tpm2-tss brings libcurl")


def kib(size):
    return math.ceil(size / KIB)


def add_whole(figures, contender, initrd):
    for figure, value in (("whole initrd, files", len(initrd.names)),
                          ("whole initrd, KiB", kib(initrd.total())),
                          ("whole initrd as zstd, KiB", kib(initrd.compressed))):
        figures.add(contender, figure, value)


def add_difference(figures, contender, initrd, base):
    added = initrd.beyond(base)
    figures.add(contender, "added, files", len(added))
    figures.add(contender, "added, KiB", kib(sum(size for size, _ in added.values())))
    for what in KINDS:
        figures.add(contender, f"added, {what}, KiB",
                    kib(sum(size for size, kind_ in added.values() if kind_ == what)))
    figures.add(contender, "added, shared libraries",
                sum(what == "libraries" for _, what in added.values()))
    figures.add(contender, "added to the file as zstd, KiB",
                kib(initrd.compressed - base.compressed))
    return added


def note_files(figures, contender, added):
    large = sorted(((size, name) for name, (size, _) in added.items() if size >= NAMED),
                   reverse=True)
    rest = len(added) - len(large), sum(size for size, _ in added.values() if size < NAMED)
    names = ", ".join(f"{pathlib.Path(name).name} {kib(size)}" for size, name in large)
    figures.note(f"{contender} adds, in KiB: {names}, and {rest[0]} smaller ones {kib(rest[1])}")


def note_network(figures, without, added):
    network = {name: entry for name, entry in added.items() if name not in without}
    parts = [kib(sum(size for size, what in network.values() if what == part))
             for part in ("programs", "kernel modules")]
    figures.note(f"of what {OURS_BROKER!r} adds, systemd-networkd is {parts[0]} KiB and drivers of "
                 f"network cards are {parts[1]} KiB; all else, most of it for the vTPM, too, "
                 f"{kib(sum(size for size, _ in added.values())) - sum(parts)} KiB")


def note_manifest(figures, tree, folder, program):
    """How large it becomes hangs on the root: it is made for the tree itself."""
    used = int(run("du", "-s", "--block-size=1", tree).split()[0])
    image, manifest = folder / "root", folder / "root.manifest"
    with open(image, "wb") as file:
        file.truncate(used + used // 4 + 64 * MIB)
    run("mke2fs", "-q", "-t", "ext4", "-d", tree, image)
    run(program, "manifest", "--output", manifest, image)
    figures.note(f"not counted: root.manifest, {kib(manifest.stat().st_size)} KiB for an ext4 with "
                 f"the {used // MIB} MiB of this tree")


def write_list(path, lists):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        for contender, added in lists.items():
            print(f"{contender}:", file=file)
            for name, (size, what) in sorted(added.items()):
                print(f"{size:10} {what:14} {name}", file=file)


def make_tree(tree):
    artefacts.image_tool("tree", "--include", ",".join(PACKAGES), "trixie", tree)


def measure_in(arguments, figures, folder):
    tree = folder / "tree"
    make_tree(tree)
    artefacts.image_tool("install-tree", arguments.build, tree)
    libraries = Libraries(tree)
    lists, base = {}, None
    for contender, (modules, network) in CONTENDERS.items():
        initrd = dracut(tree, folder, modules, network)
        add_whole(figures, contender, initrd)
        if contender == BASE:
            base = initrd
            continue
        lists[contender] = add_difference(figures, contender, initrd, base)
    for contender, options in ALONE.items():
        artefacts.image_tool("initrd", *options, tree, folder / "initrd")
        add_whole(figures, contender, Initrd(folder / "initrd"))
    for contender, added in lists.items():
        note_files(figures, contender, added)
    write_list(pathlib.Path(arguments.json).with_suffix(".files"), lists)
    libraries.add(figures)
    libraries.note_curl(figures, base)
    note_network(figures, lists[OURS], lists[OURS_BROKER])
    note_manifest(figures, tree, folder, pathlib.Path(arguments.build) / "src/cli/cvmroot")
    figures.note("one round: dracut makes the same initrd each time. The program is the release "
                 "build of this machine, installed and stripped as images for virtual machines "
                 "have it")
    figures.reach("binary_kib", kib((tree / PROGRAM).stat().st_size), BINARY_KIB)
    figures.reach("added_kib", kib(sum(size for name, (size, _) in lists[OURS_BROKER].items()
                                       if name not in libraries.curl)), ADDED_KIB)


def measure(arguments):
    figures = Figures("size")
    # Beside the build: there is room for a tree.
    with tempfile.TemporaryDirectory(dir=arguments.build, prefix="bench-size-") as name:
        measure_in(arguments, figures, pathlib.Path(name).resolve())
    return figures


def add_options(_):
    pass
