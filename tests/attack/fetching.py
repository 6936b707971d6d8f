# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Rows 12, 19, 20, 24, 26: what stands between the machine and its key broker, and what leaks of what
the broker gives. Most are cases of the broker's suite, done to the release binary.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import time

import answers
import certificates
import clocks
import connections
import disk
from case import CASES
from confined import ATTACK_WON, Image, by_cases, guest
from relay import Relay
from rows import attack, need

# They register the cases.
CASE_MODULES = (answers, certificates, clocks, connections)

# Row, name, its cases, what is expected, the patch, and what it looks like without the defence.
BY_CASES = (
    (19, "answer_to_another", ("replay", "wrong-key"), "refused", "one-tee-key", ATTACK_WON),
    (20, "another_ca", ("wrong-ca",), "refused before a request is sent", "tls-ca", ATTACK_WON),
    (20, "self_signed", ("self-signed",), "refused before a request is sent", "tls-ca",
     ATTACK_WON),
    (20, "another_name", ("hostname-mismatch",), "refused before a request is sent", "tls-name",
     ATTACK_WON),
    (20, "no_tls", ("plain-http",), "refused before a request is sent", "http", ATTACK_WON),
    (20, "blackhole", ("blackhole", "blackhole-opened"),
     "the deadline is kept, and no other way tried", "deadline", "the client still ran"),
    (24, "wrong_by_a_year", ("clock-ahead", "clock-behind", "clock-and-expired",
                             "clock-retry-after"),
     "only the dates of certificates count, by their rule", "certificate-dates", ATTACK_WON),
    (24, "jumps", ("clock-jumps",), "waits and deadlines are as long as they should", "wall-clock",
     "exit code: 1, not 0"),
    (26, "long_answers", ("oversized", "oversized-resource", "endless"), "refused at the limit",
     "answer-limits", f"{ATTACK_WON}|MiB of memory"),
    (26, "slow_answers", ("slow-bytes", "slow-body"), "ended long before they do", "slow-answers",
     "it went on as long as bytes came"),
)

for row, function_name, names, expected, patch, red in BY_CASES:
    function = by_cases(*names)
    function.__name__ = function_name
    attack(row, expected, weaken=patch, red=red)(function)


def check_all_cases():
    """The suite "broker" leaves its attacks to this one."""
    mine = {name for _, _, names, *_ in BY_CASES for name in names} | {"redirect"}
    theirs = {name for name, known in CASES.items() if known.attack}
    if mine != theirs:
        raise ValueError(f"cases that only one of the suites has: {sorted(mine ^ theirs)}")


check_all_cases()


# ---- 20, 26: redirects ----

@attack(20, "the fake is not asked", weaken="redirects", red=ATTACK_WON)
def redirected_to_a_fake(name):
    """To a broker that gives a key that the host knows; and round in circles."""
    with guest(name) as place:
        known = place.folder / "known"
        known.write_bytes(bytes(32))
        fake = place.broker(options=["--resource", f"default/luks/root={known}"])
        paths = {"auth": "auth", "attest": "attest", "resource": "resource/default/luks/root"}
        broker = place.broker(*(f"redirect={fake.url}/kbs/v0/{path}@{phase}"
                                for phase, path in paths.items()))
        place.refused(place.fetch(broker, deadline=10),
                      r".*: auth: HTTP 307: redirects are not followed; .*")
        need(not fake.log(), "the fake was asked")
        CASES["redirect"].function(place)
        return place.said


# ---- 12: the secret in sight ----

def forms(secret):
    return {form: what for form, what in zip(disk.encodings(secret), (
        "as it is", "in hex", "in upper-case hex", "in base64", "in base64url"))}


def need_hidden(secret, where, data):
    for form, what in forms(secret).items():
        need(form not in data, f"the secret is in {where}, {what}")


def full_pipe():
    """A pipe that takes nothing more, and how much is in it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    filled = 0
    try:
        while True:
            filled += os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer, filled


def writing_child(process, seconds):
    """/proc of the client, once it waits for its standard output to take what it has fetched."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        for child in children.split():
            folder = pathlib.Path(f"/proc/{child}")
            if (folder / "syscall").read_text().startswith("1 0x1 "):
                return folder
        # Nothing tells of it but its state; its end would.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise AssertionError("the client ended with its output full")
    raise AssertionError("the client does not write the secret")


def look_at(secret, folder):
    need((folder / "comm").read_text().startswith("cvmroot"), "this is not the client")
    for name in "cmdline", "environ", "comm":
        need_hidden(secret, f"/proc/PID/{name}", (folder / name).read_bytes())
    for entry in (folder / "fd").iterdir():
        target = os.readlink(entry)
        if target.startswith("/") and os.path.isfile(target) and int(entry.name) > 2:
            need_hidden(secret, target, pathlib.Path(target).read_bytes())


