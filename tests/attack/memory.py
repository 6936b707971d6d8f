# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 12: what is left in memory of the keys when the program that used them has ended."""

import base64
import hashlib
import os

import disk
import ram
from boots import PROGRAM
from faults import SLOW, STARTED
from lab import Lab, converted, unit
from machine import Drive, note
from providers import TwoProvidersLab, combined
from rows import attack, need

MEMORY = 512  # MiB
HOLDING = "vmtest: holding"


class Dump:
    """The memory of a guest that stands still."""

    def __init__(self, lab, boot, name):
        self.path = lab.folder / name
        self.boot = boot
        ram.save(boot, self.path, MEMORY)

    def find(self, secret):
        """Where any part of a secret is, in any form in which it could be."""
        needles = [piece for form in disk.encodings(secret) for piece in ram.pieces(form)]
        return ram.find(self.path, needles)

    def require_planted(self, text, pages):
        """A search that misses what is there would find no secret either."""
        found = ram.find(self.path, [hashlib.sha256(text.encode()).digest()])
        need([pages.kind(address) for address in found] == ["process"],
             f"what was planted in a process is at: {pages.describe(found)}")

    def require_gone(self, what, secret, pages):
        found = self.find(secret)
        need(not found, f"{what} is left in memory: {pages.describe(found)}")

    def require_in_kernel(self, what, secret, pages):
        """In the kernel's own objects, as dm-crypt needs it, and nowhere else."""
        found = self.find(secret)
        need(found, f"{what} is not found, although the root is in use")
        outside = [address for address in found if pages.kind(address) != "slab"]
        need(not outside, f"{what} is left outside of the kernel: {pages.describe(outside)}")
        note(f"{what}: {pages.describe(found)}")


# Started before the program ends: what is started later would use again the memory to be searched.
HOLD_UNIT = """[Unit]
DefaultDependencies=no
Before=systemd-fsck@dev-mapper-root.service sysroot.mount
[Service]
Type=oneshot
ExecStart=/vmtest/guest "program={program}" plant={text} "gone={program}" pages hold
StandardOutput=tty
TTYPath=/dev/console
"""
WANT_HOLD = b"[Unit]\nWants=vmtest-hold.service\n"


class Holding:
    """
    A boot in which the guest's program says what pages are for, and holds still for a last dump:
    beside our program as soon as this has ended (@early), or as the root's only program.
    """

    def __init__(self, lab, early=False, **options):
        self.lab = lab
        self.text = os.urandom(8).hex()
        if early:
            hold = HOLD_UNIT.format(program=PROGRAM, text=self.text)
            options["extra"] = {
                unit("vmtest-hold.service"): hold.encode(),
                unit("cvmroot-boot.service.d/60-vmtest-hold.conf"): WANT_HOLD,
            }
        orders = [] if early else [f"plant={self.text}", "pages", "hold"]
        self.machine = lab.machine(orders, memory=MEMORY, **options)

    def last_dump(self, boot):
        boot.wait_text(HOLDING, 300)
        dump = Dump(self.lab, boot, "memory-last")
        results = boot.results()
        need(f"gone={PROGRAM}" not in results, f"{PROGRAM} does not end")
        pages = ram.Pages(results["pages"])
        dump.require_planted(self.text, pages)
        return dump, pages


@attack(12, "no slot secret, the volume key in the kernel only", weaken="wipe",
        red="the slot secret is left in memory")
def memory_after_unlock(name):
    """All of the guest's memory is read as soon as the program has ended."""
    lab = converted(name)
    holding = Holding(lab, early=True)
    with holding.machine.start() as boot:
        dump, pages = holding.last_dump(boot)
    dump.require_gone("the slot secret", lab.slot_secret, pages)
    dump.require_in_kernel("the volume key", lab.volume_key, pages)
    return "the volume key in the kernel only"


@attack(12, "no slot secret, the volume key in the kernel only", weaken="wipe",
        red="the slot secret is in memory while the root is encrypted", full=True)
def memory_after_first_boot(name):
    """
    The same when the keys were made in this boot: the slot secret was needed for the header only,
    and is gone before the root is encrypted.
    """
    lab = Lab(name).make_image().make_tpm()
    holding = Holding(lab, early=True, drives=[Drive(lab.disk, bytes_per_second=SLOW)])
    with holding.machine.start() as boot:
        boot.wait_text(STARTED, 300)
        running = Dump(lab, boot, "memory-running")
        boot.ask("cont")
        dump, pages = holding.last_dump(boot)
    secret, key = lab.recover_keys()
    need(running.find(key), "the volume key is not found while the program uses it")
    found = running.find(secret)
    need(not found, f"the slot secret is in memory while the root is encrypted: {found}")
    dump.require_gone("the slot secret", secret, pages)
    dump.require_in_kernel("the volume key", key, pages)
    return "the volume key in the kernel only"


@attack(12, "no provider's secret, the volume key in the kernel only", full=True)
def memory_after_broker(name):
    """
    A key of two parts, the TPM's and a broker's that is away when the first part is there; the
    last look is taken when the root is in use.
    """
    # Weakened it would be memory_after_unlock once more.
    lab = TwoProvidersLab(name, "all")
    with lab.broker:
        lab.write_config()
        lab.config = lab.config.replace('["kbs", "tpm2"]', '["tpm2", "kbs"]').replace(
            "deadline-seconds = 10", "deadline-seconds = 600")
        lab.boot(["hash=/"])
    holding = Holding(lab)
    with holding.machine.start() as boot:
        boot.wait_text("cvmroot: waiting for the key broker", 300)
        running = Dump(lab, boot, "memory-running")
        lab.broker.listen = f"127.0.0.1:{lab.broker.port}"
        with lab.broker:
            boot.ask("cont")
            dump, pages = holding.last_dump(boot)
    sealed = lab.recover_sealed()
    need(running.find(sealed), "the TPM's part is not found while the program waits with it")
    passphrase = combined({"tpm2": base64.b64encode(sealed), "kbs": lab.secret})
    _, key = lab.recover_keys()
    for what, secret in (("the TPM's part", sealed), ("the broker's part", lab.secret),
                         ("the passphrase", base64.b64decode(passphrase))):
        dump.require_gone(what, secret, pages)
    dump.require_in_kernel("the volume key", key, pages)
    return "the volume key in the kernel only"
