# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""cvmroot log on published event logs: what they replay to, both JSON forms, and bad ones."""

import collections
import hashlib
import json
import re
import subprocess

from case import CVMROOT, case, need, need_equal, vectors

FIXTURES = "tpm2-tools/test/integration/fixtures"
TRUSTEE = "trustee/deps/eventlog/test_data"
DISAGREES = 3

# Published logs besides those with known registers: events, the header included, as an independent
# reader counts them.
OTHER_LOGS = {
    "go-eventlog/testdata/legacydata/coreos_36_shielded_vm_no_secure_boot_eventlog": 76,
    "go-eventlog/testdata/legacydata/crypto_agile_eventlog": 27,
    "go-eventlog/testdata/legacydata/ebs_event_missing_eventlog": 38,
    "go-eventlog/testdata/legacydata/option_rom_eventlog": 61,
    "go-eventlog/testdata/legacydata/sb_cert_eventlog": 15,
    "go-eventlog/testdata/eventlogs/ccel/CCEL_unpadded.data.bin": 20,
    "go-eventlog/testdata/eventlogs/ccel/event_log.bin": 28,
    "keylime/test/data/create-mb-policy/binary_bios_measurements": 121,
    "keylime/test/data/create-mb-policy/binary_bios_measurements-empty": 0,
    "keylime/test/data/create-mb-policy/binary_bios_measurements-secureboot": 99,
    "tcglog-parser/testdata/binary_bios_measurements": 115,
    f"{FIXTURES}/event.bin": 2,
    f"{TRUSTEE}/CCEL_data_gcp": 22,
}
# Published files that are none; the first one begins as a log without a header could.
NO_LOGS = (
    "go-eventlog/testdata/legacydata/short_no_action_eventlog",
    "go-sev-guest/verify/testdata/attestation.bin",
    "keylime/test/data/create-mb-policy/binary_bios_measurements-bogus",
    f"{FIXTURES}/ek-template-default.bin",
)


def run(*words):
    return subprocess.run([CVMROOT, "log", *words], capture_output=True, text=True, check=False)


def log_json(path, *words):
    result = run("--file", path, *words)
    need_equal((result.returncode, result.stderr), (0, ""), f"exit code for {path}")
    return json.loads(result.stdout)


def registers(path):
    """{(bank, kind and number): value in hex}"""
    return {(one["bank"], f"{one['in']} {one['index']}"): one["replayed"]
            for one in log_json(path, "--json")["registers"]}


def known_pcrs():
    """(path, {bank: {number: value in hex}}) of each published log with known registers."""
    folder = vectors("go-eventlog")
    known = json.loads((folder / "known_pcrs.json").read_text(encoding="utf-8"))
    for name, banks in known.items():
        yield folder / "testdata" / name, banks
    for path in sorted(vectors(FIXTURES).glob("event-pretty/*.yaml")):
        log = vectors(FIXTURES) / path.name.removesuffix(".yaml")
        if log.exists():
            yield log, yaml_pcrs(path)


def yaml_pcrs(path):
    """The section "pcrs" of what tpm2_eventlog prints."""
    banks, bank = {}, None
    for line in path.read_text(encoding="utf-8").partition("\npcrs:\n")[2].split("\n"):
        if named := re.fullmatch(r"  (\w+):", line):
            bank = banks.setdefault(named.group(1), {})
        elif value := re.fullmatch(r"    (\d+) *: 0x([0-9a-f]+)", line):
            bank[value.group(1)] = value.group(2)
    return banks


@case("log-known-pcrs")
def known_pcrs_are_replayed(_):
    logs = 0
    for path, banks in known_pcrs():
        seen = registers(path)
        for bank, values in banks.items():
            for number, value in values.items():
                need_equal(seen.get((bank, f"PCR {number}")), value, f"{path} {bank} {number}")
            touched = {name for of, name in seen if of == bank}
            need_equal(touched, {f"PCR {number}" for number in values}, f"{path}: {bank} PCRs")
        logs += 1
    need_equal(logs, 19, "logs read")