def look_at_fetch(place, broker):
    """While it holds the secret, and when it has said all."""
    reader, writer, filled = full_pipe()
    said = place.folder / "said"
    with open(said, "wb") as errors:
        process = subprocess.Popen(place.front + [str(place.program), "--debug",
                                                  *place.command(broker)[1:]],
                                   stdin=subprocess.DEVNULL, stdout=writer, stderr=errors)
    os.close(writer)
    try:
        look_at(place.secret, writing_child(process, 30))
        with open(reader, "rb") as stream:
            output = stream.read()[filled:]
        need(process.wait(10) == 0 and output == place.secret, "the client did not end well")
    finally:
        process.kill()
        process.wait()
    need(b"cvmroot: attest: " in said.read_bytes(), "nothing was told with --debug")
    need_hidden(place.secret, "standard error with --debug", said.read_bytes())


@attack(12, "nowhere but on standard output", weaken="secret-told", red="the secret is in")
def secret_in_sight(name):
    """A fetched secret: arguments, environment, log with --debug, console, files."""
    with guest(name) as place:
        broker = place.broker()
        look_at_fetch(place, broker)
        image = Image(place)
        image.configure(broker)
        for _ in range(2):
            image.unlocked(image.boot("--debug"))
            said = (place.folder / "err").read_bytes()
            need(b"cvmroot: looking for the root partition" in said, "nothing was told")
            need_hidden(place.secret, "standard error of boot --debug", said)
        for path in place.confined.rglob("*"):
            if path.is_file():
                need_hidden(place.secret, path.relative_to(place.confined), path.read_bytes())
        for path in broker.log_file.parent.iterdir():
            need_hidden(place.secret, path.name, path.read_bytes())
        return "arguments, environment, files, console and the log with --debug are without it"


# ---- 19: evidence that is not of this exchange ----

# The broker is who refuses these, so that there is nothing to take out of cvmroot.

def need_nothing_given(broker, count=0):
    given = [line for line in broker.log()
             if line["event"] == "resource" and line["result"] == "ok"]
    need(len(given) == count, "the broker gave the secret for evidence of another exchange")


@attack(19, "refused by the broker")
def replayed_evidence(name):
    """What a guest once sent, in a session of the host's own: as it was, and with its nonce."""
    with guest(name) as place:
        broker = place.broker()
        with Relay(place, broker) as relay:
            place.fetched(place.fetch(relay.url))
            old = relay.bodies["attest"]
            for change in (lambda body, nonce: None,
                           lambda body, nonce: body["runtime-data"].update(nonce=nonce)):
                with relay.client() as host:
                    nonce = host.auth("snp")
                    body = json.loads(old)
                    need(body["runtime-data"]["nonce"] != nonce, "the nonce is the old one")
                    change(body, nonce)
                    status, answer = host.send("POST", "attest", json.dumps(body).encode())
                    need(status == 401, f"the broker took old evidence: {status} {answer}")
                    status, answer = host.send("GET", "resource/default/luks/root")
                    need(status == 401, f"the broker gave something: {status} {answer}")
        need_nothing_given(broker, 1)
        return answer["detail"]


@attack(19, "refused by the broker")
def relayed_evidence(name):
    """The guest's own evidence and nonce, but the key that is to get the secret is the host's."""
    with guest(name) as place:
        broker = place.broker()
        with Relay(place, broker) as relay:
            place.fetched(place.fetch(relay.url))
            other = json.loads(relay.bodies["attest"])["runtime-data"]["tee-pubkey"]

            def swap(body):
                body = json.loads(body)
                need(body["runtime-data"]["tee-pubkey"] != other, "the TEE key is the old one")
                body["runtime-data"]["tee-pubkey"] = other
                return json.dumps(body).encode()

            relay.requests["attest"] = swap
            place.refused(place.fetch(relay.url, deadline=3),
                          r".*: attest: HTTP 401 AttestationError .*")
        need_nothing_given(broker, 1)
        return place.said


@attack(19, "refused by the guest, nothing is sent", weaken="report-data",
        red="evidence about something else was sent")
def stale_report(name):
    """The platform's services answer with a report that was asked for earlier."""
    with guest(name) as place:
        broker = place.broker()
        place.simulate("--report-data", "11" * 64)
        result = place.fetch(broker)
        need(broker.count("attest") == 0, "evidence about something else was sent")
        place.refused(result, r"the SNP report is not about the report data asked for")
        need_nothing_given(broker)
        return place.said


# ---- 26: huge JSON ----

def nested(count):
    return b'{"nonce":' + b"[" * count + b"]" * count + b"}"


@attack(26, "refused at once")
def deep_json(name):
    """Nested as deep as the limit of an answer allows, and the same name as often. The limit of
    depth is jansson's own, and the rest is bounded by its bytes: nothing of ours to take out."""
    twice = b'{"nonce":"x",' + b",".join(b'"a":0' for _ in range(10000)) + b"}"
    with guest(name) as place:
        broker = place.broker()
        with Relay(place, broker) as relay:
            for body in nested(32000), b'{"nonce":' + b"[" * 60000, twice:
                relay.answers["auth"] = lambda _, body=body: body
                result = place.fetch(relay.url, deadline=10)
                place.refused(result, r".*: auth: the challenge is not one of the protocol")
                need("going on in" not in result.err, "it was asked again")
                need(result.seconds < 10, f"it took {result.seconds:.1f} s")
        return place.said
