# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Roots with two key providers, a broker and the vTPM: either opens, or both are needed."""

import base64
import hashlib
import json
import struct

import disk
import luks
from boots import STATUS
from lab import Lab, unit
from machine import require
from platforms import INITDATA, PCR_11, RESOURCE, SNP, PlatformLab, give_initdata
from scenario import scenario

POLICY = {"tpm": {"pcrs": {"11": [PCR_11]}, "trusted_aks": "first"}}


def combined(parts):
    """The passphrase of rule = "all" (cvmroot.toml(5)), from the parts by the providers' names."""
    material = b""
    for name, secret in sorted(parts.items()):
        material += struct.pack("<I", len(name)) + name.encode()
        material += struct.pack("<I", len(secret)) + secret
    return base64.b64encode(luks.hkdf(material, b"cvmroot all providers v1"))


class TwoProvidersLab(PlatformLab):
    def __init__(self, name, rule):
        super().__init__(name, "tpm")
        self.rule = rule
        self.make_tpm()
        self.serve(POLICY)

    def write_config(self):
        self.config = f"""
[keys]
providers = ["kbs", "tpm2"]
rule = "{self.rule}"
[tpm2]
pcrs = [11, 12]
[tee]
platform = "tpm"
create-ak = true
[kbs]
url = "{self.broker.url}"
ca = '''
{self.broker.ca}'''
resource = "kbs:///{RESOURCE}"
deadline-seconds = 10
"""

    def recover_keys(self):
        if self.rule == "any":
            return super().recover_keys()
        sealed = base64.b64encode(self.recover_sealed())
        passphrase = combined({"tpm2": sealed, "kbs": self.secret})
        return self.secret, luks.volume_key(self.disk, passphrase, self.folder)

    def boot_by(self, provider):
        results = self.boot_checked("file=/guest")
        status = json.loads(results["file=" + STATUS])
        require(status["provider"] == provider, f"the key came from {status['provider']}")


@scenario()
def broker_or_tpm(name):
    """The vTPM opens the root when the broker does not answer, and the broker without the vTPM."""
    lab = TwoProvidersLab(name, "any")
    with lab.broker:
        lab.write_config()
        lab.first_boot()
        lab.boot_by("kbs")
    lab.boot_by("tpm2")
    require(Lab.recover_keys(lab)[1] == lab.recover_keys()[1], "the slots hold different keys")


@scenario()
def broker_and_tpm(name):
    """Both are needed: neither the broker's secret alone opens it, nor the vTPM's."""
    lab = TwoProvidersLab(name, "all")
    with lab.broker:
        lab.write_config()
        lab.first_boot()
        lab.boot_by("kbs+tpm2")
        lab.broker.require_attested("tpm", 2)
    keyslots = luks.metadata(lab.disk)["keyslots"]
    require(list(keyslots) == ["0"], f"keyslots {list(keyslots)}")
    for kind in ("kbs", "systemd-tpm2"):
        token = luks.token(luks.metadata(lab.disk), kind)
        require(token["keyslots"] == [], f"the token of {kind} names a keyslot")
    lab.refuse(r"cvmroot: .*gave up after \d+ s: .*", timeout=120)


@scenario()
def broker_after_update(name):
    """
    Another kernel or initrd than the one that wrote the TPM's record, which the broker accepts:
    the root opens, and the record is then this image's.
    """
    lab = PlatformLab(name, "tpm", options="create-ak = true").make_tpm()
    with lab.serve({"tpm": {"trusted_aks": "first"}}):
        lab.write_config()
        marker = lab.first_boot()
        lab.reboot(marker)
        lab.extra = {unit("vmtest-stub.service"): (
            "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
            "ExecStart=/vmtest/guest wait=/dev/tpmrm0 extend=11:another\n").encode()}
        lab.reboot(marker)
        lab.broker.require_attested("tpm", 3)
        # With this image's record, the pristine image is told from a first boot again.
        disk.write_partition(lab.disk, lab.filesystem)
        lab.refuse(r"cvmroot: .*the TPM remembers that the root was encrypted", timeout=120)


@scenario()
def initdata_binds_tpm(name):
    """
    A volume made under one initdata document, whose key the TPM keeps, does not open under
    another: else the host could make it under a document of his own.
    """
    lab = PlatformLab(name, "snp").make_tpm()

    def boot_under(instance, boot):
        document = (f'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n'
                    f'"instance-id" = "{instance}"\n'
                    '"cvmroot.toml" = \'\'\'\n[keys]\nproviders = ["tpm2"]\n'
                    '[tpm2]\npcrs = [11, 12]\n\'\'\'\n')
        digest = hashlib.sha256(document.encode()).hexdigest()
        lab.config = f'[initdata]\npath = "{INITDATA}"\n'
        give_initdata(lab, document)
        lab.simulator = (*SNP, "--initdata", digest)
        return boot()

    def opened():
        results = lab.boot(lab.orders(), timeout=120).results()
        lab.check_guest_hashes(results)
        return json.loads(results["file=" + STATUS])["root"]

    with lab.serve():
        require(boot_under("ours", opened) == "fresh", "the first boot is not called fresh")
        boot_under("theirs", lambda: lab.refuse(r"cvmroot: .*PCR 8.*", timeout=120))
        require(boot_under("ours", opened) == "reopened", "the root is not called reopened")
