# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 16: a boot program, or a policy for it, that leaves the command line or the initrd open."""

import pathlib
import re
import subprocess
import sys
import tempfile

import artefacts
from rows import ROOT, attack, need

# Kinds of evidence, and PCRs that leave something open: the boot program, the initrd, the command
# line from outside, or PCR 11 with what the stub adds to it.
TOO_FEW = (("tpm", "2,9,11,12,13"), ("tpm", "2,4,12,13"), ("tpm", "2,4,9,11,13"),
           ("tpm", "2,4,11,12"), ("az-snp-vtpm", "2,9,12"), ("az-tdx-vtpm", "2,4,11,13"))
FORMATS = ("rvps", "attestation-policy", "resource-policy")


def write_uki(folder, name, **sections):
    """A boot program without the sections that are None, with a configuration in its initrd."""
    sys.path.append(str(ROOT / "tests" / "measure"))
    import efi
    config, base, initrd = (folder / part for part in ("cvmroot.toml", "base", "initrd"))
    config.write_text("[root]\ngrow = false\n", encoding="ascii")
    base.write_bytes(b"an initrd")
    artefacts.image_tool("append-initrd", base, initrd, config)
    path = folder / name
    path.write_bytes(efi.uki(**{"initrd": initrd.read_bytes(), **sections}))
    return path, config


def refused(sentence, *words):
    result = subprocess.run([str(word) for word in (artefacts.TOOLS / "measure", *words)],
                            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    need(result.returncode == 1 and not result.stdout,
         f"a policy was made with {words}: {result.stdout[:200]}")
    need(re.search(sentence, result.stderr), f"refused for another reason: {result.stderr}")


# The tool is a script of Python; there is no program of it to weaken.
@attack(16, "no policy is made", timeout=120)
def open_policy(_):
    """Each kind of policy, for too few registers and for boot programs that lack a part."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        good, config = write_uki(folder, "good")
        no_line, _ = write_uki(folder, "no-line", cmdline=None)
        no_initrd, _ = write_uki(folder, "no-initrd", initrd=None)
        for form in FORMATS:
            for tee, pcrs in TOO_FEW:
                refused("to the host: name PCR", "--uki", good, "--format", form, "--tee", tee,
                        "--pcrs", pcrs)
            for tee in "tpm", "az-snp-vtpm", "az-tdx-vtpm", "tdx":
                policy = ("--format", form, "--tee", tee)
                refused(r"no section \.cmdline", "--uki", no_line, *policy)
                refused(r"no section \.initrd", "--uki", no_initrd, "--config", config, *policy)
    return f"refused: {len(FORMATS)} kinds of policy, too few registers, no command line, no initrd"
