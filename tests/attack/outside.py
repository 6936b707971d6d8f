# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Row 14: what the host gives by SMBIOS, fw_cfg and the ESP configures nothing in the initrd, and what
it gives by variables of the firmware is refused.
"""

import base64
import struct
import subprocess
import uuid

import disk
from boots import LOG
from lab import converted
from machine import OVMF, require
from rows import attack

MARK = "by-the-host"
MARK_FILE, HOSTNAME = f"/run/{MARK}", "/proc/sys/kernel/hostname"
GENERATOR = "systemd/system-generators/systemd-debug-generator"

# systemd makes units and files of these, in a virtual machine that it does not know to be
# confidential. The option with which a baked image refuses all of them is not on the small images'
# command line.
# The names of fw_cfg leave nine letters for a unit.
CREDENTIALS = {
    "systemd.extra-unit.h.service":
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
        f"ExecStart=/usr/bin/echo {MARK}\nStandardOutput=tty\nTTYPath=/dev/console\n",
    "systemd.unit-dropin.-.slice": "[Unit]\nWants=h.service\n",
    "tmpfiles.extra": f"f {MARK_FILE} - - - - {MARK}\n",
    "sysctl.extra": f"kernel.hostname = {MARK}\n",
    "fstab.extra": "tmpfs /sysroot/tmp tmpfs defaults 0 0\n",
}
# A configuration for cvmroot, where one would be looked for if the measured one said so.
INITDATA = """version = "0.1.0"
algorithm = "sha256"
[data]
"cvmroot.toml" = '''
[tpm2]
pcrs = [23]
'''
"""


def host_options(folder):
    """The same by both ways."""
    options = []
    files = {f"opt/io.systemd.credentials/{name}": text for name, text in CREDENTIALS.items()}
    files["opt/org.cvmroot.initdata"] = INITDATA
    for number, (name, text) in enumerate(files.items()):
        path = folder / f"fw_cfg{number}"
        path.write_text(text)
        options += ["-fw_cfg", f"name={name},file={path}"]
    for name, text in CREDENTIALS.items():
        value = base64.b64encode(text.encode()).decode()
        options += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={value}"]
    return options


def check_untouched(boot, lab):
    require(MARK not in boot.text(), "a unit of the host's ran in the initrd")
    results = boot.results()
    require(results[f"file={MARK_FILE}"].startswith(b"error"), "the host wrote a file")
    require(MARK.encode() not in results[f"file={HOSTNAME}"], "the host set a kernel variable")
    lab.check_events(results["file=" + LOG], "reopened")


def tell(name):
    lab = converted(name)
    lab.network = True  # the initrd that has the driver of fw_cfg
    lab.machine_options = host_options(lab.folder)
    check_untouched(lab.boot([f"file={MARK_FILE}", f"file={HOSTNAME}", f"file={LOG}"]), lab)
    return "no unit, no file, no kernel variable; the same configuration"


@attack(14, "nothing changes", red="a unit of the host's ran",
        weaken={"etc/" + GENERATOR: f"-> /usr/lib/{GENERATOR}"})
def credentials_for_units(name):
    return tell(name)


# One boot without the defence of each kind; with it all are the same.
@attack(14, "nothing changes", red="the host (wrote a file|set a kernel variable)", full=True,
        weaken={"etc/systemd/system/service.d/91-cvmroot.conf": b""})
def credentials_for_services(name):
    return tell(name)


def stub_folder():
    """
    The files that systemd-stub makes of /loader/credentials/ and of the folder beside the UKI. The
    service manager takes them for encrypted, also on a confidential machine. There is a key for
    that which everybody has; whoever forgets to encrypt has them plain.
    """
    files = {}
    for name, text in CREDENTIALS.items():
        sealed = subprocess.run(["systemd-creds", "encrypt", "--with-key=tpm2-absent",
                                 f"--name={name}", "-", "-"], input=text.encode(), check=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        files[f".extra/global_credentials/{name}.cred"] = text.encode()
        files[f".extra/credentials/{name}.cred"] = sealed
    return files


# Here a TPM does not count, and no firmware says that Secure Boot is on: the key is accepted. In a
# baked image PCR 12 would have changed, and nothing be unsealed. What configures machines by a
# metadata service (cloud-init and the like) is no program of the initrd.
@attack(14, "nothing changes", red="the host (wrote a file|set a kernel variable)", full=True,
        weaken={"etc/systemd/system/service.d/91-cvmroot.conf": b""})
def credentials_of_the_esp(name):
    lab = converted(name)
    orders = [f"file={MARK_FILE}", f"file={HOSTNAME}", f"file={LOG}"]
    check_untouched(lab.boot(orders, extra=stub_folder()), lab)
    return "no unit, no file, no kernel variable; the same configuration"


SYSTEMD_VENDOR = uuid.UUID("8cf2644b-4b0b-428f-9387-6d876050dc67")
VARIABLE_IN_USE, RUNTIME_AND_LASTING, ADDED = 0x55AA, 7, 0x3F
VARIABLE_HEADER = struct.Struct("<HBxIQ16xIII16s")


def with_variable(store, name, value):
    """The variables of OVMF (an authenticated store) with one more."""
    # Behind the head of the volume, whose size it holds, and that of the store.
    place = struct.unpack_from("<H", store, 48)[0] + 28
    while struct.unpack_from("<H", store, place)[0] == VARIABLE_IN_USE:
        sizes = VARIABLE_HEADER.unpack_from(store, place)[5:7]
        place = (place + VARIABLE_HEADER.size + sum(sizes) + 3) & ~3
    name, value = (f"{text}\0".encode("utf-16-le") for text in (name, value))
    record = VARIABLE_HEADER.pack(VARIABLE_IN_USE, ADDED, RUNTIME_AND_LASTING, 0, 0, len(name),
                                  len(value), SYSTEMD_VENDOR.bytes_le) + name + value
    require(set(store[place:place + len(record)]) == {0xFF}, "no room for a variable")
    return store[:place] + record + store[place + len(record):]


def run_with_variables(lab, variables):
    machine = lab.machine()
    machine.firmware = True
    (machine.folder / "vars.fd").write_bytes(variables)
    boot = machine.run(600)
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    return boot


@attack(14, "refused", weaken="efi-options", red="the root was booted", full=True)
def efi_options(name):
    """systemd's command line in a variable of the firmware; without it the same machine boots."""
    lab = converted(name)
    ours = (OVMF / "OVMF_VARS_4M.fd").read_bytes()
    boot = run_with_variables(lab, ours)
    require("end" in boot.results(), f"the root's program did not run:\n{boot.tail()}")
    before = disk.digest(lab.disk)
    boot = run_with_variables(lab, with_variable(ours, "SystemdOptions", "systemd.run=/bin/sh"))
    require("end" not in boot.results(), "the root was booted")
    lab.require_sentence(boot, "cvmroot: the EFI variable SystemdOptions is set")
    require(disk.digest(lab.disk) == before, "the disk was written")
    return "the variable is named, and the power off"
