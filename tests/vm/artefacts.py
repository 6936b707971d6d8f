# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What the boots need and what takes long to make, kept in a cache folder by content."""

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

import disk

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
TOOLS = ROOT / "image-tools"
CVMROOT = BUILD / "src" / "cli" / "cvmroot"
GUEST = BUILD / "tests" / "vm" / "guest"
TEE_SIM = BUILD / "tests" / "tee-sim" / "tee-sim"
WORK = BUILD / "vm-work"
# What is laid over the initrd of a boot in a run without a defence: see tests/attack.
PROGRAM = None
OVERLAY = {}
CACHE = pathlib.Path(os.environ.get("CVMROOT_CACHE") or "/var/cache/cvmroot")

# Stock programs that a rescue boot puts beside the initrd.
RESCUE_PROGRAMS = ("usr/sbin/cryptsetup", "usr/sbin/dmsetup", "usr/lib/systemd/systemd-pcrextend")
SYSTEMD_CRYPTSETUP = ("usr/bin/systemd-cryptsetup", "usr/lib/systemd/systemd-cryptsetup")
# Since Debian 13 systemd-cryptsetup is a package of its own.
EXTRA_PACKAGES = {"trixie": ("--include", "systemd-cryptsetup")}
LIBRARIES = pathlib.Path("usr/lib/x86_64-linux-gnu")
# No initrd of a user needs it: for the simulated /dev/sev-guest.
SIMULATOR_MODULES = ("fs/fuse/cuse",)
# Nor these, which make a header without a cipher work: what an attacker would wish to find.
NULL_CIPHER_MODULES = ("crypto/crypto_null", "crypto/af_alg", "crypto/algif_skcipher")


@contextlib.contextmanager
def locked(name):
    """One process at a time makes what goes by this name."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def content_key(*paths):
    """A name for the contents of files and folders."""
    total = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if not file.is_dir():
                total.update(f"{file.relative_to(ROOT)} {file.stat().st_mode:o}\n".encode())
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


@dataclasses.dataclass
class Suite:
    """A distribution's kernel, its initrd with cvmroot in it, and stock programs for a rescue."""
    name: str
    folder: pathlib.Path

    @property
    def kernel(self):
        return self.folder / "kernel"

    @property
    def initrd(self):
        return self.folder / "initrd"

    @property
    def network_initrd(self):
        """The same with a network, for those that ask a key broker."""
        return self.folder / "network-initrd"

    @property
    def boot_tree(self):
        """Of the root tree what goes into a boot program beside the initrd."""
        return self.folder / "boot-tree"

    @property
    def rescue(self):
        return self.folder / "rescue"

    @property
    def modules(self):
        return self.folder / "modules"

    @property
    def null_cipher(self):
        return self.folder / "null-cipher"


def image_tool(name, *arguments):
    subprocess.run([str(word) for word in (TOOLS / name, *arguments)], check=True,
                   stdin=subprocess.DEVNULL, env={**os.environ, "CVMROOT_CACHE": str(CACHE)})


def make_tree(suite, folder):
    """A root tree of the distribution with this build of cvmroot installed."""
    image_tool("tree", *EXTRA_PACKAGES.get(suite, ()), suite, folder)
    image_tool("install-tree", BUILD, folder)


def find_libraries(tree, program):
    """Paths in the tree of the libraries that a program loads, as its own linker sees them."""
    lines = disk.run("chroot", tree, "ldd", f"/{program}").decode().splitlines()
    words = [word for line in lines for word in line.split() if word.startswith("/")]
    return [pathlib.Path(word.lstrip("/")) for word in words]


