# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Rows 8, 15, 21, 26: disks that the host has prepared, and a machine whose key is a broker's."""

import base64
import copy
import os
import subprocess

import disk
import luks
from confined import Image, guest, loop_device
from rows import attack, need, program


# ---- 8 ----

@attack(8, "refused", weaken="header-mac", red="the root was unlocked")
def later_epoch(name):
    """
    An older volume says that it is of the epoch that a verifier expects. No TPM remembers one here;
    who refuses is the MAC. An epoch that is authentic, but old, is old_epoch().
    """
    with guest(name) as place:
        image = Image(place)
        image.configure(place.broker())
        image.unlocked(image.boot())

        def set_epoch(metadata):
            token = luks.token(metadata, "cvmroot")
            token["epoch"] = str(int(token["epoch"]) + 1)

        luks.rewrite(image.disk, set_epoch)
        image.refused(image.boot(), r"the MAC of keyslot 0 does not hold")
        return place.said


# ---- 15 ----

@attack(15, "only the configured broker is asked, only for the configured resource",
        weaken="kbs-token", red="the root was unlocked")
def token_of_the_disk(name):
    """The host's own disk, whole and authentic, whose token names the broker that has its key."""
    with guest(name) as place:
        known = place.folder / "known"
        known.write_bytes(os.urandom(32))
        hosts = place.broker(options=["--resource", f"default/hosts/key={known}"])
        image = Image(place)
        image.configure(hosts, "kbs:///default/hosts/key")
        image.unlocked(image.boot())
        token = luks.token(luks.metadata(image.disk), "kbs")
        need((token["trustee.kbs.url"], token["trustee.kbs.resource"])
             == (hosts.url, "kbs:///default/hosts/key"), f"the disk has the token {token}")
        asked = len(hosts.log())

        broker = place.broker()
        image.configure(broker)
        image.refused(image.boot(), r"the passphrase does not open keyslot 0")
        need(len(hosts.log()) == asked, "the host's broker was asked")
        paths = [line["path"] for line in broker.log() if line["event"] == "resource"]
        need(paths == ["/kbs/v0/resource/default/luks/root"], f"the broker was asked for {paths}")
        return place.said


@attack(15, "not read")
def crypttab_of_the_disk(name):
    """In the image's root, where a boot without cvmroot would look. Nothing to take out: there is
    no code that reads it."""
    need(b"crypttab" not in program().read_bytes(), "the program knows of crypttab")
    with guest(name) as place:
        image = Image(place, {"etc/crypttab": "root /dev/null /dev/zero plain,cipher=null\n"})
        broker = place.broker()
        image.configure(broker)
        for _ in range(2):
            image.unlocked(image.boot())
        segment = luks.metadata(image.disk)["segments"]["0"]
        need(segment["encryption"] == luks.CIPHER, f"encrypted with {segment['encryption']}")
        return "encrypted and unlocked as without it"


# ---- 21 ----

@attack(21, "the MAC says nothing about a guess", weaken="mac-of-passphrase",
        red="the MAC confirms a guess of the passphrase")
def guess_by_mac(name):
    """Somebody has put a passphrase that can be guessed where a key should be."""
    passphrase = b"correct horse"
    with guest(name) as place:
        place.secret_file.write_bytes(passphrase)
        place.secret = passphrase
        place.memory = 1 << 30  # for the slow KDF that a passphrase gets
        image = Image(place)
        image.configure(place.broker())
        image.unlocked(image.boot())
        metadata = luks.metadata(image.disk)
        key = luks.volume_key(image.disk, passphrase, place.folder)
        # All of it is known to the host.
        covered = luks.facts(metadata, luks.uuid(image.disk), key)
        mac = bytes.fromhex(luks.token(metadata, "cvmroot")["macs"]["0"])

        def holds(secret):
            return luks.mac(secret, covered) == mac

        need(not holds(passphrase), "the MAC confirms a guess of the passphrase without its KDF")
        # Else the comparison above would have compared something else.
        need(holds(passphrase + key), "the MAC is not the one of passphrase and volume key")
        kdf = metadata["keyslots"]["0"]["kdf"]
        need(kdf["type"] == "argon2id" or kdf["iterations"] >= 100000, f"a fast KDF: {kdf}")
        return f"keyed with the volume key, too, which only {kdf['type']} gives out"


