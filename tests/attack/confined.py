# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
The release binary as on a confidential machine, without booting one: in namespaces of its own, with
the simulated SEV-SNP of tests/tee-sim, whose evidence the reference broker accepts. "fetch" runs
to its end. "boot" does all that precedes the mapping of the root; there is no device mapper, and a
machine that it powers off is the namespace.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import uuid

import artefacts
import disk
import rows
from broker import make_pki, make_roots
from case import CASES
from disk import MIB
from surroundings import RESOURCE, Surroundings

CONFINE = pathlib.Path(__file__).with_name("confine")
# Loop devices are one pool for the whole machine; the unit tests take this lock, too.
LOOP_LOCK = "/run/lock/cvmroot-unit-loop"
# All that comes before was done: the key is there, and the header is authentic.
UNLOCKED = r"could not be opened as /dev/mapper/root"
ATTACK_WON = "the attack succeeded: the client gave something out"


class Guest(Surroundings):
    """Surroundings of a client that is the program under attack, on a confidential machine."""
    tee = ()  # it finds out by itself

    def __init__(self, folder):
        super().__init__(folder)
        self.program = rows.program()
        self.confined = self.folder / "confined"
        for name in "etc/cvmroot", "run":
            (self.confined / name).mkdir(parents=True)
        (self.confined / "etc/initrd-release").touch()
        (self.confined / "console").touch()
        self.roots = make_roots()
        self.accept = ("--roots", str(self.roots))
        self.simulate()
        self.said = ""

    def make_pki(self):
        self.pki = make_pki()

    def simulate(self, *words, device=""):
        """From here on the simulator gets these words, and the machine has that disk."""
        words = " ".join(("tsm", "--provider", "sev_guest", "--keys", str(self.roots), *words))
        self.front = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                      f"TEE_SIM={artefacts.TEE_SIM}", str(CONFINE), str(self.confined), words,
                      device]

    def run(self, command, deadline):
        result = super().run(command, deadline)
        lines = result.err.strip().splitlines()
        self.said = lines[-1].removeprefix("cvmroot: ") if lines else "the secret"
        return result

    def refused(self, result, sentence):
        rows.need(not result.out, ATTACK_WON)
        super().refused(result, sentence)


@contextlib.contextmanager
def guest(name):
    """A folder of its own for the attack of this name, and a Guest in it."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        raise rows.Skip("a machine in namespaces needs root and /dev/fuse")
    artefacts.WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=artefacts.WORK) as folder:
        place = Guest(folder)
        try:
            yield place
        finally:
            place.close()


def by_cases(*names):
    """An attack that consists of cases of the broker's suite."""
    def function(name):
        with guest(name) as place:
            for case in names:
                CASES[case].function(place)
            return place.said
    return function


# ---- Boots ----

@contextlib.contextmanager
def loop_device(path):
    """The root partition of a disk as a block device."""
    start, size = disk.root_partition(path)
    with open(LOOP_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(["losetup", "--find", "--show", f"--offset={start}",
                               f"--sizelimit={size}", str(path)], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if made.returncode != 0:
        raise rows.Skip(f"loop devices are not allowed here: {made.stderr.strip()}")
    try:
        yield made.stdout.strip()
    finally:
        subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


class Image:
    """A small image on a disk, whose only key is that of a broker."""

    def __init__(self, place, files=()):
        """@files: {path in the root: content} of the image."""
        self.place = place
        self.disk = place.folder / "disk"
        self.filesystem = place.folder / "image.fs"
        tree = place.folder / "tree"
        disk.write_tree(tree, "/bin/true", MIB, 0)
        for path, content in dict(files).items():
            (tree / path).write_text(content)
        disk.make_filesystem(self.filesystem, tree, 8 * MIB, str(uuid.uuid4()))
        shutil.rmtree(tree)
        disk.make_disk(self.disk, self.filesystem)
        disk.run(rows.RELEASE, "manifest", "--output",
                 place.confined / "etc/cvmroot/root.manifest", self.filesystem)

    def configure(self, broker, resource=RESOURCE):
        (self.place.confined / "etc/cvmroot/cvmroot.toml").write_text(f"""
[root]
partition = "/dev/root-disk"
[keys]
providers = ["kbs"]
[kbs]
url = "{broker.url}"
ca = '''
{(self.place.pki / "ca.pem").read_text()}'''
resource = "{resource}"
deadline-seconds = 10
""", encoding="utf-8")

    def boot(self, *options, deadline=20):
        """One boot; the sentence that it ended with."""
        config = self.place.confined / "etc/cvmroot/cvmroot.toml"
        with loop_device(self.disk) as device:
            text = config.read_text()
            config.write_text(re.sub(r"/dev/(root-disk|loop\d+)", device, text))
            self.place.simulate(device=device)
            command = [*self.place.front, str(self.place.program), *options, "boot"]
            result = self.place.run(command, deadline)
        rows.need(result.code in (-signal.SIGINT, 128 + signal.SIGINT),
                  f"the machine did not power off: exit {result.code}")
        return self.place.said

    def unlocked(self, sentence):
        rows.need(re.search(UNLOCKED, sentence), f"the root was not unlocked: {sentence}")

    def refused(self, sentence, wanted):
        rows.need(not re.search(UNLOCKED, sentence),
                  "the attack succeeded: the root was unlocked")
        rows.need(re.search(wanted, sentence), f"refused, but not by {wanted!r}: {sentence}")
