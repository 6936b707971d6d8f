# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Boots whose key comes from a broker by attestation, one platform each: the release program at its
real paths, the TEE simulated (tests/tee-sim), the broker the reference one (tests/broker).
"""

import hashlib
import json
import os
import subprocess
import sys

import artefacts
import luks
import tee
from boots import LOG, STATUS
from broker import Broker
from disk import MIB
from lab import STUB, Lab, stub_overlay
from machine import note, require
from scenario import scenario

RESOURCE = "default/luks/root"
MEASUREMENT = "c1" * 48
PCR_11 = hashlib.sha256(bytes(32) + hashlib.sha256(STUB.encode()).digest()).hexdigest()
OWN_LOG = "/run/cvmroot/measure.log"  # of machines without registers
# Where cvmroot.toml suggests to look for initdata, and where QEMU puts it there.
INITDATA = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.cvmroot.initdata/raw"
FW_CFG = "opt/org.cvmroot.initdata"

# Platform: tee-sim's words, whether the key must come for good measurements only.
SNP = ("tsm", "--provider", "sev_guest", "--measurement", MEASUREMENT)
TDX = ("tsm", "--provider", "tdx_guest", "--measurement", MEASUREMENT, "--rtmr",
       "2=" + MEASUREMENT)
SNP_POLICY = {"snp": {"measurements": [MEASUREMENT]}}
TDX_POLICY = {"tdx": {"mrtd": [MEASUREMENT], "rtmrs": {"2": [MEASUREMENT]}}}


class PlatformLab(Lab):
    """A small image whose only key is the broker's, on a simulated platform."""

    logs_checked = 0

    def __init__(self, name, platform, simulator=(), options=""):
        super().__init__(name)
        self.platform = platform
        # What is simulated must be found by itself; a plain vTPM's key is made for it by name.
        self.configured = "auto" if simulator else platform
        self.simulator = simulator
        self.secret = os.urandom(32)
        self.options = options
        self.extra = {}
        self.network = True
        self.deadline = 120
        self.make_image(content=4 * MIB, size=24 * MIB)

    def serve(self, policy=None):
        """The broker; from here on the configuration names it."""
        self.broker = Broker(self.folder / "broker", RESOURCE, self.secret, policy)
        return self.broker

    def write_config(self):
        self.config = f"""
[keys]
providers = ["kbs"]
[tee]
platform = "{self.configured}"
{self.options}
[kbs]
url = "{self.broker.url}"
ca = '''
{self.broker.ca}'''
resource = "kbs:///{RESOURCE}"
deadline-seconds = {self.deadline}
"""

    def initrd(self, extra=None):
        simulated = {}
        if self.simulator:
            simulated = tee.overlay(self.suite, self.broker.roots, *self.simulator)
        return super().initrd({**simulated, **self.extra, **(extra or {})})

    def recover_keys(self):
        """The broker's secret is the slot's passphrase as it is."""
        key = luks.volume_key(self.disk, self.secret, self.folder)
        require(len(key) == 64, f"a volume key of {len(key)} bytes")
        return self.secret, key

    def orders(self, *more):
        return ["hash=/", f"file={STATUS}", *more,
                *(["pcr=15", f"file={LOG}"] if self.tpm else [f"file={OWN_LOG}"])]

    def boot_checked(self, *orders):
        boot = self.boot(self.orders(*orders), timeout=120)
        results = boot.results()
        self.check_guest_hashes(results)
        if self.tpm:
            expected = self.expected_pcr15(self.recover_keys()[1], results["file=" + LOG])
            require(results["pcr=15"] == expected, "PCR 15 is not what its log replays to")
        log = results["file=" + (LOG if self.tpm else OWN_LOG)]
        if not log.startswith(b"error"):
            status = json.loads(results["file=" + STATUS])
            self.check_events(log, status["root"], status["provider"])
            self.logs_checked += 1
        self.check_no_secret([self.secret], {"the console": boot.console})
        return results

    def first_boot(self):
        marker = f"written_by_the_guest_{self.seed}"
        results = self.boot_checked(f"write=/guest:{marker}_")
        require(b"fresh" in results["file=" + STATUS], "the first boot is not called fresh")
        self.check_encrypted([marker])
        return marker

    def reboot(self, marker):
        results = self.boot_checked("file=/guest")
        require(marker.encode() in results["file=/guest"], "what the first boot wrote is gone")
        require(b"reopened" in results["file=" + STATUS], "the root is not called reopened")


def first_boot_and_reboot(lab, policy):
    """Encrypted with the broker's key, opened with it again; twice attested."""
    with lab.serve(policy) as broker:
        lab.write_config()
        marker = lab.first_boot()
        lab.reboot(marker)
        broker.require_attested(lab.platform, 2)
        note(f"{lab.platform}: two attestations were accepted")
    require(lab.logs_checked == 2, f"{lab.logs_checked} logs of two boots")


# ---- One scenario a platform ----

@scenario()
def snp(name):
    """By the kernel's reports below configfs."""
    first_boot_and_reboot(PlatformLab(name, "snp", SNP), SNP_POLICY)


@scenario(full=True)
def snp_ioctl(name):
    """By /dev/sev-guest, as on kernels before 6.7; report of version 5."""
    words = ("sev-guest", "--measurement", MEASUREMENT, "--snp-version", "5")
    first_boot_and_reboot(PlatformLab(name, "snp", words), SNP_POLICY)