def copy_rescue(tree, folder):
    """systemd-cryptsetup, cryptsetup and what they load; to be laid over the initrd."""
    programs = [name for name in SYSTEMD_CRYPTSETUP if (tree / name).is_file()][:1]
    programs += [name for name in RESCUE_PROGRAMS if (tree / name).is_file()]
    plugins = [path.relative_to(tree) for path in (tree / LIBRARIES).glob("cryptsetup/*tpm2*.so")]
    # Loaded by name at run time, so that ldd does not tell.
    plugins += [path.relative_to(tree) for path in (tree / LIBRARIES).glob("libtss2-*.so.0")]
    for name in [pathlib.Path(program) for program in programs] + plugins:
        for path in [name, *find_libraries(tree, name)]:
            source = tree / path
            target = folder / pathlib.Path(os.path.realpath(source.parent)).relative_to(
                os.path.realpath(tree)) / path.name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(os.path.realpath(source), target)


def copy_modules(tree, folder, names):
    for name in names:
        for source in tree.glob(f"usr/lib/modules/*/kernel/{name}.ko*"):
            target = folder / source.relative_to(tree)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def copy_boot_parts(tree, kernel, folder):
    """What image-tools/uki wants of a tree."""
    modules = folder / "usr/lib/modules" / kernel.name.removeprefix("vmlinuz-")
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    shutil.copy(kernel, modules / "vmlinuz")
    for name in "usr/lib/systemd/boot/efi/linuxx64.efi.stub", "etc/os-release":
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / name, folder / name)


def overlay(folder):
    """The files of a folder in the form that cpio.archive() takes."""
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777)
            for path in sorted(folder.rglob("*")) if path.is_file()}


def make_suite(suite, folder):
    tree = folder / "tree"
    make_tree(suite, tree)
    # Simulated platforms ask their broker over a network that is not the initrd's.
    curl = LIBRARIES / "libcurl.so.4"
    image_tool("initrd", "--grow", "--install",
               ",".join(f"/{path}" for path in (curl, *find_libraries(tree, curl))), tree,
               folder / "initrd")
    image_tool("initrd", "--grow", "--network", tree, folder / "network-initrd")
    kernels = list((tree / "boot").glob("vmlinuz-*"))
    shutil.copy(kernels[0], folder / "kernel")
    copy_boot_parts(tree, kernels[0], folder / "boot-tree")
    copy_rescue(tree, folder / "rescue")
    copy_modules(tree, folder / "modules", SIMULATOR_MODULES)
    copy_modules(tree, folder / "null-cipher", NULL_CIPHER_MODULES)
    shutil.rmtree(tree)


def remove_old(pattern):
    """Leave what another checkout may be using now."""
    for path in CACHE.glob(pattern):
        if path.is_dir() and time.time() - path.stat().st_mtime > 24 * 3600:
            shutil.rmtree(path)


def kernel_and_initrd(suite):
    """Cached by the build and everything that goes into an initrd."""
    key = content_key(CVMROOT, TOOLS, ROOT / "dracut-module", ROOT / "units",
                      pathlib.Path(__file__))
    folder = CACHE / f"vm-{suite}-{key}"
    with locked(f"vm-{suite}"):
        if not folder.is_dir():
            remove_old(f"vm-{suite}-*")
            scratch = CACHE / f"vm-{suite}-new"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            make_suite(suite, scratch)
            scratch.rename(folder)
    return Suite(suite, folder)


def shell_initrd(suite):
    """The same with dracut's usual modules, which bring a shell and stop where they are told."""
    folder = CACHE / f"{kernel_and_initrd(suite).folder.name}-shell"
    with locked(f"vm-{suite}-shell"):
        if not folder.is_dir():
            scratch = CACHE / f"{folder.name}-new"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            make_tree(suite, scratch / "tree")
            image_tool("initrd", "--with-shell", scratch / "tree", scratch / "initrd")
            shutil.rmtree(scratch / "tree")
            scratch.rename(folder)
    return folder / "initrd"


def probe_kernel():
    return kernel_and_initrd("trixie").kernel


def guest_overlay():
    return {"vmtest/guest": (GUEST.read_bytes(), 0o755)}


def weakened_overlay():
    files = dict(OVERLAY)
    if PROGRAM:
        files["usr/bin/cvmroot"] = (PROGRAM.read_bytes(), 0o755)
    return files