@case("log-known-rtmrs")
def known_rtmrs_are_replayed(_):
    folder = vectors("go-tdx-guest/testing/testdata/ccel")
    quote = (folder / "cos-113-tdx-quote.dat").read_bytes()
    seen = registers(folder / "ccel_data.dat")
    # Header, then the body up to the RTMRs: Intel TDX DCAP Quoting Library API, appendix A.3.
    at = 48 + 16 + 48 + 48 + 8 + 8 + 8 + 4 * 48
    for number in range(4):
        value = quote[at + 48 * number:at + 48 * (number + 1)].hex()
        # What nothing was extended into is not listed.
        need_equal(seen.get(("sha384", f"RTMR {number}"), "00" * 48), value, f"RTMR {number}")
    need_equal(len(seen), 3, "registers listed")


@case("log-published-events")
def published_events_are_read(_):
    count = 0
    for path in sorted(vectors(TRUSTEE).glob("*_out.json")):
        wanted = json.loads(path.read_text(encoding="utf-8"))["uefi_event_logs"]
        seen = log_json(path.with_name(path.name.removesuffix("_out.json")), "--json")["events"]
        # The header is an event here.
        need_equal(len(seen), len(wanted) + 1, f"events of {path}")
        for one, event in zip(seen[1:], wanted):
            need_equal((one["type"], one["data"]), (event["type_name"], event["event"]),
                       f"{path}: event {one['event']}")
            if one["in"]:
                need_equal(one["index"] + 1, event["index"], "its register")
                digests = [(one["hashAlg"], one["digest"]) for one in one["digests"]]
                need_equal(digests, [("sha384", event["digests"][0]["digest"])], "its digest")
        count += 1
    need_equal(count, 5, "logs read")


@case("log-other-logs")
def other_logs_are_read(_):
    for name, events in OTHER_LOGS.items():
        need_equal(len(log_json(vectors(name), "--json")["events"]), events, f"events of {name}")
        result = run("--file", vectors(name))
        need_equal(result.returncode, 0, f"exit code for {name}")
        need_equal(len(result.stdout.splitlines()), events + 1, f"lines for {name}")
        need(re.fullmatch(r"[ -~\n]*", result.stdout), f"{name}: not one printable line each")


def need_no_log(path):
    result = run("--file", path)
    need_equal((result.returncode, result.stdout), (1, ""), f"exit code for {path}")
    need_equal(result.stderr, f"cvmroot: {path} is no event log that is known "
               "(TCG, CCEL, AAEL, systemd)\n", "what is said")


@case("log-no-logs")
def other_files_are_refused(folder):
    for name, data in (("text", b"title Debian\n" * 10), ("nonce", bytes(64)),
                       ("padding", b"\xff" * 64), ("document", b'{"cvmroot-evidence": 1}\n')):
        (folder / name).write_bytes(data)
        need_no_log(folder / name)
    # One event of the older form, of a type that there is not; then one byte too many.
    event = bytes((1, 0, 0, 0, 5, 0, 0, 0)) + bytes(20) + b"\4\0\0\0text"
    (folder / "event").write_bytes(event)
    need_equal(len(log_json(folder / "event", "--json")["events"]), 1, "events of the older form")
    for name, data in (("type", event.replace(b"\5", b"\x7f")), ("longer", event + b"\0")):
        (folder / name).write_bytes(data)
        need_no_log(folder / name)
    for name in NO_LOGS:
        need_no_log(vectors(name))


@case("log-bad-logs")
def bad_logs_are_told(folder):
    result = run("--file", vectors(f"{FIXTURES}/specid-vendordata.bin"))
    need_equal((result.returncode, result.stdout.count("\n")), (1, 2), "exit code and lines")
    need(re.search(r"malformed at byte 69\n", result.stderr), f"said: {result.stderr}")
    whole = (vectors(FIXTURES) / "event-sd-boot-fedora37.bin").read_bytes()
    (folder / "whole").write_bytes(whole)
    events = log_json(folder / "whole", "--json")["events"]
    for cut in range(1, len(whole), 41):
        (folder / "cut").write_bytes(whole[:cut])
        result = run("--file", folder / "cut", "--json")
        need(result.returncode in (0, 1), f"cut at {cut}: exit code {result.returncode}")
        seen = json.loads(result.stdout or '{"events": []}')["events"]
        need_equal(seen, events[:len(seen)], f"events of a log cut at {cut}")
        # All that is whole is there; behind it the log must be said to be malformed.
        ends = [event["offset"] for event in events[1:]] + [len(whole)]
        need_equal(len(seen), sum(end <= cut for end in ends), f"events of a log cut at {cut}")
        need_equal(result.returncode, 0 if cut in ends else 1, f"exit code, cut at {cut}")
    need_cut_tail(folder, "go-tdx-guest/testing/testdata/ccel/ccel_data.dat", "RTMR 1")
    (folder / "agent").write_bytes(agent_entry("a b c") + agent_entry("d e f")[:-1])
    result = run("--file", folder / "agent")
    need_equal((result.returncode, result.stdout.count("RTMR 3")), (1, 1), "exit code and events")
    need("runtime event log (AAEL) is malformed" in result.stderr, f"said: {result.stderr}")


