# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
How long it takes from the start of a command to the opened volume, in a virtual machine with a vTPM
(Debian 13): cvmroot, systemd-cryptsetup with its TPM2 token, clevis with a tpm2 pin, and cryptsetup
with a key file as the floor. Each has a disk with the same content, volume key and cipher, and one
keyslot. One boot is one round, for cvmroot closes the vTPM to whoever comes after it. The order
rotates. Processes and TPM commands are counted in a boot of its own, whose times do not count.
"""

import os
import sys

import guests
from figures import ROOT, Figures, progress
from guests import artefacts

sys.path.insert(0, str(ROOT / "tests" / "attack"))

# pylint: disable=wrong-import-position
import disk
import lab
import luks
import wire
from disk import MIB
from lab import STUB, Lab, unit
from machine import Drive, require
from tpm2 import pcr_selection

LIMITS = {"vs_systemd": 0.8, "vs_clevis": 0.2, "processes": 1, "tpm_commands": 12}
MEMORY_MIB = 24
CVMROOT, SYSTEMD, CLEVIS, FLOOR = "cvmroot", "systemd-cryptsetup", "clevis", "cryptsetup, key file"
# As many as cvmroot's, which adds 15 to what it is configured with; nobody extends 13.
PCRS = (11, 12, 13)
# The same at each of them, and the least that the format allows.
KDF = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--hash", "sha256")
MARKER_PCR = 23  # read between two contenders, and by none of them
PCR_READ = 0x17E
CODES = {0x131: "CreatePrimary", 0x14E: "NV_Read", 0x157: "Load", 0x15E: "Unseal",
         0x161: "ContextLoad", 0x162: "ContextSave", 0x165: "FlushContext", 0x169: "NV_ReadPublic",
         0x173: "ReadPublic", 0x176: "StartAuthSession", 0x17A: "GetCapability", 0x17B: "GetRandom",
         0x17E: "PCR_Read", 0x17F: "PolicyPCR", 0x182: "PCR_Extend", 0x189: "PolicyGetDigest",
         0x18A: "TestParms", 0x137: "NV_Write", 0x144: "Startup"}
UNSEAL, CONTEXT_LOAD, CONTEXT_SAVE, FLUSH = 0x15E, 0x161, 0x162, 0x165
COMMANDS = {
    CVMROOT: "/usr/bin/cvmroot boot",
    SYSTEMD: "/usr/bin/systemd-cryptsetup attach systemd /dev/vdb1 - tpm2-device=auto,headless=yes",
    CLEVIS: "/usr/bin/clevis luks unlock -d /dev/vdc1 -n clevis",
    FLOOR: "/usr/sbin/cryptsetup open --key-file /bench/key /dev/vdd1 floor",
}
MAPPINGS = {CVMROOT: "root", SYSTEMD: "systemd", CLEVIS: "clevis", FLOOR: "floor"}

SERVICE = """[Unit]
DefaultDependencies=no
Wants=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
After=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service
[Service]
Type=oneshot
StandardOutput=journal+console
ExecStart=/usr/bin/bash /bench/script
"""
HEAD = f"""set -u
mkdir -p /run/bench /run/cryptsetup
udevadm settle
/vmtest/guest wait=/dev/tpmrm0 wait=/dev/vdd1 "extend=11:{STUB}"
"""
ENROL = """
PASSWORD= systemd-cryptenroll --unlock-key-file=/bench/key --wipe-slot=0 \\
    --tpm2-device=auto --tpm2-pcrs=@PLUS@ --tpm2-public-key= /dev/vdb1 &> /run/bench/systemd
echo "systemd-cryptenroll: $?" >> /run/bench/systemd
clevis luks bind -y -k /bench/key -d /dev/vdc1 tpm2 \\
    '{"pcr_bank":"sha256","pcr_ids":"@COMMA@"}' &> /run/bench/clevis
