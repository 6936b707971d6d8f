# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The reference values of one image: which registers hold what, when a key is asked for and after.

"fetch" is the state in which cvmroot asks for the key, "booted" are the states that follow."""

import dataclasses
import hashlib
import tomllib

from . import Refused
from .initdata import TPM_ALGORITHM
from .registers import (BANKS, Event, agent_event, phase_event, replay, volume_key_event,
                        volume_key_word, word_event)

WORDS = ("config", "manifest", "root", "leave")  # whose PCR the configuration chooses
PCRS_FOR_WORDS = (9, 12, 13, 14, 15)
RTMRS_FOR_WORDS = (2, 3)
INITDATA_PCR = 8
CLOSED_PCR = 15  # always gets the volume and its key
FETCH_PHASE = "enter-initrd"
LATER_PHASES = ("leave-initrd", "sysinit", "ready")
PROVIDERS = ("tpm2", "kbs")
HOWS = ("fresh", "resumed", "reopened")
KINDS = {bool: "true or false", int: "a number", list: "a list", str: "a string"}
EPOCH = 1  # a volume that was made again by "cvmroot reset" has the next


class Settings:
    """What the configuration in effect says of measurements; @data are the bytes of the file."""

    def __init__(self, data, name):
        try:
            tables = tomllib.loads(data.decode("utf-8"))
        except (ValueError, UnicodeDecodeError) as error:
            raise Refused(f"{name}: {error}") from None
        self.digest = hashlib.sha256(data).hexdigest()
        self.name = name
        self.tables = tables
        self.initdata = self.value("initdata", "path", str, None) is not None
        self.grow = self.value("root", "grow", bool, False)
        self.providers = self.read_providers()
        self.pcrs = {word: self.choice(word, CLOSED_PCR, PCRS_FOR_WORDS) for word in WORDS}
        self.rtmr = self.choice("rtmr", 2, RTMRS_FOR_WORDS)

    def value(self, table, key, kind, default):
        found = self.tables.get(table, {})
        if not isinstance(found, dict):
            raise Refused(f"{self.name}: {table} is a table, not {found!r}")
        value = found.get(key, default)
        # To Python, true is a number as well.
        if key in found and type(value) is not kind:  # pylint: disable=unidiomatic-typecheck
            raise Refused(f"{self.name}: [{table}] {key} is {KINDS[kind]}, not {value!r}")
        return value

    def choice(self, key, default, allowed, table="measure", kind=int):
        value = self.value(table, key, kind, default)
        if value not in allowed:
            raise Refused(f"{self.name}: [{table}] {key} is one of "
                          f"{', '.join(map(str, allowed))}, not {value!r}")
        return value

    def read_providers(self):
        """What cvmroot may say of who gave the key: with the rule "all" they are one name."""
        names = self.value("keys", "providers", list, ["tpm2"])
        if not names or not all(isinstance(name, str) for name in names):
            raise Refused(f"{self.name}: [keys] providers is a list of names, not {names!r}")
        unknown = [name for name in names if name not in PROVIDERS]
        if unknown or len(set(names)) != len(names):
            raise Refused(f"{self.name}: [keys] providers are some of {', '.join(PROVIDERS)}, each "
                          f"once, not {names!r}")
        rule = self.choice("rule", "any", ("any", "all"), "keys", str)
        return ["+".join(names)] if rule == "all" else names


@dataclasses.dataclass
class Volume:
    """What differs from machine to machine, when it is known."""
    uuid: str
    digests: dict  # bank: the volume key's


@dataclasses.dataclass
class Register:
    kind: str  # "PCR" or "RTMR"
    number: int
    fetch: list = None  # the events of each state in which a key may be asked for
    gap: str = None  # why they are not known
    later: list = dataclasses.field(default_factory=list)  # (when, the events since)
    each_later: bool = False  # "booted" is the state after each of them, not only after the last
    later_gap: bool = False  # no last state is known: each machine has its own, or more follows
    changes: str = ""  # what changes it, for people
    given: dict = None  # bank: the values, of a register that is not computed
    banks: tuple = BANKS

    def values(self, bank):
        """As the reference file has them; None when nothing is known."""
        if self.given is not None:
            known = self.given.get(bank)
            return known and {"fetch": known, "booted": known}
        if bank not in self.banks:
            return None
        if self.fetch is None:
            return None
        found = {"fetch": unique(replay(events, bank) for events in self.fetch)}
        if not self.later_gap:
            found["booted"] = unique(replay(before + events[:count], bank) for before in self.fetch
                                     for _, events in self.later for count in self.counts(events))
        return found

    def counts(self, events):
        return range(0 if self.each_later else len(events), len(events) + 1)


def unique(values):
    return list(dict.fromkeys(value.hex() for value in values))


class Values:
    """@manifest: its digest in hex, or None. @table: the image's partition table, or None.
    @disk_size: of the machine's disk, or None. @initdata: the document that the settings are from,
    or None. @given: {PCR: {bank: values in hexadecimal}} of PCRs 2 and 7."""

    def __init__(self, uki, settings, manifest, volume=None, secure_boot=False, table=None,
                 disk_size=None, phases=LATER_PHASES, initdata=None, given=None):
        self.uki = uki
        self.settings = settings
        self.manifest = manifest
        self.volume = volume
        self.secure_boot = secure_boot
        self.table = table
        self.disk_size = disk_size
        self.phases = phases
        self.initdata = initdata
        self.given = given or {}
        self.pcrs = [*self.early_pcrs(), self.pcr9(), self.pcr11(),
                     *map(self.zero_pcr, self.zero_pcrs())]
        self.rtmrs = [self.rtmr1(), self.rtmr2(), self.rtmr3()]

    # --- What cvmroot measures ---

    def courses(self):
        """(how, provider) of each way in which a boot can go."""
        hows = HOWS if self.manifest else HOWS[2:]
        return [(how, provider) for provider in self.settings.providers for how in hows]

    def contents(self, how, provider):
        """(word, content) in the order of the events; the content of the volume's may be None."""
        found = [("config", self.settings.digest)]
        if how != "reopened":
            found.append(("manifest", self.manifest))
        found.append(("root", f"{how}:epoch={EPOCH}:provider={provider}"))
        found.append(("volume", self.volume and self.volume.uuid))
        found.append(("volume-key", self.volume and self.volume.uuid))
        return [*found, ("leave", "")]

    def pcr_event(self, word, content):
        """Shown of the first bank, which is the one that everybody has."""
        if word == "volume-key":
            known = self.volume and BANKS[0] in self.volume.digests
            return volume_key_event(content, self.volume.digests) if known else None
        return None if content is None else word_event(word, content)

    def agent_event(self, word, content):
        if word == "volume-key":
            if not self.volume or "sha384" not in self.volume.digests:
                return None
            content = (f"{volume_key_word(content)}:sha384:"
                       f"{self.volume.digests['sha384'].hex()}")
        return None if content is None else agent_event(word, content)

    def own_events(self, register, how, provider):
        """cvmroot's events in a register; None stands for one that is not known."""
        contents = self.contents(how, provider)
        if register.kind == "RTMR":
            return [self.agent_event(*item) for item in contents
                    if register.number == self.settings.rtmr]
        return [self.pcr_event(*item) for item in contents
                if register.number == self.settings.pcrs.get(item[0], CLOSED_PCR)]

    def with_own(self, register):
        """The register with the states that cvmroot leads it to."""
        for how, provider in self.courses():
            events = self.own_events(register, how, provider)
            register.later_gap |= None in events
            register.later.append((f"after cvmroot, {how}, the key from {provider}", events))
        return register

    # --- The registers ---

    def early_pcrs(self):
        found = [self.pcr2(), self.pcr4()]
        if 7 in self.given:
            found.append(self.given_pcr(7, "Secure Boot, its keys, and which of them vouch for "
                                        "what boots"))
        return found + ([self.pcr8()] if self.initdata else [])

    def given_pcr(self, number, changes):
        return Register("PCR", number, [], given=self.given[number], changes=changes)

    def pcr2(self):
        changes = "drivers and option ROMs that the firmware loads"
        if 2 in self.given:
            return self.given_pcr(2, changes)
        return self.with_own(Register("PCR", 2, [self.uki.driver_events()], changes=changes))

    def pcr8(self):
        """The digest of the document, extended once, which a TPM's bank must have the size for."""
        digest, bank = self.initdata.digest, TPM_ALGORITHM
        gap = None if self.initdata.algorithm == bank else (
            f"a TPM binds an initdata document whose algorithm is {bank}")
        event = Event("initdata: the digest of the document", digests={bank: digest})
        return self.with_own(Register(
            "PCR", INITDATA_PCR, None if gap else [[event]], gap, banks=(bank,),
            changes="the initdata document, to the last byte"))

    def pcr4(self):
        return self.with_own(Register(
            "PCR", 4, [self.uki.firmware_events(self.secure_boot)],
            changes="any change of the UKI; Secure Boot, on or off"))

    def pcr9(self):
        gap = self.uki.kernel_gap()
        return self.with_own(Register(
            "PCR", 9, None if gap else [self.uki.kernel_events()], gap,
            changes="command line, initrd, the configuration and the manifest in it; with "
            "systemd-stub 257 also os-release; what a loader adds to any of them"))

    def pcr11(self):
        start = self.uki.stub_events() + [phase_event(FETCH_PHASE)]
        later = [("after cvmroot the same, then", list(map(phase_event, self.phases)))]
        return Register("PCR", 11, [start], later=later, each_later=True,
                        changes="kernel, os-release, command line, initrd, the configuration and "
                        "the manifest in it; the phase of the boot")

    def zero_pcrs(self):
        # Shim measures its keys into PCR 14: named only where cvmroot's events make it ours.
        return (12, 13, *([14] if 14 in self.settings.pcrs.values() else []), CLOSED_PCR)

    def zero_pcr(self, number):
        changes = {12: "a command line, credentials or addons from outside of the UKI",
                   13: "system extensions from outside of the UKI",
                   14: "keys of shim, if that starts the UKI",
                   15: "cvmroot itself, once it has the key"}[number]
        # PCR 15 gets more of the running system: its machine ID, its file systems.
        return self.with_own(Register("PCR", number, [[]], later_gap=number == CLOSED_PCR,
                                      changes=changes))

    def rtmr1(self):
        gap, events = self.rtmr1_gap(), None
        if not gap:
            tables = [self.table]
            if self.settings.grow:
                tables.append(self.table.grown(self.disk_size))
            # Newer firmware has a separator in it, older has none.
            events = [self.uki.rtmr1_events(self.secure_boot, table.event, separator)
                      for table in tables for separator in (True, False)]
        return self.with_own(Register("RTMR", 1, events, gap, changes="any change of the UKI, the "
                                      "partition table; Secure Boot, on or off"))

    def rtmr1_gap(self):
        if not self.table:
            return "the partition table is measured into it: give the whole image with --image"
        if self.settings.grow and not self.disk_size:
            return ("the partition table is measured into it, and the first boot lets the root "
                    "partition grow: give --disk-size, or set grow = false")
        return None

    def rtmr2(self):
        gap = self.uki.rtmr2_gap()
        return self.with_own(Register(
            "RTMR", 2, None if gap else [self.uki.rtmr2_events()], gap,
            changes="kernel, os-release, command line, initrd, the configuration and the manifest "
            "in it; what a loader adds to any of them"))

    def rtmr3(self):
        # CoCo's attestation agent extends it by default.
        return self.with_own(Register("RTMR", 3, [[]], later_gap=True,
                                      changes="agents of the running system"))

    def gaps(self, kind, pcrs):
        """A sentence for each register of the kind that is left out."""
        return [f"{kind} {register.number}: {register.gap}"
                for register in (self.rtmrs if kind == "RTMR" else self.pcrs)
                if register.fetch is None and (kind == "RTMR" or register.number in pcrs)]

    # --- The file ---

    def steps(self, register):
        """{how: [[word, the values that the PCR may have after it]]}, as far as they are known."""
        found = {}
        for how, provider in self.courses():
            for before in register.fetch:
                for word, value in self.course_steps(register, before, how, provider):
                    row = found.setdefault(how, {}).setdefault(word, [word])
                    row += [value] if value not in row else []
        return {how: list(rows.values()) for how, rows in found.items()}

    def course_steps(self, register, before, how, provider):
        events = list(before)
        for word, content in self.contents(how, provider):
            if register.number != self.settings.pcrs.get(word, CLOSED_PCR):
                continue
            event = self.pcr_event(word, content)
            if not event:
                return
            events.append(event)
            yield word, replay(events, BANKS[0]).hex()

    def reference(self, pcrs):
        """@pcrs: those to keep."""
        found = {"cvmroot-reference": 1, "pcrs": {}}
        for bank in BANKS:
            found["pcrs"][bank] = {str(register.number): register.values(bank)
                                   for register in self.pcrs
                                   if register.number in pcrs and register.values(bank)}
        found["tdx"] = {"rtmrs": {str(register.number): register.values("sha384")
                                  for register in self.rtmrs if register.values("sha384")}}
        found["events"] = {"config": [self.settings.digest]}
        if self.manifest:
            found["events"]["manifest"] = [self.manifest]
        found["events"]["providers"] = self.settings.providers
        found["events"]["how"] = list(HOWS if self.manifest else HOWS[2:])
        found["events"]["epoch"] = [EPOCH]
        steps = {str(register.number): self.steps(register) for register in self.pcrs
                 if register.number in pcrs and register.fetch is not None}
        steps = {number: known for number, known in steps.items() if known}
        if steps:
            found["steps"] = steps
        if self.volume:
            found["volume"] = {"uuid": [self.volume.uuid]}
            if self.volume.digests:
                found["volume"]["volume-key"] = {
                    bank: [digest.hex()] for bank, digest in sorted(self.volume.digests.items())}
        return found