def need_cut_tail(folder, name, register):
    """A log of RTMRs stays one when its tail is cut off within an event."""
    events = log_json(vectors(name), "--json")["events"]
    (folder / "tail").write_bytes(vectors(name).read_bytes()[:events[-1]["offset"] + 20])
    result = run("--file", folder / "tail")
    need_equal((result.returncode, result.stdout.count("\n")), (1, len(events)), f"{name}, cut")
    need(register in result.stdout and "PCR " not in result.stdout, f"{name}: other registers")


def replay_cel(records):
    """PCRs by the records alone, without StartupLocality: {(bank, number): value}."""
    values = {}
    for record in records:
        if record["content"].get("event_type") == "EV_NO_ACTION":
            continue
        for digest in record["digests"]:
            key = digest["hashAlg"], record["pcr"]
            one = hashlib.new(digest["hashAlg"])
            value = values.get(key, bytes(one.digest_size))
            one.update(value + bytes.fromhex(digest["digest"]))
            values[key] = one.digest()
    return values


@case("log-cel")
def cel_says_the_same(_):
    for path, banks in known_pcrs():
        records = log_json(path, "--cel")
        need_equal(len(records), len(log_json(path, "--json")["events"]), f"records of {path}")
        numbers = collections.Counter()
        for record in records:
            need_equal(set(record), {"recnum", "pcr", "digests", "content_type", "content"},
                       f"members of a record of {path}")
            need_equal(record["recnum"], numbers[record["pcr"]], f"a number in {path}")
            numbers[record["pcr"]] += 1
            need_equal(record["content_type"], "pcclient_std", "type of its content")
            bytes.fromhex(record["content"]["event_data"])
        started = any(bytes.fromhex(record["content"]["event_data"])[:15] == b"StartupLocality"
                      for record in records)
        values = replay_cel(records)
        for bank, pcrs in banks.items():
            for number, value in pcrs.items():
                if not (started and number == "0"):
                    need_equal(values[bank, int(number)].hex(), value, f"{path} PCR {number}")


@case("log-cel-others")
def cel_of_rtmrs_and_user_space(_):
    record = vectors("systemd/tpm2-measure-log-record.json-seq")
    as_it_stood = json.loads(record.read_text(encoding="utf-8").strip("\x1e\n"))
    seen = log_json(record, "--cel")
    need_equal(seen, [{"recnum": 0, **as_it_stood}], "the record")
    records = log_json(vectors(TRUSTEE) / "CCEL_AAEL_alibabacloud", "--cel")
    need(not any("pcr" in record for record in records), "an RTMR is called a PCR")
    agent = [record for record in records if record["ccmr"] == 4]
    need_equal([record["recnum"] for record in agent], [0, 1], "numbers of the agent's records")
    for record in agent:
        data = bytes.fromhex(record["content"]["event_data"])
        need_equal(data[:4], b"LEAA", "the agent's tag")
        need_equal(record["digests"][0]["digest"], hashlib.sha384(data).hexdigest(), "digest")


def record_of(pcr, text, kind, data=None):
    digest = hashlib.sha256((data or text).encode()).hexdigest()
    return "\x1e" + json.dumps({
        "pcr": pcr, "digests": [{"hashAlg": "sha256", "digest": digest}],
        "content_type": "systemd",
        "content": {"string": text, "bootId": "0" * 32, "timestamp": 1, "eventType": kind},
    }) + "\n"