@attack(21, "refused")
def only_a_passphrase(name):
    """The one keyslot left is an owner's, for a passphrase that the host knows by now. No defence
    to take out: without a MAC nothing could be compared."""
    with guest(name) as place:
        image = Image(place)
        image.configure(place.broker())
        image.unlocked(image.boot())
        recovery = place.folder / "recovery"
        recovery.write_bytes(b"known to the host")
        with loop_device(image.disk) as device:
            subprocess.run(["cryptsetup", "luksAddKey", "--batch-mode", "--pbkdf", "pbkdf2",
                            "--pbkdf-force-iterations", "1000", "--key-file",
                            str(place.secret_file), device, str(recovery)], check=True)

        def leave_one(metadata):
            del metadata["keyslots"]["0"]
            metadata["digests"]["0"]["keyslots"] = ["1"]
            for token in metadata["tokens"].values():
                token["keyslots"] = ["1"] if token["type"] == "kbs" else []

        luks.rewrite(image.disk, leave_one)
        image.refused(image.boot(), r"keyslot 1 was not made by cvmroot: the header holds no MAC")
        return place.said


# ---- 26 ----

MOST = (1 << 31) - 1
SALT = base64.b64encode(bytes(32)).decode()


def change_keyslot(**members):
    return lambda metadata: metadata["keyslots"]["0"]["kdf"].update(members)


def give_argon2(metadata):
    metadata["keyslots"]["0"]["kdf"] = {"type": "argon2id", "time": 4, "memory": 4 << 20,
                                        "cpus": 4, "salt": SALT}


def change_digest(metadata):
    metadata["digests"]["0"]["iterations"] = MOST


COSTS = (
    (change_keyslot(iterations=MOST), r"keyslot 0 has a pbkdf2 cost outside of"),
    (change_digest, r"digest 0 has a pbkdf2 cost outside of"),
    (give_argon2, r"keyslot 0 has an argon2 cost of more than 1 GiB"),
)


@attack(26, "refused before a KDF runs", weaken="kdf-cost", red="the client still ran")
def kdf_costs(name):
    """2^31 iterations of pbkdf2 in keyslot and digest; argon2 with 4 GiB."""
    with guest(name) as place:
        image = Image(place)
        broker = place.broker()
        image.configure(broker)
        image.unlocked(image.boot())
        good = disk.copy(image.disk, place.folder / "good")
        asked = len(broker.log())
        for change, sentence in COSTS:
            disk.copy(good, image.disk)
            luks.rewrite(image.disk, change)
            image.refused(image.boot(deadline=5), sentence)
            need(len(broker.log()) == asked, "the broker was asked first")
        return place.said


FIRST_AREA, AREA_SIZE = 32768, 258048
BROKEN_KEYSLOTS = 20  # more do not fit into the JSON


def add_keyslots(count, tokens):
    """
    A change of the header: so many keyslots more, which no secret opens, and tokens for the lists
    of keyslots that tokens() makes of all their numbers, that of the good one last.
    """
    def change(metadata):
        for number in range(1, count + 1):
            slot = copy.deepcopy(metadata["keyslots"]["0"])
            slot["area"]["offset"] = str(FIRST_AREA + number * AREA_SIZE)
            metadata["keyslots"][str(number)] = slot
        metadata["digests"]["0"]["keyslots"] = list(metadata["keyslots"])
        made = [{"type": "kbs", "keyslots": names}
                for names in tokens([*map(str, range(1, count + 1)), "0"])]
        ours = luks.token(metadata, "cvmroot")
        metadata["tokens"] = {str(number): token for number, token in enumerate([ours, *made])}
    return change


def token_each(numbers):
    return [[number] for number in numbers]


def one_token(numbers):
    return [numbers]


@attack(26, "refused before the broker is asked, or it is asked once", weaken="many-tokens",
        red="the client still ran")
def many_tokens(name):
    """Tokens for a broker that does not answer, so that its deadline passes once for each."""
    with guest(name) as place:
        image = Image(place)
        broker = place.broker()
        image.configure(broker)
        image.unlocked(image.boot())
        offset = int(luks.metadata(image.disk)["keyslots"]["0"]["area"]["offset"])
        need(offset == FIRST_AREA, f"keyslot 0 lies at {offset}")
        good = disk.copy(image.disk, place.folder / "good")

        gone = place.broker()
        gone.stop()
        image.configure(gone)
        for tokens, sentence in ((token_each, r"token 5 is one of too many of its type"),
                                 (one_token, r"token 1 names more than one keyslot")):
            disk.copy(good, image.disk)
            luks.rewrite(image.disk, add_keyslots(BROKEN_KEYSLOTS, tokens))
            image.refused(image.boot(deadline=5), sentence)

        # As many as may be there.
        image.configure(broker)
        disk.copy(good, image.disk)
        luks.rewrite(image.disk, add_keyslots(3, token_each))
        asked = broker.count("resource")
        image.unlocked(image.boot())
        asked = broker.count("resource") - asked
        need(asked == 1, f"for four keyslots the broker was asked {asked} times")
        return "the header is refused; the answer for the first of four keyslots is that for all"
