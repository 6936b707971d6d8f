# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
What the benchmarks boot: Debian 13 with the tools that people use today beside cvmroot. Made from
one root tree, so that kernel, libraries and systemd are the same for all of them.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from figures import ROOT, progress

sys.path.insert(0, str(ROOT / "tests" / "vm"))

# pylint: disable=wrong-import-position
import artefacts
import machine
from vtpm import VirtualTpm

PACKAGES = ("systemd-cryptsetup", "cryptsetup-bin", "tpm2-tools", "clevis-luks", "clevis-tpm2",
            "clevis-systemd", "clevis-dracut", "libtss2-tcti-device0t64")
# Of dracut, beside its usual ones. What it leaves out without them would fail in the guest.
MODULES = "crypt tpm2-tss systemd-cryptsetup clevis clevis-pin-tpm2"
DRIVERS = "tpm_crb virtio_pci virtio_blk virtio_net dm_crypt xts aesni_intel sha256 ext4 virtio_rng"
# For enrolling, which no initrd does by itself.
PROGRAMS = ("/usr/bin/systemd-cryptenroll", "/usr/sbin/cryptsetup", "/usr/sbin/dmsetup",
            "/usr/bin/clevis-luks-bind", "/usr/bin/clevis-luks-unlock",
            "/usr/bin/clevis-encrypt-tpm2", "/usr/bin/tpm2_create", "/usr/bin/tpm2_pcrread",
            "/usr/bin/tpm2_createpolicy", "/usr/bin/tpm2_createprimary", "/usr/bin/pwmake",
            "/usr/bin/udevadm", "/usr/bin/env", "/usr/bin/bash")
STOCK = f"""hostonly=no
hostonly_cmdline=no
add_dracutmodules+=" {MODULES} "
omit_dracutmodules+=" cvmroot "
add_drivers+=" {DRIVERS} "
"""


@dataclasses.dataclass
class Guests(artefacts.Suite):
    """The suite's own initrd with cvmroot, and beside it:"""

    @property
    def stock(self):
        """dracut's usual initrd with systemd-cryptsetup, clevis and what both need."""
        return self.folder / "stock"

    @property
    def cvmroot(self):
        """cvmroot and its libraries, to be laid over that."""
        return self.folder / "cvmroot"

    @property
    def packages(self):
        """Versions of what takes part."""
        return dict(line.split() for line in (self.folder / "packages").read_text().splitlines())


def in_tree(tree, out, *command):
    """Run a command in a root tree as the image tools do, with a folder as /run/out."""
    script = '. "$0"; tree=$1; export IN_TREE_BIND=$2; shift 2; in_tree "$tree" "$@"'
    return subprocess.run(["bash", "-euc", script, str(artefacts.TOOLS / "common.sh"), str(tree),
                           str(out), *command], check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE).stdout


def make_stock(tree, folder):
    kernel = next((tree / "usr/lib/modules").iterdir()).name
    present = [path for path in PROGRAMS if os.path.lexists(tree / path.lstrip("/"))]
    configuration = folder / "stock.conf"
    configuration.write_text(STOCK + f'install_items+=" {" ".join(present)} "\n')
    (folder / "stock.conf.d").mkdir()
    in_tree(tree, folder, "dracut", "--force", "--quiet", "--no-early-microcode", "--zstd",
            "--kver", kernel, "--conf", "/run/out/stock.conf", "--confdir", "/run/out/stock.conf.d",
            "/run/out/stock")


def copy_cvmroot(tree, folder):
    program = pathlib.Path("usr/bin/cvmroot")
    # Opened at run time: see dracut-module.
    more = (tree / artefacts.LIBRARIES).glob("libtss2-tcti-device*")
    for path in [program, *(path.relative_to(tree) for path in more),
                 *artefacts.find_libraries(tree, program)]:
        target = folder / os.path.relpath(os.path.realpath(tree / path.parent), tree) / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(tree / path), target)


def make(folder):
    tree = folder / "tree"
    artefacts.image_tool("tree", "--include", ",".join(PACKAGES), "trixie", tree)
    artefacts.image_tool("install-tree", artefacts.BUILD, tree)
    artefacts.image_tool("initrd", tree, folder / "initrd")
    artefacts.image_tool("initrd", "--network", tree, folder / "network-initrd")
    make_stock(tree, folder)
    copy_cvmroot(tree, folder / "cvmroot")
    shutil.copy(next((tree / "boot").glob("vmlinuz-*")), folder / "kernel")
    (folder / "packages").write_bytes(in_tree(
        tree, folder, "dpkg-query", "-W", "-f", "${Package} ${Version}\n"))
    shutil.rmtree(tree)


def prepare():
    """Cached by the build and everything that goes in, as the suite vm does it."""
    key = artefacts.content_key(artefacts.CVMROOT, artefacts.TOOLS, ROOT / "dracut-module",
                                ROOT / "units", pathlib.Path(__file__))
    folder = artefacts.CACHE / f"bench-trixie-{key}"
    with artefacts.locked("bench-trixie"):
        if not folder.is_dir():
            artefacts.remove_old("bench-trixie-*")
            scratch = artefacts.CACHE / "bench-trixie-new"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            make(scratch)
            scratch.rename(folder)
    return Guests("trixie", folder)


def use_work_folder():
    """What the virtual machines' modules write, apart from that suite's own; their words too."""
    artefacts.WORK = artefacts.BUILD / "bench-work"
    machine.note = progress
