# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Simulated TEEs in the guest: tests/tee-sim, its keys, and its unit in the initrd."""

import artefacts
from lab import unit

FOLDER = "vmtest"

# Served before the program under test looks; what it serves is at the real places.
UNIT = """[Unit]
DefaultDependencies=no
After=systemd-modules-load.service sys-kernel-config.mount vmtest-stub.service
Before=cvmroot-boot.service
[Service]
Type=forking
ExecStart=/vmtest/tee-sim {words} --keys /vmtest/keys
StandardInput=null
StandardOutput=journal+console
StandardError=journal+console
"""
BEHIND_UNIT = """[Unit]
Requires=vmtest-tee.service
After=vmtest-tee.service
"""


def overlay(suite, roots, *words):
    """Files for the initrd: "tee-sim WORDS" runs with the test roots of a folder."""
    files = {f"{FOLDER}/keys/{path.name}": path.read_bytes() for path in sorted(roots.iterdir())}
    return {
        **files,
        **artefacts.overlay(suite.modules),
        f"{FOLDER}/tee-sim": (artefacts.TEE_SIM.read_bytes(), 0o755),
        unit("vmtest-tee.service"): UNIT.format(words=" ".join(words)).encode(),
        unit("cvmroot-boot.service.d/60-vmtest-tee.conf"): BEHIND_UNIT.encode(),
    }
