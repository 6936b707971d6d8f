# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 14: what the host gives by SMBIOS and fw_cfg configures nothing in the initrd."""

import base64

from boots import LOG
from lab import converted
from machine import require
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