echo "clevis: $?" >> /run/bench/clevis
cryptsetup luksKillSlot -q /dev/vdc1 0 &>> /run/bench/clevis
sync
/vmtest/guest file=/run/bench/systemd file=/run/bench/clevis
/vmtest/guest poweroff
"""
# The first volume of a boot has modules loaded for it: here, and not on anybody's account.
WARM_UP = f"{COMMANDS[FLOOR]}; udevadm settle; dmsetup remove floor; udevadm settle\n"
TURN = """
udevadm settle
/vmtest/guest pcr=@PCR@
/bench/measure @COUNT@ /run/bench/@NAME@ @COMMAND@ &> /run/bench/@NAME@.words
echo "status $?" >> /run/bench/@NAME@.words
udevadm settle
blkid -p -o value -s UUID /dev/mapper/@NAME@ > /run/bench/@NAME@.uuid
/vmtest/guest file=/run/bench/@NAME@ file=/run/bench/@NAME@.uuid file=/run/bench/@NAME@.words
dmsetup remove @NAME@
"""
FINISH = f"/vmtest/guest pcr={MARKER_PCR} poweroff\n"
TIMES = "/run/bench-tpm"


def fill(text, **values):
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    return text


def uuid_of(filesystem):
    text = disk.run("blkid", "-p", "-o", "value", "-s", "UUID", filesystem)
    return text.decode().strip()


class UnlockLab(Lab):
    """A root that cvmroot has encrypted, and three copies of it with other headers."""

    def __init__(self, name, suite):
        super().__init__(name)
        self.guests = self.suite = suite
        self.key = os.urandom(32)
        self.make_image(content=4 * MIB, size=24 * MIB).make_tpm()

    def encrypt(self):
        self.boot()
        _, self.volume_key = self.recover_keys()
        for name in MAPPINGS.values():
            if name != MAPPINGS[CVMROOT]:
                self.make_copy(name)

    def disk_of(self, name):
        return self.folder / f"{name}.disk"

    def make_copy(self, name):
        """The same ciphertext behind a new header with one keyslot, opened by the key file."""
        path = disk.copy(self.disk, self.disk_of(name))
        start, size = disk.root_partition(path)
        part, key, slot = (self.folder / part for part in ("part", "volume.key", "slot.key"))
        part.write_bytes(disk.read_at(path, start, size))
        key.write_bytes(self.volume_key)
        slot.write_bytes(self.key)
        disk.run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", *KDF,
                 "--cipher", luks.CIPHER, "--key-size", 512, "--sector-size", 4096,
                 "--offset", disk.SHIFT // 512, "--volume-key-file", key, "--key-file", slot, part)
        disk.write_partition(path, part)
        # cvmroot looks for the only root partition.
        disk.set_type(path, disk.DATA_TYPE)
        key.unlink()

    def drives(self):
        return [Drive(self.disk), *(Drive(self.disk_of(name), serial=name)
                                    for name in MAPPINGS.values() if name != "root")]

    def overlay(self, script):
        return {
            **artefacts.guest_overlay(), **artefacts.overlay(self.guests.cvmroot),
            "etc/cvmroot/cvmroot.toml": self.config.encode(),
            "etc/cvmroot/root.manifest": self.manifest.read_bytes(),
            **{f"bench/{name}": ((artefacts.BUILD / "tests/bench" / name).read_bytes(), 0o755)
               for name in ("measure", "tpm_time.so")},
            "bench/key": (self.key, 0o600), "bench/script": script.encode(),
            unit("bench.service"): SERVICE.encode(),
            unit("bench.target"): b"[Unit]\nRequires=bench.service\nAfter=bench.service\n",
        }

    def run_script(self, script):
        """In the initrd, which goes no further."""
        self.machine_count += 1
        initrd = lab.cpio.append(self.guests.stock, self.folder / "bench-initrd",
                                 self.overlay(HEAD + script))
        line = f"{lab.QUIET} rd.systemd.unit=bench.target"
        boot = lab.Machine(self.folder / f"vm{self.machine_count}", self.drives(), self.tpm,
                           self.guests.kernel, initrd, line).run(300)
        require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
        return boot.results()

    def enrol(self):
        script = fill(ENROL, plus="+".join(map(str, PCRS)), comma=",".join(map(str, PCRS)))
        results = self.run_script(script)
        for name in "systemd", "clevis":
            words = results[f"file=/run/bench/{name}"].decode()
            require(": 0\n" in words, f"enrolling failed:\n{words}")

    def check_equal_terms(self):
        """What could make one of them cheaper is the same at all of them."""
        terms = set()
        for path in [self.disk, *(drive.path for drive in self.drives()[1:])]:
            disk.set_type(path, disk.ROOT_TYPE)
            header = luks.metadata(path)
            if path != self.disk:
                disk.set_type(path, disk.DATA_TYPE)
            (slot,), segment = header["keyslots"].values(), header["segments"]["0"]
            terms.add((slot["kdf"]["type"], slot["kdf"]["iterations"], slot["key_size"],
                       slot["area"]["encryption"], slot["af"]["stripes"], segment["encryption"],
                       segment["sector_size"], segment["offset"]))
        require(len(terms) == 1, f"the keyslots differ: {terms}")
        return terms.pop()

    def round(self, order, count=False):
        script = WARM_UP
        for contender in order:
            script += fill(TURN, pcr=MARKER_PCR, count="--count" if count else "",
                           command=COMMANDS[contender], name=MAPPINGS[contender])
        results = self.run_script(script + FINISH)
        found = {}
        for contender in order:
            name = f"file=/run/bench/{MAPPINGS[contender]}"
            words = results[f"{name}.words"].decode()
            require("status 0" in words, f"{contender} failed:\n{words}")
            identity = results[f"{name}.uuid"].decode().strip()
            require(identity == uuid_of(self.filesystem),
                    f"{contender} opened a volume with {identity!r} in it:\n{words}")
            found[contender] = [int(word) for word in results[name].split()]
        return found


def is_marker(command):
    return wire.code(command) == PCR_READ and command.endswith(pcr_selection([MARKER_PCR]))


def between_markers(exchanges):
    """Lists of the commands behind each marker."""
    parts = []
    for command, _ in exchanges:
        if is_marker(command):
            parts.append([])
        elif parts:
            parts[-1].append(wire.code(command))
    return parts


def own_commands(codes):
    """
    Without the kernel's, which changes places in the TPM for whoever uses /dev/tpmrm0: it loads
    contexts before a command; after it, it saves them and flushes what it has saved.
    """
    return [code for before, code in zip([0, *codes], codes)
            if code not in (CONTEXT_LOAD, CONTEXT_SAVE)
            and not (code == FLUSH and before in (CONTEXT_SAVE, FLUSH))]


def listed(codes):
    """"A, 2 B", in the order of the first of each."""
    counts = {}
    for code in codes:
        name = CODES.get(code, f"{code:#x}")
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in counts.items())


def count(bench, figures, order):
    """A boot with the host between guest and vTPM, and a tracer at each contender."""
    bench.tpm = wire.Wire(bench.tpm.folder)
    found = bench.round(order, count=True)
    parts = between_markers(bench.tpm.exchanges)
    require(len(parts) == len(order) + 1, f"{len(parts)} parts of the traffic")
    for contender, codes in zip(order, parts):
        own = own_commands(codes)
        until = own.index(UNSEAL) + 1 if UNSEAL in own else 0
        for figure, value in zip(("processes", "further threads", "programs", "TPM commands",
                                  "TPM commands until it has the key",
                                  "TPM commands with the kernel's swapping"),
                                 (*found[contender], len(own), until, len(codes))):
            figures.add(contender, figure, value)
        if own:
            figures.note(f"TPM commands of {contender}: until it has the key "
                         f"{listed(own[:until])}; behind that {listed(own[until:])}")


def profile(bench, figures):
    """Where the time of those who talk to the TPM by libtss2-esys goes, in a boot of its own."""
    for contender in (CVMROOT, SYSTEMD):
        command = f"/usr/bin/env LD_PRELOAD=/bench/tpm_time.so {COMMANDS[contender]}"
        script = WARM_UP + fill(TURN, pcr=MARKER_PCR, count="", name=MAPPINGS[contender],
                                command=command)
        results = bench.run_script(f"{script}/vmtest/guest file={TIMES}\n{FINISH}")
        times = [int(word) for word in results[f"file={TIMES}"].split()]
        for figure, value in (("profile: waiting for the TPM's answers, ms", times[4] / 1000),
                              ("profile: CPU time, ms", times[7] / 1000),
                              ("profile: OpenSSL contexts of libtss2-esys", times[8]),
                              ("profile: making and freeing them, ms", times[9] / 1000)):
            figures.add(contender, figure, value)


def conclude(figures, terms):
    for name, other in (("vs_systemd", SYSTEMD), ("vs_clevis", CLEVIS)):
        figures.reach(name, figures.ratio(CVMROOT, other, "wall time, ms"), LIMITS[name])
    for name, figure in (("processes", "processes"), ("tpm_commands", "TPM commands")):
        figures.reach(name, figures.median(CVMROOT, figure), LIMITS[name])
    floor, whole = (figures.median(name, "wall time, ms") for name in (FLOOR, CVMROOT))
    waited, contexts = (figures.median(CVMROOT, f"profile: {figure}") for figure in (
        "waiting for the TPM's answers, ms", "making and freeing them, ms"))
    least = floor + waited + contexts
    figures.note(f"of cvmroot's {whole:.0f} ms any tool needs the {floor:.0f} ms of process, "
                 f"keyslot and activation; the TPM takes {waited:.0f} ms for its answers, and "
                 f"libtss2-esys {contexts:.0f} ms for its OpenSSL contexts, one for each hash, "
                 f"HMAC and nonce of an authenticated command: together {least:.0f} ms, "
                 f"{least / figures.median(SYSTEMD, 'wall time, ms'):.2f} of systemd-cryptsetup's "
                 f"time and {least / figures.median(CLEVIS, 'wall time, ms'):.2f} of clevis's, "
                 "with no time at all for code of our own")
    memory = figures.median(CVMROOT, "peak memory, MiB")
    figures.note(f"peak memory of cvmroot: {memory:.1f} MiB, "
                 f"{'within' if memory <= MEMORY_MIB else 'over'} {MEMORY_MIB} MiB; of clevis it "
                 "is that of its largest process alone")
    figures.note("the same at each: one keyslot, kdf, rounds, key size, area, stripes, cipher, "
                 "sector size, offset: " + " ".join(map(str, terms)))
    figures.note('against us: cvmroot runs as "cvmroot boot", which also looks for the partition, '
                 "reads the TPM's record, authenticates the header and extends PCR 15 by what it "
                 "did; the others are told the partition and do none of it")
    figures.note("in nobody's CPU time: udevd's for the new volume, and the vTPM's own")


def measure(arguments):
    guests.use_work_folder()
    figures = Figures("unlock")
    bench = UnlockLab("unlock", guests.prepare())
    bench.encrypt()
    bench.enrol()
    order = list(COMMANDS)
    for number in range(arguments.rounds):
        progress(f"round {number + 1} of {arguments.rounds}")
        shift = number % len(order)
        found = bench.round(order[shift:] + order[:shift])
        for contender in order:
            wall, cpu, memory = found[contender]
            figures.add(contender, "wall time, ms", wall / 1000)
            figures.add(contender, "CPU time, ms", cpu / 1000)
            figures.add(contender, "peak memory, MiB", memory / 1024)
    progress("two more for the profile")
    profile(bench, figures)
    progress("and one to count")
    count(bench, figures, order)
    conclude(figures, bench.check_equal_terms())
    return figures


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=10, help="boots, with a turn of each: 10")
