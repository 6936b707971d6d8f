# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Event logs of a good boot, as cvmroot(7) says that they are, and what they replay to."""

import hashlib
import hmac
import json

UUID = "5a63bd9c-52fb-4a3b-8d28-0e05a9a4c5f1"
VOLUME_KEY = bytes(range(64))
CONFIG, MANIFEST = "c0" * 32, "ab" * 32
ROOT = "fresh:epoch=1:provider=tpm2"
KEY_WORD = f"cryptsetup:root:{UUID}"
BANKS = {"sha256": 32, "sha384": 48}


def key_digests(key=VOLUME_KEY, word=KEY_WORD, banks=tuple(BANKS)):
    return {bank: hmac.new(key, word.encode(), bank).digest() for bank in banks}


class Event:
    """One of ours in a PCR. Digests follow from the text unless they are given."""

    def __init__(self, text, kind, pcr=15, digests=None, banks=tuple(BANKS)):
        self.text, self.kind, self.pcr = text, kind, pcr
        self.digests = digests or {bank: hashlib.new(bank, text.encode()).digest()
                                   for bank in banks}

    def record(self):
        return b"\x1e" + json.dumps({
            "pcr": self.pcr,
            "digests": [{"hashAlg": bank, "digest": value.hex()}
                        for bank, value in self.digests.items()],
            "content_type": "systemd",
            "content": {"string": self.text, "bootId": "0" * 32, "timestamp": 1,
                        "eventType": self.kind}}).encode() + b"\n"


def word(name, content=None, pcr=15, **options):
    text = f"cvmroot:{name}" + (f":{content}" if content else "")
    return Event(text, f"cvmroot-{name}", pcr, **options)


def volume_key(pcr=15, **options):
    return Event(KEY_WORD, "volume-key", pcr, digests=key_digests(**options))


def good_boot(root=ROOT, banks=tuple(BANKS)):
    events = [word("config", CONFIG, banks=banks)]
    if not root.startswith("reopened"):
        events.append(word("manifest", MANIFEST, banks=banks))
    return events + [word("root", root, banks=banks), word("volume", UUID, banks=banks),
                     volume_key(banks=banks), word("leave", banks=banks)]


def image_events():
    """What firmware and stub measured before; that the log of user space has it makes a log less
    to write."""
    return [Event(f"image {pcr}", "image", pcr) for pcr in (2, 4, 7, 9, 11)]


def user_log(events):
    return b"".join(event.record() for event in events)


def replay_pcrs(events, bank="sha256"):
    values = [bytes(BANKS[bank])] * 24
    for pcr in range(17, 23):
        values[pcr] = b"\xff" * BANKS[bank]
    for event in events:
        if bank in event.digests:
            values[event.pcr] = hashlib.new(bank, values[event.pcr] + event.digests[bank]).digest()
    return values


# ---- The agent's log, for RTMRs ----

class AgentEvent:
    def __init__(self, text, rtmr=2, tag=0x4141454c, digest=None):
        self.rtmr = rtmr
        self.data = (tag.to_bytes(4, "little") + len(text).to_bytes(4, "little") + text.encode())
        self.digest = digest or hashlib.sha384(self.data).digest()

    def record(self):
        return ((self.rtmr + 1).to_bytes(4, "little") + (6).to_bytes(4, "little") +
                (1).to_bytes(4, "little") + b"\x0c\0" + self.digest +
                len(self.data).to_bytes(4, "little") + self.data)


def agent_word(name, content="-", rtmr=2, **options):
    return AgentEvent(f"cvmroot {name} {content}", rtmr, **options)


def good_agent_boot(rtmr=2, root=ROOT):
    key = key_digests()["sha384"].hex()
    contents = (("config", CONFIG), ("manifest", MANIFEST), ("root", root), ("volume", UUID),
                ("volume-key", f"{KEY_WORD}:sha384:{key}"), ("leave", "-"))
    return [agent_word(name, content, rtmr) for name, content in contents
            if name != "manifest" or not root.startswith("reopened")]


def agent_image_events():
    return [AgentEvent(f"image {rtmr} -", rtmr) for rtmr in (0, 1, 2)]


def cc_log(events):
    """The same as firmware's log: behind the event that says of which algorithms it is."""
    algorithms = b"\x01\0\0\0\x0c\0\x30\0"
    head = b"Spec ID Event03\0" + bytes(4) + b"\0\x02\0\x02" + algorithms + b"\0"
    return ((1).to_bytes(4, "little") + (3).to_bytes(4, "little") + bytes(20) +
            len(head).to_bytes(4, "little") + head + agent_log(events))


def agent_log(events):
    return b"".join(event.record() for event in events)


def replay_rtmrs(events):
    values = [bytes(48)] * 4
    for event in events:
        values[event.rtmr] = hashlib.sha384(values[event.rtmr] + event.digest).digest()
    return values
