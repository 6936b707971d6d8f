# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 12: no secret of a boot where others can read it."""

import disk
from boots import PROGRAM
from disk import MIB
from lab import Lab, unit
from machine import note, require
from rows import attack

# All that runs, from the moment on at which cvmroot is there, as ps(1) would show it.
WATCH_UNIT = f"""[Unit]
DefaultDependencies=no
Before=initrd-switch-root.target initrd-cleanup.service
After=systemd-udevd.service
[Service]
Type=simple
ExecStart=/vmtest/guest "program={PROGRAM}" processes=/run/vmtest-processes
"""
WATCH = {unit("vmtest-watch.service"): WATCH_UNIT.encode(),
         unit("cvmroot-boot.service.wants/vmtest-watch.service"): "-> ../vmtest-watch.service"}
ORDERS = ["file=/run/vmtest-show", "file=/run/vmtest-processes", "copy=/run/log/journal:/journal"]


@attack(12, "no secret is found", weaken="told-secret", red="a secret of the run is in")
def no_secret(name):
    """
    Neither on the console, in the journal, in what systemd shows of units, nor in the arguments
    and the environment of any process.
    """
    lab = Lab(name).make_image().make_tpm()
    first = lab.boot(ORDERS, extra=WATCH, words="rd.udev.log_level=7 systemd.log_level=debug")
    second = lab.boot(ORDERS, extra=WATCH, words="systemd.log_level=debug")
    secret, key = lab.recover_keys()
    plain = lab.decrypted(key)
    count = int(second.results()["copy=/run/log/journal:/journal"])
    require(count > 0, "there is no journal to look into")
    texts = {"the console of the first boot": first.console,
             "the console of the second boot": second.console,
             "the whole plaintext, journals included": plain.read_bytes()}
    for number, boot in enumerate((first, second), 1):
        show = boot.results()["file=/run/vmtest-show"]
        require(b"ExecMainStatus=0" in show, f"systemctl show: {show[:200]}")
        texts[f"systemctl show in boot {number}"] = show
        processes = boot.results()["file=/run/vmtest-processes"]
        require(b"/usr/bin/cvmroot\0boot" in processes, "cvmroot was not seen at work")
        texts[f"arguments and environments in boot {number}"] = processes
    lab.check_no_secret([secret, key], texts)
    # A verbose journal is rotated: the line is in one of its files.
    journals = [disk.read_file(plain, f"/journal.{number}") for number in range(count)]
    require(any(b"MESSAGE=the root is open" in journal for journal in journals),
            "the journal has no line of ours")
    note(f"{count} journal files, {sum(map(len, texts.values())) // MIB} MiB searched")
    return "nothing in console, journal, units, arguments and environments"