@scenario()
def tdx(name):
    first_boot_and_reboot(PlatformLab(name, "tdx", TDX), TDX_POLICY)


@scenario()
def cca(name):
    words = ("tsm", "--provider", "arm_cca_guest", "--measurement", MEASUREMENT)
    first_boot_and_reboot(PlatformLab(name, "cca", words), {"cca": {"rim": [MEASUREMENT[:64]]}})


@scenario()
def az_snp_vtpm(name):
    words = ("azure", "--type", "snp", "--measurement", MEASUREMENT)
    lab = PlatformLab(name, "az-snp-vtpm", words).make_tpm()
    first_boot_and_reboot(lab, {"az-snp-vtpm": {"pcrs": {"11": [PCR_11]},
                                                "measurements": [MEASUREMENT]}})


@scenario(full=True)
def az_tdx_vtpm(name):
    words = ("azure", "--type", "tdx", "--measurement", MEASUREMENT)
    lab = PlatformLab(name, "az-tdx-vtpm", words).make_tpm()
    first_boot_and_reboot(lab, {"az-tdx-vtpm": {"pcrs": {"11": [PCR_11]}, "mrtd": [MEASUREMENT]}})


@scenario()
def vtpm(name):
    """A plain vTPM whose attestation key the broker keeps from its first use on."""
    lab = PlatformLab(name, "tpm", options="create-ak = true").make_tpm()
    first_boot_and_reboot(lab, {"tpm": {"pcrs": {"11": [PCR_11]}, "trusted_aks": "first"}})


# ---- Refusals ----

def refused(name, simulator, policy, sentence):
    """A first boot that gets no key: nothing is written, the power goes off."""
    lab = PlatformLab(name, "snp", simulator)
    lab.deadline = 10
    with lab.serve(policy) as broker:
        lab.write_config()
        lab.refuse(sentence, timeout=120)
        return broker


@scenario()
def snp_forged(name):
    """A report that the hardware did not sign."""
    broker = refused(name, (*SNP, "--bad-signature"), {},
                     r"cvmroot: https://\S+: attest: HTTP 401 AttestationError.*")
    broker.require_refused("snp")


@scenario()
def snp_other_measurement(name):
    """The hardware's report of another guest: the broker's policy does not give it the key."""
    broker = refused(name, SNP, {"snp": {"measurements": ["aa" * 48]}},
                     r"cvmroot: .*: resource: HTTP 401 PolicyDeny.*")
    broker.require_refused("snp", "resource")


# ---- Initdata ----

def initdata_document(lab):
    """The configuration as initdata, and its digest."""
    document = f"""version = "0.1.0"
algorithm = "sha256"
[data]
"cvmroot.toml" = \"\"\"
{lab.config}\"\"\"
"""
    return document, hashlib.sha256(document.encode()).hexdigest()


def give_initdata(lab, document):
    """The host's part: QEMU's fw_cfg."""
    path = lab.folder / "initdata"
    path.write_text(document)
    lab.machine_options = ("-fw_cfg", f"name={FW_CFG},file={path}")


def use_initdata(lab):
    """The configuration comes by initdata from here on; the document, its digest."""
    lab.write_config()
    lab.config_in_effect = lab.config
    document, digest = initdata_document(lab)
    lab.config = (f'[tee]\nplatform = "{lab.configured}"\n{lab.options}\n'
                  f'[initdata]\npath = "{INITDATA}"\n')
    give_initdata(lab, document)
    return document, digest


def refuse_initdata(lab):
    lab.refuse(rf"cvmroot: {INITDATA}: not used: .*", timeout=120)


@scenario()
def snp_initdata(name):
    """HOST_DATA: nothing bound, the document bound, another document, the right one again."""
    lab = PlatformLab(name, "snp", SNP)
    with lab.serve(SNP_POLICY) as broker:
        document, digest = use_initdata(lab)
        refuse_initdata(lab)
        lab.simulator = (*SNP, "--initdata", digest)
        marker = lab.first_boot()
        give_initdata(lab, document + "# changed\n")
        refuse_initdata(lab)
        give_initdata(lab, document)
        lab.reboot(marker)
        broker.require_attested("snp", 2)


@scenario(full=True)
def tdx_initdata(name):
    """MRCONFIGID: another document bound, then this one."""
    lab = PlatformLab(name, "tdx", (*TDX, "--initdata", "aa" * 32))
    with lab.serve(TDX_POLICY) as broker:
        _, digest = use_initdata(lab)
        refuse_initdata(lab)
        lab.simulator = (*TDX, "--initdata", digest)
        lab.first_boot()
        broker.require_attested("tdx", 1)


@scenario()
def vtpm_initdata(name):
    """PCR 8: nothing extended, then the document's digest by what runs before cvmroot."""
    lab = PlatformLab(name, "tpm", options="create-ak = true").make_tpm()
    with lab.serve({"tpm": {"pcrs": {"11": [PCR_11]}}}) as broker:
        _, digest = use_initdata(lab)
        refuse_initdata(lab)
        lab.extra = stub_overlay(f"digest=8:{digest}")
        lab.first_boot()
        broker.require_attested("tpm", 1)


# ---- The simulators themselves, without a machine ----

@scenario(120)
def simulated_reports(_):
    """What the simulators sign, the broker's verifiers take."""
    subprocess.run(["/usr/bin/python3", str(artefacts.ROOT / "tests/tee-sim/test_reports.py")],
                   check=True, stdout=sys.stdout, stderr=subprocess.STDOUT)