def agent_entry(text, register=4):
    data = b"LEAA" + len(text).to_bytes(4, "little") + text.encode()
    return b"".join((
        register.to_bytes(4, "little"), (6).to_bytes(4, "little"), (1).to_bytes(4, "little"),
        (0x0C).to_bytes(2, "little"), hashlib.sha384(data).digest(),
        len(data).to_bytes(4, "little"), data))


@case("log-own-events")
def own_events_are_marked(folder):
    (folder / "user").write_text(
        record_of(11, "enter-initrd", "phase")
        + record_of(15, "cvmroot:config:00", "cvmroot-config")
        + record_of(15, "cryptsetup:root:0", "volume-key", "HMAC")
        + record_of(15, "cvmroot:leave", "cvmroot-leave")
        + record_of(15, "machine-id:\x1b[2J", "a\x1b[2Jb"), encoding="utf-8")
    (folder / "agent").write_bytes(agent_entry("cvmroot root fresh:epoch=1:provider=kbs")
                                   + agent_entry("github.com/containers PullImage x", 3))
    words = ("--file", folder / "user", "--file", folder / "agent")
    result = run(*words)
    need_equal(result.returncode, 0, "exit code")
    marked = [line for line in result.stdout.splitlines() if line.startswith("*")]
    need_equal([line.split()[-1] for line in marked],
               ["cvmroot:config:00", "cryptsetup:root:0", "cvmroot:leave",
                "fresh:epoch=1:provider=kbs"], "marked events")
    need("\x1b" not in result.stdout, "a control character reaches the terminal")
    need("RTMR 3" in marked[3], "the register of the agent's event")
    seen = json.loads(run(*words, "--json").stdout)
    need_equal([one["cvmroot"] for one in seen["events"]],
               [None, "config", "volume-key", "leave", None, "root", None], "words")
    # An HMAC follows from no text; every other digest here does.
    need_equal(run(*words, "--verify").returncode, 0, "exit code of --verify")


@case("log-verify-files")
def altered_data_is_seen(folder):
    for path, _ in known_pcrs():
        result = run("--file", path, "--verify")
        need_equal(result.returncode, 0, f"exit code of --verify for {path}")
    changes = 0
    path = vectors(FIXTURES) / "event-sd-boot-fedora37.bin"
    whole = path.read_bytes()
    events = log_json(path, "--json")["events"]
    # The data are the last of an event.
    ends = [event["offset"] for event in events[1:]] + [len(whole)]
    for event, end in zip(events, ends):
        if event["type"] not in ("EV_EFI_VARIABLE_DRIVER_CONFIG", "EV_EFI_ACTION", "EV_SEPARATOR"):
            continue
        altered = bytearray(whole)
        altered[end - 1] ^= 1
        (folder / "altered").write_bytes(altered)
        result = run("--file", folder / "altered", "--verify")
        need_equal(result.returncode, DISAGREES, f"exit code with event {event['event']} altered")
        need(f"event {event['event']}: its digest is not that of its data" in result.stdout,
             f"event {event['event']} is not named: {result.stdout}")
        changes += 1
    need_equal(changes, 16, "altered events")
    altered = agent_entry("cvmroot leave -").replace(b"leave", b"lEave")
    (folder / "agent").write_bytes(altered)
    need_equal(run("--file", folder / "agent", "--verify").returncode, DISAGREES, "agent's event")


@case("log-usage")
def mistakes_are_told(folder):
    for words in (("--cel", "--json"), ("--cel", "--verify"), ("file",), ("--file",)):
        result = run(*words)
        need_equal((result.returncode, result.stdout), (2, ""), f"exit code of {words}")
        if words[0] == "--cel":
            need("--cel excludes --json and --verify" in result.stderr, f"said: {result.stderr}")
    result = run("--file", folder / "absent")
    need_equal(result.returncode, 1, "exit code without the file")
    need("No such file" in result.stderr, f"said: {result.stderr}")
    (folder / "large").write_bytes(bytes(4 << 20) + b"\0")
    need_equal(run("--file", folder / "large").returncode, 1, "exit code of a large file")
