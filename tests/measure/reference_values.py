# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""image-tools/measure: known answers, other programs' answers, refusals, and that a change shows in
the registers that cvmroot(7) names."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import uuid

import efi
import event_logs as logs
from case import CVMROOT, IMAGE_TOOLS, Skip, case, need, need_equal, vectors
from evidence import TpmMachine, nonce_option

sys.path.insert(0, str(IMAGE_TOOLS))

# pylint: disable=wrong-import-position
from reference import Refused, pe, registers, snp, uki

MEASURE = IMAGE_TOOLS / "measure"
APPEND_INITRD = IMAGE_TOOLS / "append-initrd"
SYSTEMD_MEASURE = pathlib.Path("/usr/lib/systemd/systemd-measure")
CONFIG = b"[root]\ngrow = false\n"
MANIFEST = b"a manifest"
POLICIES = ("rvps", "attestation-policy", "resource-policy")
BANKS = ("sha1", "sha256", "sha384", "sha512")


# --- With the program ---

def measure(*words):
    """Status, standard output, standard error."""
    result = subprocess.run([str(word) for word in (MEASURE, *words)], check=False,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return result.returncode, result.stdout, result.stderr


def reference_of(*words):
    status, output, error = measure(*words)
    need(status == 0, f"measure {words}: {error}")
    return json.loads(output)


def refused(pattern, *words):
    status, output, error = measure(*words)
    need(status == 1 and not output and re.search(pattern, error),
         f"measure {words}: wanted a refusal {pattern!r}, it ended with {status} and said: "
         f"{error}{output[:200]}")


def make_initrd(folder, config=CONFIG, manifest=MANIFEST, base=b"a dracut initrd"):
    """With cvmroot's files at its end, by the tool that bake uses; None leaves one away."""
    (folder / "base").write_bytes(base)
    files = []
    for name, data in (("cvmroot.toml", config), ("root.manifest", manifest)):
        if data is not None:
            (folder / name).write_bytes(data)
            files.append(folder / name)
    if not files:
        return base
    efi.run(APPEND_INITRD, folder / "base", folder / "initrd", *files)
    return (folder / "initrd").read_bytes()


def write_uki(folder, name="uki", config=CONFIG, manifest=MANIFEST, base=b"a dracut initrd",
              **sections):
    sections.setdefault("initrd", make_initrd(folder, config, manifest, base))
    path = folder / name
    path.write_bytes(efi.uki(**sections))
    return path


def pcr(reference, number, state="fetch", bank="sha256"):
    return reference["pcrs"][bank][str(number)].get(state)


def extend(algorithm, *digests):
    """What a register holds after these, computed here again."""
    value = bytes(hashlib.new(algorithm).digest_size)
    for digest in digests:
        value = hashlib.new(algorithm, value + digest).digest()
    return value.hex()


def hashes(algorithm, *texts):
    return [hashlib.new(algorithm, text).digest() for text in texts]


# --- Known answers ---

@case("reference-systemd-known")
def systemd_known(_):
    for known in json.loads(vectors("systemd/kat.json").read_text())["measure"]:
        sections = {f".{name}": known[name].encode() for name in ("linux", "initrd")}
        events = uki.section_events(255, sections.get)
        events += list(map(registers.phase_event, known["phases"]))
        need_equal(sorted(known["pcr11"]), sorted(BANKS), "the banks")
        for bank, value in known["pcr11"].items():
            need_equal(registers.replay(events, bank).hex(), value,
                       f"{known['phases']}, {bank}")


# TPM 2.0 Part 2, TPM_ALG_ID and TPM_CC; Part 3, TPM2_PolicyPCR.
ALGORITHM_IDS = {"sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}
TPM_CC_POLICY_PCR = 0x0000017F


def policy_of_pcr11(value, bank):
    """The policy digest of a SHA-256 session that wants PCR 11 to have this value."""
    selection = struct.pack(">IHB", 1, ALGORITHM_IDS[bank], 3) + bytes((0, 1 << 3, 0))
    return hashlib.sha256(bytes(32) + struct.pack(">I", TPM_CC_POLICY_PCR) + selection +
                          hashlib.sha256(value).digest()).hexdigest()


def verify_signature(public_key, entry, bank):
    from cryptography.hazmat.primitives import hashes as algorithms
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    key = serialization.load_pem_public_key(public_key)
    key.verify(base64.b64decode(entry["sig"]), bytes.fromhex(entry["pol"]), padding.PKCS1v15(),
               getattr(algorithms, bank.upper())())
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    need_equal(entry["pkfp"], hashlib.sha256(der).hexdigest(), f"{bank}: the key's fingerprint")


@case("reference-signed-policy-known")
def signed_policy_known(_):
    known = json.loads(vectors("talos/kat.json").read_text())
    names = known["inputs"]["sections_in_order"]
    events = uki.section_events(257, {name: name.encode() for name in names}.get)
    events += list(map(registers.phase_event, known["inputs"]["phases"]))
    for bank, value in known["pcr11"].items():
        need_equal(registers.replay(events, bank).hex(), value, bank)

    # What was signed holds in the first of the phases.
    signed = json.loads(vectors("talos/tpm2-pcr-signature.json").read_text())
    need_equal(sorted(signed), ["sha256", "sha384", "sha512"], "the banks that are signed")
    key = vectors("talos/pcr-signing-pub.pem").read_bytes()
    for bank, (entry,) in signed.items():
        need_equal(entry["pcrs"], [11], f"{bank}: the PCRs that are signed")
        policies = [policy_of_pcr11(registers.replay(events[:count], bank), bank)
                    for count in range(len(events) - 2, len(events) + 1)]
        need(entry["pol"] in policies, f"{bank}: {entry['pol']} is the policy of no phase")
        verify_signature(key, entry, bank)


@case("reference-systemd-measure")
def systemd_measure(folder):
    """The same from the program of this machine's systemd."""
    if not SYSTEMD_MEASURE.exists():
        raise Skip(f"{SYSTEMD_MEASURE} is not installed")
    text = efi.run(SYSTEMD_MEASURE, "--help").decode()
    version = int(efi.run(SYSTEMD_MEASURE, "--version").split()[1])
    if version not in uki.SECTIONS:
        raise Skip(f"systemd {version} is not known")
    sections, options = {}, []
    for name in uki.SECTIONS[version]:
        word = name.lstrip(".")
        need(f"--{word}=" in text, f"systemd-measure {version} has no --{word}")
        sections[name] = f"content of {name}".encode()
        (folder / word).write_bytes(sections[name])
        options.append(f"--{word}={folder / word}")
    phases = ["enter-initrd", "leave-initrd", "sysinit"]
    lines = efi.run(SYSTEMD_MEASURE, "calculate", "--phase=" + ":".join(phases), *options).decode()
    found = dict(re.findall(r"^11:(\w+)=(\w+)$", lines, re.M))
    need_equal(sorted(found), sorted(BANKS), "the banks")
    events = uki.section_events(version, sections.get) + list(map(registers.phase_event, phases))
    for bank, value in found.items():
        need_equal(registers.replay(events, bank).hex(), value, bank)


# --- The digest of a program ---

def signed_digest(data):
    """The digest in a program's own signature: what SpcIndirectDataContent ends with."""
    directory = struct.unpack_from("<I", data, 0x3C)[0] + 24 + 112 + 4 * 8
    offset, size = struct.unpack_from("<II", data, directory)
    need(size, "the program has no signature")
    # DigestInfo: SHA-256 without parameters or with NULL, and 32 bytes.
    algorithm = bytes.fromhex("0609608648016503040201")
    found = re.search(re.escape(algorithm) + rb"(?:\x05\x00)?\x04\x20(.{32})",
                      data[offset:offset + size], re.S)
    need(found, "the signature holds no SHA-256 digest")
    return found[1]


@case("reference-authenticode")
def authenticode(folder):
    """A signature holds the digest that its maker computed."""
    efi.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
            "-keyout", folder / "key", "-out", folder / "certificate")
    programs = {"small": efi.kernel(), "uki": efi.uki(),
                "reversed": reverse_sections(efi.kernel()),
                "trailing": efi.program([(".text", b"x" * 1000)], trailing=b"more" * 10)}
    for name, data in programs.items():
        source, target = folder / name, folder / f"{name}.signed"
        source.write_bytes(data)
        efi.run("sbsign", "--key", folder / "key", "--cert", folder / "certificate",
                "--output", target, source)
        signed = target.read_bytes()
        need_equal(pe.Program(signed, name).digest("sha256"), signed_digest(signed), name)
        if len(data) % 8 == 0:
            # A signature begins at a multiple of eight bytes, and changes nothing else.
            need_equal(pe.Program(data, name).digest("sha384"),
                       pe.Program(signed, name).digest("sha384"), f"{name}, without the signature")
        changed = bytearray(signed)
        changed[efi.HEADERS_SIZE + 5] ^= 1
        need(pe.Program(bytes(changed), name).digest("sha256") != signed_digest(signed),
             f"{name}: a changed byte does not show")


def reverse_sections(data):
    """The same program with its section table the other way round: it is the place in the file
    that counts."""
    start = struct.unpack_from("<I", data, 0x3C)[0]
    table = start + 24 + struct.unpack_from("<H", data, start + 20)[0]
    return data[:table] + data[table + 40:table + 80] + data[table:table + 40] + data[table + 80:]


@case("reference-authenticode-kernel")
def authenticode_kernel(_):
    """Debian signs its kernels: whatever kernel is here from other suites."""
    cache = pathlib.Path(os.environ.get("CVMROOT_CACHE") or "/var/cache/cvmroot")
    kernels = sorted(cache.glob("vm-*/kernel"))
    if not kernels:
        raise Skip(f"no kernel below {cache}; the suite vm puts them there")
    for path in {hashlib.sha256(path.read_bytes()).digest(): path for path in kernels}.values():
        data = path.read_bytes()
        need_equal(pe.Program(data, "kernel").digest("sha256"), signed_digest(data), path)


@case("reference-broken-programs")
def broken_programs(_):
    good = efi.uki()
    for size in range(0, len(good), 509):
        with contextlib.suppress(Refused):
            pe.Program(good[:size], "cut").digest("sha256")
            need(False, f"a program cut to {size} bytes is taken")
    start = struct.unpack_from("<I", good, 0x3C)[0]
    count = struct.unpack_from("<H", good, start + 6)[0]
    table = start + 24 + struct.unpack_from("<H", good, start + 20)[0]
    large = b"\xff\xff\xff\x7f"
    defects = [
        (0, b"XX", "not an EFI program"), (start, b"XX", "not an EFI program"),
        (0x3C, large, "not an EFI program"), (start + 24, b"\x07\x01", "optional header 0x107"),
        (start + 6, b"\xff\xff", "section table"), (start + 84, large, "section table"),
        (start + 24 + 108, b"\4\0\0\0", "no place for a signature"),
        (start + 20, b"\x88\0", "no place for a signature"),
        (table + 20, large, r"section \.text of uki is cut off"),
        (start + 24 + 112 + 36, large, "signature of uki overlap"),
        (table + 40, b".linux\0\0", r"has 2 sections \.linux"),
        (table + 80, b".sdmagix", "another EFI stub"),
        (table + 40 * (count - 1) + 8, large, "larger in memory"),
        (table + 40 * 3, b".profile", "what is chosen at the boot"),
    ]
    for offset, data, pattern in defects:
        bad = good[:offset] + data + good[offset + len(data):]
        try:
            uki.Uki(bad, "uki").program.digest("sha256")
        except Refused as error:
            need(re.search(pattern, str(error)), f"wanted {pattern!r}: {error}")
        else:
            need(False, f"{pattern!r}: is taken")
    empty = uki.Uki(efi.uki(cmdline=b""), "uki")
    need(empty.command_line is None and ".cmdline" not in
         {event.text.split()[-1] for event in empty.stub_events()}, "an empty section is measured")


# --- The values of a UKI ---

@case("reference-values")
def reference_values(folder):
    """Each value, computed here by hand."""
    path = write_uki(folder)
    reference = reference_of("--uki", path)
    data, initrd = path.read_bytes(), make_initrd(folder)
    line = (efi.COMMAND_LINE + "\0").encode("utf-16-le")
    release = extra_by_cpio(folder, "os-release", b"ID=test\n")
    whole = efi.padded(initrd, 4) + release
    for bank in "sha256", "sha384":
        start = hashes(bank, b"Calling EFI Application from Boot Option", bytes(4))
        programs = [pe.Program(data, "uki").digest(bank), pe.Program(efi.kernel(), "").digest(bank)]
        need_equal(pcr(reference, 4, bank=bank), [extend(bank, *start, *programs)], "PCR 4")
        need_equal(pcr(reference, 9, bank=bank), [extend(bank, *hashes(bank, line, whole))],
                   "PCR 9")
        need_equal(pcr(reference, 12, bank=bank), ["00" * hashlib.new(bank).digest_size],
                   "PCR 12")
        need_equal(pcr(reference, 15, bank=bank), ["00" * hashlib.new(bank).digest_size],
                   "PCR 15")
        need(pcr(reference, 15, "booted", bank) is None, "PCR 15 after the boot is known")

    secure = reference_of("--uki", path, "--secureboot")
    start = hashes("sha256", b"Calling EFI Application from Boot Option", bytes(4))
    need_equal(pcr(secure, 4), [extend("sha256", *start, pe.Program(data, "").digest("sha256"))],
               "PCR 4 with Secure Boot")

    stub = []
    for name, content in ((".linux", efi.kernel()), (".osrel", b"ID=test\n"),
                          (".cmdline", efi.COMMAND_LINE.encode()), (".initrd", initrd),
                          (".uname", b"6.12.0-test"), (".sbat", b"sbat,1,SBAT Version\n")):
        stub += [name.encode() + b"\0", content]
    phases = [b"enter-initrd", b"leave-initrd", b"sysinit", b"ready"]
    states = [extend("sha256", *hashes("sha256", *stub, *phases[:count]))
              for count in range(1, 5)]
    need_equal(pcr(reference, 11), states[:1], "PCR 11")
    need_equal(pcr(reference, 11, "booted"), states, "PCR 11 after the boot")
    need_equal(reference["tdx"]["rtmrs"]["2"]["fetch"],
               [extend("sha384", *hashes("sha384", *stub, line, whole))], "RTMR 2")
    need_equal(reference["events"], {
        "config": [hashlib.sha256(CONFIG).hexdigest()],
        "manifest": [hashlib.sha256(MANIFEST).hexdigest()],
        "providers": ["tpm2"], "how": ["fresh", "resumed", "reopened"], "epoch": [1]}, "events")


def extra_by_cpio(folder, name, data):
    """What the stub makes of a section below /.extra: the numbers that are there to be chosen are
    its own, the form is that of cpio, which unpacks it."""
    archive = uki.extra_file(name, data)
    target = folder / "extra"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    subprocess.run(["cpio", "--quiet", "-i", "-m"], cwd=target, input=archive, check=True)
    need_equal([str(path.relative_to(target)) for path in sorted(target.rglob("*"))],
               [".extra", f".extra/{name}"], "the files of /.extra")
    file = target / ".extra" / name
    need_equal(file.read_bytes(), data, name)
    need_equal((file.stat().st_mode & 0o7777, file.parent.stat().st_mode & 0o7777,
                file.stat().st_mtime), (0o444, 0o555, 0), "modes and time")
    # cpio takes both cases; the stub has this one number in capitals.
    need(archive.endswith(b"0000000B00000000TRAILER!!!\0\0\0\0"), "the end of the archive")
    return archive


@case("reference-stubs")
def stubs(folder):
    """What is measured depends on the release of systemd-stub."""
    by_stub = {}
    for version in uki.SECTIONS:
        path = write_uki(folder, stub=version, ucode=b"microcode!", pcrpkey=b"key")
        by_stub[version] = reference_of("--uki", path)
    values = [pcr(reference, 11)[0] for reference in by_stub.values()]
    need_equal(len(set(values)), 3, "different values of PCR 11 (256 and 257 see the same here)")
    need_equal(pcr(by_stub[256], 11), pcr(by_stub[257], 11), "PCR 11 of 256 and 257")
    need_equal(pcr(by_stub[252], 9), pcr(by_stub[255], 9), "PCR 9 of 252 and 255")
    need_equal(len({pcr(by_stub[version], 9)[0] for version in (255, 256, 257)}), 3,
               "different values of PCR 9")
    for version in 251, 258, 300:
        refused(f"systemd-stub {version}", "--uki", write_uki(folder, stub=version))
    need("2" not in reference_of("--uki", write_uki(folder, cc=False))["tdx"]["rtmrs"],
         "RTMR 2 is named with a stub that does not measure there")
    kernel = reference_of("--uki", write_uki(folder, linux=efi.kernel(cc=False)))
    need_equal(len(kernel["tdx"]["rtmrs"]["2"]["fetch"]), 1, "RTMR 2 with an older kernel")


@case("reference-real-tdx-order")
def real_tdx_order(folder):
    """The log of a UKI that booted on TDX has our events, in our order."""
    log = vectors("trustee/deps/eventlog/test_data/CCEL_data_grub_gke").read_bytes()
    seen = {index: list(cc_digests(log, index)) for index in (2, 3)}
    write_uki(folder)
    image = uki.Uki((folder / "uki").read_bytes(), "uki")
    # Of the programs, of the partition table and of the sections only their places are the same.
    ours = [event.digest("sha384")
            for event in image.rtmr1_events(False, b"a partition table", True)]
    need_equal(len(seen[2]), len(ours), "number of events in RTMR 1")
    for place in 0, 1, 5, 6:
        need_equal(seen[2][place], ours[place], f"event {place} of RTMR 1")
    names = [event.digest("sha384") for event in image.stub_events()][::2]
    need_equal(seen[3][::2], names, "names of the sections in RTMR 2")


def cc_digests(log, index):
    """The SHA-384 digests that a CC event log has for a register."""
    position = 32 + struct.unpack_from("<I", log, 28)[0]
    while True:
        register, _, count, algorithm = struct.unpack_from("<IIIH", log, position)
        if (count, algorithm) != (1, 0x000C):
            return
        digest = log[position + 14:position + 62]
        position += 66 + struct.unpack_from("<I", log, position + 62)[0]
        if register == index:
            yield digest


@case("reference-own-events")
def own_events(folder):
    """Prefixes of PCR 15, and registers that the configuration chooses."""
    config = (b'[root]\ngrow = false\n[keys]\nproviders = ["kbs", "tpm2"]\n'
              b'[measure]\nconfig = 12\nleave = 9\n')
    path = write_uki(folder, config=config)
    reference = reference_of("--uki", path)
    digest = hashlib.sha256(config).hexdigest()
    need_equal(pcr(reference, 12, "booted"),
               [extend("sha256", *hashes("sha256", f"cvmroot:config:{digest}".encode()))],
               "PCR 12 after the boot")
    line = (efi.COMMAND_LINE + "\0").encode("utf-16-le")
    whole = efi.padded(make_initrd(folder, config), 4) + uki.extra_file("os-release", b"ID=test\n")
    need_equal(pcr(reference, 9, "booted"),
               [extend("sha256", *hashes("sha256", line, whole, b"cvmroot:leave"))],
               "PCR 9 after the boot")
    need_equal(reference["events"]["providers"], ["kbs", "tpm2"], "providers")
    need("14" not in reference["pcrs"]["sha256"], "PCR 14 is named, which may hold keys of shim")
    other = reference_of("--uki", write_uki(folder, config=b"[measure]\nleave = 14\n"))
    need_equal(pcr(other, 14, "fetch"), ["00" * 32], "PCR 14 when a key is asked for")
    need_equal(pcr(other, 14, "booted"), [extend("sha256", *hashes("sha256", b"cvmroot:leave"))],
               "PCR 14 after the boot")
    path = write_uki(folder, config=config)

    key, number = bytes(range(64)), "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    word = f"cryptsetup:root:{number}"
    own = {bank: hmac.new(key, word.encode(), bank) for bank in ("sha256", "sha384")}
    options = ["--uuid", number]
    for bank, value in own.items():
        options += ["--volume-key-digest", f"{bank}:{value.hexdigest()}"]
    manifest = hashlib.sha256(MANIFEST).hexdigest()
    status, text, error = measure("--uki", path, "--format", "text", *options)
    need_equal((status, error), (0, ""), "measure")
    fresh = [f"cvmroot:manifest:{manifest}", "cvmroot:root:fresh:epoch=1:provider=kbs",
             f"cvmroot:volume:{number}"]
    digests = hashes("sha256", *map(str.encode, fresh)) + [own["sha256"].digest()]
    pcr15 = text.partition("\nPCR 15;")[2].partition("\n\n")[0]
    for count in range(1, len(digests) + 1):
        need(extend("sha256", *digests[:count]) in pcr15, f"PCR 15 lacks its value {count}")
    agent = [f"cvmroot config {digest}", "cvmroot root reopened:epoch=1:provider=tpm2",
             f"cvmroot volume {number}",
             f"cvmroot volume-key {word}:sha384:{own['sha384'].hexdigest()}", "cvmroot leave -"]
    stub = registers.replay(uki.Uki(path.read_bytes(), "").rtmr2_events(), "sha384")
    for value in agent:
        data = b"LEAA" + struct.pack("<I", len(value)) + value.encode()
        stub = hashlib.sha384(stub + hashlib.sha384(data).digest()).digest()
    need(stub.hex() in text, "RTMR 2 after a boot that reopened the volume")
    need_equal(pcr(reference_of("--uki", path, *options), 15), ["00" * 32], "PCR 15")
    need(pcr(reference_of("--uki", path, *options), 15, "booted") is None,
         "PCR 15 after the boot is named, though systemd measures more")
    for some in options[:2], options[:4], [*options[:2], *options[4:]]:
        status, less, error = measure("--uki", path, "--format", "text", *some)
        need_equal((status, error), (0, ""), f"measure {some}")
        need_equal(("under the volume key" in less, "sha384:" in less),
                   (any("sha256:" in word for word in some),
                    any("sha384:" in word for word in some)), f"what is shown with {some}")
    need_equal(reference_of("--uki", path, *options)["volume"],
               {"uuid": [number], "volume-key": {bank: [value.hexdigest()]
                                                 for bank, value in own.items()}}, "volume")


@case("reference-update")
def update(folder):
    """A UKI without a manifest cannot convert; other registers by configuration; other kernels."""
    found = reference_of("--uki", write_uki(folder, manifest=None))["events"]
    need_equal((found["how"], "manifest" in found), (["reopened"], False), "without a manifest")
    shown = measure("--uki", folder / "uki", "--format", "text")[1]
    need_equal(set(re.findall("after cvmroot, ([a-z]+), the key", shown)), {"reopened"},
               "what is shown")
    some = ["--uki", folder / "uki", "--pcrs", "4,11"]
    need_equal(list(reference_of(*some)["pcrs"]["sha384"]), ["4", "11"], "the PCRs that are named")
    need_equal(re.findall("^PCR ([0-9]+);", measure(*some, "--format", "text")[1], re.M),
               ["4", "11"], "the PCRs that are shown")
    (folder / "root.manifest").write_bytes(MANIFEST)
    need_equal(reference_of("--uki", folder / "uki", "--manifest", folder / "root.manifest")
               ["events"]["manifest"], [hashlib.sha256(MANIFEST).hexdigest()], "--manifest")

    path = write_uki(folder, config=b"[measure]\nrtmr = 3\n")
    volume = ["--uuid", str(uuid.UUID(int=1)), "--volume-key-digest", "sha384:" + "11" * 48]
    for options in [], volume:
        rtmrs = reference_of("--uki", path, *options)["tdx"]["rtmrs"]
        need_equal(rtmrs["2"]["booted"], rtmrs["2"]["fetch"], "RTMR 2, with events in RTMR 3")
        need_equal(rtmrs["3"], {"fetch": ["00" * 48]}, "RTMR 3, with events in it")

    for text in b"LOADED_IMAGE::LoadOptions\0", b"Linux initrd\0", b"":
        old = write_uki(folder, linux=efi.program([(".text", text)]))
        found = reference_of("--uki", old)
        need("9" not in found["pcrs"]["sha256"], f"PCR 9, a kernel with {text!r}")
        stub = [event.digest("sha384") for event in uki.Uki(old.read_bytes(), "").stub_events()]
        need_equal(found["tdx"]["rtmrs"]["2"]["fetch"], [extend("sha384", *stub)],
                   f"RTMR 2, a kernel with {text!r}")
        refused("the kernel does not measure", "--uki", old, "--format", "rvps", "--tee", "tpm")


@case("reference-agent-register")
def agent_register(folder):
    """Agents of the running system extend RTMR 3: no value of later is promised."""
    path = write_uki(folder)
    need_equal(reference_of("--uki", path)["tdx"]["rtmrs"]["3"], {"fetch": ["00" * 48]}, "RTMR 3")
    text = measure("--uki", path, "--format", "text")[1]
    need("from then on" not in text.partition("\nRTMR 3;")[2], "RTMR 3 is said to stay")
    need("from then on" in text.partition("\nRTMR 3;")[0], "no register is said to stay")


@case("reference-rule-all")
def rule_all(folder):
    """What the rule "all" makes of the providers, in the order of the configuration."""
    keys_of = 'providers = ["tpm2", "kbs"]\nrule = "{}"\n'
    wanted = {"any": ["tpm2", "kbs"], "all": ["tpm2+kbs"]}
    for rule, providers in wanted.items():
        config = CONFIG + b"[keys]\n" + keys_of.format(rule).encode()
        path = write_uki(folder, config=config)
        reference = reference_of("--uki", path)
        need_equal(reference["events"]["providers"], providers, f"providers, rule {rule}")
        digest, manifest = (hashlib.sha256(data).hexdigest() for data in (config, MANIFEST))
        roots = [extend("sha256", *hashes("sha256", f"cvmroot:config:{digest}".encode(),
                                          f"cvmroot:manifest:{manifest}".encode(),
                                          f"cvmroot:root:fresh:epoch=1:provider={name}".encode()))
                 for name in providers]
        need_equal(reference["steps"]["15"]["fresh"][-1], ["root", *roots], f"root, rule {rule}")
        text = measure("--uki", path, "--format", "text")[1]
        need_equal(set(re.findall(r"the key from (\S+):", text)), set(providers),
                   f"what is shown, rule {rule}")


@case("reference-steps")
def steps(folder):
    """What a PCR holds after each of cvmroot's events, which no final value can say."""
    config = CONFIG + b"[measure]\nconfig = 12\n"
    path = write_uki(folder, config=config)
    number, key = str(uuid.UUID(int=7)), bytes(range(32))
    manifest = hashlib.sha256(MANIFEST).hexdigest()
    chains = {how: [("manifest", f"cvmroot:manifest:{manifest}"),
                    ("root", f"cvmroot:root:{how}:epoch=1:provider=tpm2"),
                    ("volume", f"cvmroot:volume:{number}"), ("volume-key", None),
                    ("leave", "cvmroot:leave")] for how in ("fresh", "resumed", "reopened")}
    del chains["reopened"][0]
    digest = ["--volume-key-digest", f"sha256:{key.hex()}"]
    for options, known in (([], ("manifest", "root")),
                           (["--uuid", number], ("manifest", "root", "volume")),
                           (["--uuid", number, *digest], None)):
        found = reference_of("--uki", path, *options)["steps"]
        need_equal(sorted(found), ["12", "15"], "the PCRs with steps")
        config_event = f"cvmroot:config:{hashlib.sha256(config).hexdigest()}".encode()
        need_equal(found["12"], {how: [["config", extend("sha256", *hashes("sha256",
                                                                           config_event))]]
                                 for how in chains}, "PCR 12")
        for how, chain in chains.items():
            digests = [key if text is None else hashlib.sha256(text.encode()).digest()
                       for _, text in chain]
            wanted = [[word, extend("sha256", *digests[:count])]
                      for count, (word, _) in enumerate(chain, 1)
                      if known is None or word in known]
            need_equal(found["15"][how], wanted, f"PCR 15, {how}, {options}")
    need_equal(sorted(reference_of("--uki", path, "--pcrs", "4,12")["steps"]), ["12"], "--pcrs")
    need("steps" not in reference_of("--uki", path, "--pcrs", "4"), "steps of no PCR")


@case("reference-launch")
def launch(folder):
    """Values of the launch that are known otherwise, and those that a policy would miss."""
    path, value, other = write_uki(folder), "aB" * 48, "cd" * 48
    found = reference_of("--uki", path, "--launch-measurement", value, "--launch-measurement",
                         other, "--launch-measurement", other, "--mrtd", other, "--tee", "tpm")
    need_equal((found["snp"], found["tdx"]["mrtd"]),
               ({"measurement": [value.lower(), other]}, [other]), "the launch")
    text = measure("--uki", path, "--launch-measurement", other, "--mrtd", value, "--format",
                   "text")[1]
    need(f"MRTD: {value.lower()}\nlaunch measurement: {other}\n" in text, "the launch, for people")
    for tee, name, option in (("az-snp-vtpm", "measurement", "--launch-measurement"),
                              ("az-tdx-vtpm", "mr_td", "--mrtd"),
                              ("tpm", "trusted_aks", "--attestation-key")):
        given = [option, other]
        if tee == "tpm":
            given[1] = folder / "public"
            efi.run("openssl", "genpkey", "-algorithm", "RSA", "-out", folder / "key")
            efi.run("openssl", "pkey", "-in", folder / "key", "-pubout", "-out", given[1])
        lacking = f"there is no .*{name}: give {option}"
        refused(lacking, "--uki", path, "--format", "rvps", "--tee", tee)
        status, output, error = measure("--uki", path, "--format", "attestation-policy", "--tee",
                                        tee)
        need(status == 0 and "package policy" in output and re.search(lacking, error),
             f"{tee}, without a value: {status} {error}")
        status, output, error = measure("--uki", path, "--format", "attestation-policy", "--tee",
                                        tee, *given)
        need_equal((status, error, "package policy" in output), (0, "", True), tee)
        status, output, error = measure("--uki", path, "--format", "rvps", "--tee", tee, *given)
        need_equal((status, error), (0, ""), tee)
        need(json.loads(base64.b64decode(json.loads(output)["payload"]))[name], f"{tee}: {name}")
    refused("binds the firmware only", "--uki", path, "--launch-measurement", other, "--format",
            "resource-policy", "--tee", "snp")


@case("reference-text")
def for_people(folder):
    """All that the file has stands in the text as well."""
    path = write_uki(folder)
    options = ["--uki", path, "--mrtd", "ab" * 48, "--uuid", str(uuid.UUID(int=1)),
               "--volume-key-digest", "sha256:" + "22" * 32]
    reference, text = reference_of(*options), measure(*options, "--format", "text")[1]
    for bank in "sha256", "sha384":
        for number, states in reference["pcrs"][bank].items():
            part = text.partition(f"\nPCR {number};")[2].partition("\n\n")[0]
            for value in [*states["fetch"], *states.get("booted", ())]:
                need(f"{bank} {value}" in part, f"PCR {number}, {bank}: {value}")
    # Of the volume key only one digest is known.
    part = text.partition("\nPCR 15;")[2].partition("\n\n")[0].partition("volume key")[2]
    need("sha256" in part and "sha384" not in part.partition("resumed")[0], "unknown digests")
    for name, member in (("configuration", "config"), ("manifest", "manifest")):
        need(f"\n{name}: {reference['events'][member][0]}\n" in text, name)


# --- The file and its reader ---

@case("reference-read", timeout=120)
def read_by_verify(folder):
    """cvmroot verify takes what is written, of each kind."""
    path, disk = write_uki(folder), folder / "disk"
    efi.write_disk(disk, path.read_bytes())
    code = vectors("virtee-sev/tests/measurement/ovmf_AmdSev_suffix.bin")
    snp_machine = ["--firmware", code, "--vcpus", "2", "--vcpu-type", "EPYC-Milan"]
    efi.run("openssl", "genpkey", "-algorithm", "RSA", "-out", folder / "key")
    efi.run("openssl", "pkey", "-in", folder / "key", "-pubout", "-out", folder / "public")
    kinds = {
        "uki": ["--uki", path], "image": ["--image", disk],
        "tpm": ["--uki", path, "--tee", "tpm", "--attestation-key", folder / "public"],
        "tdx": ["--image", disk, "--tee", "tdx", "--mrtd", "ab" * 48],
        "paravisor": ["--uki", path, "--launch-measurement", "ab" * 48],
        "snp": ["--uki", path, "--tee", "snp", *snp_machine],
        "volume": ["--uki", path, "--uuid", str(uuid.UUID(int=1)),
                   "--volume-key-digest", "sha256:" + "11" * 32,
                   "--volume-key-digest", "sha384:" + "22" * 48],
        "kernel-hashes": ["--uki", path, *snp_machine, "--kernel-hashes"],
    }
    machine = TpmMachine(folder)
    (folder / "evidence.json").write_text(json.dumps(machine.document(logs.good_boot())))
    file = folder / "reference.json"
    refusals = []
    for kind, options in kinds.items():
        status, _, error = measure(*options, "--output", file)
        need_equal(status, 0, f"measure for {kind}: {error}")
        status, error = verify(folder, file)
        if (status, error) != (3, ""):
            refusals.append(f"{kind}: {status}, {error}")
    need(not refusals, f"cvmroot verify does not read: {refusals}")
    # The reader is no less strict for it.
    for name, value in (("unknown", {}), ("pcrs", {"sha256": {"4": {"fetch": ["x"]}}})):
        file.write_text(json.dumps({**reference_of("--uki", path), name: value}))
        need_equal(verify(folder, file)[0], 1, f"a file with another {name}")


def verify(folder, file):
    """The evidence is of no machine that the file knows: it fails, but both are read."""
    result = subprocess.run([CVMROOT, "verify", folder / "evidence.json", "--reference", file,
                             *nonce_option()], check=False, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True)
    return result.returncode, result.stderr


@case("reference-keys")
def keys(folder):
    efi.run("openssl", "genpkey", "-algorithm", "RSA", "-out", folder / "key")
    efi.run("openssl", "pkey", "-in", folder / "key", "-pubout", "-out", folder / "public")
    der = efi.run("openssl", "pkey", "-in", folder / "key", "-pubout", "-outform", "DER")
    path = write_uki(folder)
    need_equal(reference_of("--uki", path, "--attestation-key", folder / "public")
               ["attestation-keys"], [base64.b64encode(der).decode()], "the attestation key")
    refused("is not a public key", "--uki", path, "--attestation-key", folder / "key")


@case("reference-firmware")
def firmware(folder):
    """What binds kernel and command line besides the firmware, and what does not."""
    path, code = write_uki(folder), vectors("virtee-sev/tests/measurement/ovmf_AmdSev_suffix.bin")
    machine = ["--firmware", code, "--vcpus", "2", "--vcpu-type", "EPYC-Milan"]
    for kernel, options in ((None, []), (path.read_bytes(), ["--kernel-hashes"])):
        value = snp.launch_measurement(code.read_bytes(), 2, "EPYC-Milan", 1, kernel)
        wanted = {"measurement": [value.hex()], **({"kernel-hashes": True} if kernel else {})}
        need_equal(reference_of("--uki", path, *machine, *options)["snp"], wanted, f"{options}")
    for form in POLICIES:
        policy = ["--uki", path, *machine, "--format", form, "--tee", "snp"]
        refused("binds the firmware only", *policy)
        refused("no launch measurement: give --firmware, --vcpus, --vcpu-type and --kernel-hashes",
                "--uki", path, "--format", form, "--tee", "snp")
        status, output, error = measure(*policy, "--kernel-hashes")
        need_equal((status, error, bool(output)), (0, "", True), form)
    # A refusal names the file.
    wrong = folder / "firmware"
    for data, pattern in ((code.read_bytes(), "TDX metadata does not fit"),
                          (bytes(4096), "give the whole image, as OVMF.fd"),
                          (bytes(100), "whole number of pages")):
        wrong.write_bytes(data)
        refused(rf"/firmware: .*{pattern}.*--vcpus", "--uki", path, "--firmware", wrong)
    folder = pathlib.Path("/usr/share/OVMF")
    for name, pattern in (("OVMF_CODE.fd", "does not fit; give the whole image, as OVMF.fd"),
                          ("OVMF_CODE_4M.fd", "is not built for TDX")):
        if (folder / name).exists():
            refused(f"{name}: .*{pattern}", "--uki", path, "--firmware", folder / name)


# --- One change at a time ---

def registers_of(reference):
    """{register: values}, of all that a policy would pin at the moment of fetching."""
    found = {f"PCR {number}": values["fetch"]
             for number, values in reference["pcrs"]["sha256"].items()}
    found.update({f"RTMR {number}": values["fetch"]
                  for number, values in reference["tdx"]["rtmrs"].items()})
    for name in ("config", "manifest"):
        found[name] = reference["events"].get(name)
    return found


@case("reference-one-change")
def one_change(folder):
    """What cvmroot(7) says under REFERENCE VALUES; each row is one of its rows."""
    before = registers_of(reference_of("--uki", write_uki(folder)))
    everything = {"PCR 4", "PCR 9", "PCR 11", "RTMR 2"}
    rows = [
        ("kernel", {"linux": efi.kernel(b"another")}, {"PCR 4", "PCR 11", "RTMR 2"}),
        ("command line", {"cmdline": b"root=/dev/sda"}, everything),
        ("initrd", {"base": b"another initrd!"}, everything),
        ("configuration", {"config": CONFIG + b"#\n"}, everything | {"config"}),
        ("manifest", {"manifest": b"another"}, everything | {"manifest"}),
        ("os-release", {"osrel": b"ID=other\n"}, everything),
        ("public key", {"pcrpkey": b"key"}, everything),
        ("signature of PCR 11", {"pcrsig": b"{}"}, {"PCR 4", "PCR 9", "RTMR 2"}),
    ]
    page = (pathlib.Path(__file__).resolve().parents[2] / "src/man/cvmroot.7").read_text()
    section = page.partition("\n.Sh REFERENCE VALUES\n")[2].partition("\n.Sh ")[0]
    for name, change, wanted in rows:
        after = registers_of(reference_of("--uki", write_uki(folder, **change)))
        changed = {register for register in before if before[register] != after[register]}
        need_equal(changed, wanted, f"what the {name} changes")
        row = re.search(rf"^\.It {name} Ta (.*)$", section, re.M)
        need(row, f"cvmroot.7 does not say what the {name} changes")
        documented = set(re.findall(r"\d+", row[1].partition(" Ta ")[0]))
        need_equal(documented, {word.split()[1] for word in wanted if word.startswith("PCR")},
                   f"PCRs that cvmroot.7 names for the {name}")
        need_equal("2" in row[1].partition(" Ta ")[2], "RTMR 2" in wanted,
                   f"what cvmroot.7 says of RTMR 2 and the {name}")


@case("reference-deterministic")
def deterministic(folder):
    for form in ("json", "text"):
        outputs = []
        for turn in range(2):
            target = folder / "again" if turn else folder
            target.mkdir(exist_ok=True)
            write_uki(target)
            outputs.append(measure_in(target, form))
        need(outputs[0], f"{form}: no output")
        need_equal(outputs[0], outputs[1], form)


def measure_in(folder, form):
    """By a relative name, so that the same name stands in what is printed."""
    subprocess.run([MEASURE, "--uki", "uki", "--format", form, "--output", "out"], cwd=folder,
                   check=True, stdin=subprocess.DEVNULL)
    return (folder / "out").read_bytes()


# --- An image ---

@case("reference-image", timeout=120)
def from_image(folder):
    """A disk image has the values of its UKI, raw and qcow2, and its partition table."""
    path = write_uki(folder)
    disk, other = folder / "disk", folder / "disk.qcow2"
    efi.write_disk(disk, path.read_bytes())
    efi.run("qemu-img", "convert", "-O", "qcow2", disk, other)
    alone, whole = reference_of("--uki", path), reference_of("--image", disk)
    need("1" not in alone["tdx"]["rtmrs"], "a UKI alone has a partition table")
    need_equal(whole["tdx"]["rtmrs"].pop("1")["fetch"], rtmr1(path, gpt_event(disk.read_bytes())),
               "RTMR 1")
    need_equal(whole, alone, "values of the image")
    need_equal(measure("--image", other), measure("--image", disk), "values of the qcow2 image")


@case("reference-image-grows", timeout=120)
def image_grows(folder):
    """The table as libfdisk leaves it, which cvmroot lets the root partition grow by, too."""
    path, disk = write_uki(folder, config=b"[root]\ngrow = true\n"), folder / "disk"
    efi.write_disk(disk, path.read_bytes())
    need("1" not in reference_of("--image", disk)["tdx"]["rtmrs"],
         "RTMR 1 is named although the partition table will change")
    refused("--disk-size, or set grow = false", "--image", disk, "--format", "resource-policy",
            "--tee", "tdx")
    size = 48 << 20
    found = reference_of("--image", disk, "--disk-size", "48M")["tdx"]["rtmrs"]["1"]["fetch"]
    policy = measure("--image", disk, "--disk-size", "48M", "--format", "resource-policy",
                     "--tee", "tdx")
    need(policy[0] == 0 and all(value in policy[1] for value in found), f"the policy: {policy}")
    before = gpt_event(disk.read_bytes())
    os.truncate(disk, size)
    # What is there behind the start of the root, less the backup table, in whole MiB: 12.
    subprocess.run(["sfdisk", "--quiet", "-N", "2", str(disk)], check=True, input=b", 24576",
                   capture_output=True)
    after = gpt_event(disk.read_bytes())
    need(before != after, "the table did not change")
    need_equal(found, [value for table in (before, after) for value in rtmr1(path, table)],
               "RTMR 1")
    same = reference_of("--image", disk, "--disk-size", str(size + 512))
    need_equal(same["tdx"]["rtmrs"]["1"]["fetch"], rtmr1(path, after), "RTMR 1, nothing to gain")
    refused("does not fit", "--image", disk, "--disk-size", "40M")


def gpt_event(data):
    return data[512:512 + 92] + struct.pack("<Q", 2) + data[1024:1024 + 256]


def rtmr1(path, table):
    programs = [pe.Program(path.read_bytes(), "").digest("sha384"),
                pe.Program(efi.kernel(), "").digest("sha384")]
    ends = hashes("sha384", b"Exit Boot Services Invocation",
                  b"Exit Boot Services Returned with Success")
    calling, separator = hashes("sha384", b"Calling EFI Application from Boot Option", bytes(4))
    rest = [*hashes("sha384", table), *programs, *ends]
    return [extend("sha384", calling, separator, *rest), extend("sha384", calling, *rest)]


@case("reference-image-refused", timeout=120)
def image_refused(folder):
    path = write_uki(folder)
    disk = folder / "disk"
    for name in ("loader/credentials/a.cred", "loader/addons/a.addon.efi",
                 "EFI/BOOT/BOOTX64.EFI.extra.d/a.cred"):
        efi.write_disk(disk, path.read_bytes(), [(name, b"x")])
        refused("which the EFI stub would measure as well", "--image", disk)
    efi.write_disk(disk, path.read_bytes(), [("EFI/Linux/cvmroot.efi", b"x")])
    refused("differ; give the one that boots", "--image", disk)
    efi.write_disk(disk, path.read_bytes(), [("EFI/BOOT/BOOTAA64.EFI", b"x")])
    refused("has 2 boot programs", "--image", disk)
    refused("has no GPT", "--image", path)
    efi.write_disk(disk, path.read_bytes())
    good = disk.read_bytes()[:2048]
    for offset, data, pattern in ((512, b"EFI PARX", "has no GPT"),
                                  (512 + 12, b"\x5d", "has no GPT"),
                                  (512 + 72, b"\xff" * 4, "form that is not known"),
                                  (512 + 80, b"\xff" * 4, "form that is not known"),
                                  (512 + 84, b"\0\1", "form that is not known"),
                                  (1024, b"\1", "has 0 EFI system partitions"),
                                  (1024 + 128, good[1024:1040], "has 2 EFI system partitions")):
        with open(disk, "r+b") as file:
            file.write(good)
            file.seek(offset)
            file.write(data)
        refused(pattern, "--image", disk)
    refused("No such file", "--image", folder / "absent")


# --- Refusals ---

@case("reference-refused")
def refusals(folder):
    path = write_uki(folder)
    plain = folder / "plain"
    plain.write_bytes(efi.kernel())
    refused("has no kernel in it", "--uki", plain)
    refused("is cut off", "--uki", folder / "cvmroot.toml")
    (folder / "other.toml").write_bytes(b"[root]\n")
    refused("is not the cvmroot.toml in the initrd", "--uki", path,
            "--config", folder / "other.toml")
    refused("is not the root.manifest in the initrd", "--uki", path,
            "--manifest", folder / "other.toml")
    refused("has no cvmroot.toml", "--uki", write_uki(folder, config=None))
    for config, pattern in ((b"x =", "cvmroot.toml in the initrd: "),
                            (b"[measure]\nconfig = 11\n", r"config is one of .*, not 11"),
                            (b"[measure]\nrtmr = 1\n", r"rtmr is one of 2, 3, not 1"),
                            (b"[measure]\nrtmr = 2.0\n", r"rtmr is a number, not 2\.0"),
                            (b"[measure]\nleave = true\n", "leave is a number, not True"),
                            (b"measure = 15\n", "measure is a table, not 15"),
                            (b"keys = 1\n", "keys is a table, not 1"),
                            (b"[keys]\nproviders = 1\n", "providers is a list, not 1"),
                            (b"[keys]\nproviders = [1]\n", "providers is a list of names"),
                            (b'[keys]\nproviders = "tpm2"\n', "providers is a list, not 'tpm2'"),
                            (b"[keys]\nproviders = ['other']\n", "are some of tpm2, kbs"),
                            (b"[keys]\nproviders = ['kbs', 'kbs']\n", "each once"),
                            (b"[root]\ngrow = 'no'\n", "grow is true or false, not 'no'"),
                            (b"[keys]\nproviders = []\n", "providers is a list of names"),
                            (b"[keys]\nrule = 'some'\n", "rule is one of any, all, not 'some'"),
                            (b"[root]\ngrow = 1\n", "grow is true or false, not 1"),
                            (b"initdata = 'a'\n", "initdata is a table, not 'a'"),
                            (b'[initdata]\npath = "/a"\n', "give the document with --initdata")):
        refused(pattern, "--uki", write_uki(folder, config=config))
    need_equal(reference_of("--uki", write_uki(folder, config=b'[initdata]\npath = "/a"\n'),
                            "--config", folder / "other.toml")["events"]["config"],
               [hashlib.sha256(b"[root]\n").hexdigest()], "the configuration of an initdata")
    digest = "sha256:" + "00" * 32
    for words in (["--format", "rvps"], ["--pcrs", "8"], ["--disk-size", "many"],
                  ["--firmware", path, "--vcpus", "2"], ["--vcpus", "2", "--vcpu-type", "EPYC"],
                  ["--volume-key-digest", digest], ["--uuid", "x"], ["--image", path],
                  ["--uuid", str(uuid.UUID(int=1)), "--volume-key-digest", digest[:-1]],
                  ["--firmware", path, "--kernel-hashes"], ["--kernel-hashes"],
                  ["--firmware", path, "--tee", "snp"], ["--mrtd", "ab" * 47],
                  ["--launch-measurement", "xy" * 48], ["--pcrs", "x"], ["--pcrs", "4,"],
                  ["--firmware", path, "--vcpus", "two", "--vcpu-type", "EPYC"],
                  ["--guest-features", "-1"], ["--guest-features", "0x1" + "0" * 16],
                  ["--firmware", path, "--vcpus", "2", "--vcpu-type", "EPYC", "--kernel-hashes",
                   "--launch-measurement", "ab" * 48]):
        status, output, error = measure("--uki", path, *words)
        need_equal((status, output), (2, ""), f"usage {words}")
        need("invalid" not in error, f"usage {words}: {error}")
    refused("^measure: error: /absent/file: No such file or directory$", "--uki",
            write_uki(folder), "--tee", "tpm", "--output", "/absent/file")
    refused("^measure: error: /absent/file: No such file or directory$", "--uki", "/absent/file")


@case("reference-left-out")
def left_out(folder):
    """Only what evidence of the kind has is missed."""
    path = write_uki(folder)
    for words, gap in (([], True), (["--tee", "tdx"], True), (["--tee", "tpm"], False),
                       (["--tee", "snp"], False)):
        status, text, error = measure("--uki", path, *words)
        need_equal(json.loads(text).get("tee"), words[1:] or None, f"the platform, {words}")
        need_equal((status, error.startswith("measure: left out: RTMR 1: ")), (0, gap), words)
        need(gap or not error, f"{words}: {error}")


@case("reference-nothing-unbound")
def nothing_unbound(folder):
    """No policy that leaves command line or initrd to the host."""
    good = write_uki(folder, "good")
    no_line = write_uki(folder, "no-line", cmdline=None)
    files = folder / "cvmroot.toml", folder / "root.manifest"
    given = ["--config", files[0], "--manifest", files[1]]
    no_initrd = write_uki(folder, "no-initrd", initrd=None)
    for form in POLICIES:
        policy = ["--format", form, "--tee"]
        for some in ["--pcrs", "4,9,11,12,13,15"], ["--pcrs", "4,11,12,13,15"]:
            refused(r"no section \.cmdline", "--uki", no_line, *policy, "tpm", *some)
            refused(r"no section \.initrd", "--uki", no_initrd, *given, *policy, "tpm", *some)
        for tee, pcrs in (("tpm", "2,4,12,13,15"), ("az-snp-vtpm", "2,9,12,15"),
                          ("tpm", "2,4,11,12,15"), ("tpm", "2,4,9,11,13"), ("tpm", "4,9,11,12")):
            refused("leave drivers, command line or initrd to the host: name PCR 2 .*, 12, 9 or "
                    "13, and 4 with 9 or 11", "--uki", good, *policy, tee, "--pcrs", pcrs)
        refused(".", "--uki", good, *policy, "snp")
        refused(".", "--uki", good, *policy, "tdx")
    # PCR 15 is zero in a policy whether it is named or not.
    status, text, error = measure("--uki", good, "--format", "resource-policy", "--tee", "tpm",
                                  "--pcrs", "2,4,9,11,12")
    need(status == 0 and re.search(r"pcr15 in \[\s+\"" + "00" * 32 + r"\",\s+\]", text),
         f"PCR 15, not named: {error}{text}")
    # What is not known is not named.
    need("9" not in reference_of("--uki", no_line)["pcrs"]["sha256"], "PCR 9, no command line")
    need("9" not in reference_of("--uki", no_initrd, *given)["pcrs"]["sha256"], "PCR 9, no initrd")


@case("reference-command-lines")
def command_lines(folder):
    """The kernel gets what the stub makes of the section."""
    plain = pcr(reference_of("--uki", write_uki(folder, cmdline=b"a b")), 9)
    for line in b" a b\n", b"a\tb", b"a b\x7f":
        need_equal(pcr(reference_of("--uki", write_uki(folder, cmdline=line)), 9), plain,
                   f"PCR 9 with {line!r}")
        need("9" not in reference_of("--uki", write_uki(folder, cmdline=line, stub=252))["pcrs"]
             ["sha256"], f"252 and {line!r}")
    for line in "ä".encode(), b"a\0b":
        need("9" not in reference_of("--uki", write_uki(folder, cmdline=line))["pcrs"]["sha256"],
             f"PCR 9 with {line!r}")


@case("reference-initrd-files")
def initrd_files(folder):
    """Found only where append-initrd puts them, and by what it writes."""
    initrd = make_initrd(folder)
    config = hashlib.sha256(CONFIG).hexdigest()
    # Twice: the later one counts.
    (folder / "initrd").write_bytes(initrd)
    (folder / "cvmroot.toml").write_bytes(b"[root]\n")
    efi.run(APPEND_INITRD, folder / "initrd", folder / "twice", folder / "cvmroot.toml")
    reference = reference_of("--uki", write_uki(folder,
                                                initrd=(folder / "twice").read_bytes()))
    need_equal(reference["events"]["config"], [hashlib.sha256(b"[root]\n").hexdigest()],
               "the later configuration")
    need_equal(reference["events"]["manifest"], [hashlib.sha256(MANIFEST).hexdigest()],
               "the manifest")
    # The files of another archive in the middle are not ours.
    moved = b"x" * 256 + initrd
    longer = bytearray(initrd)
    longer[initrd.rindex(b"TRAILER!!!") + 20] = 1
    folder_kind = initrd.replace(b"000081A4", b"000041A4")
    trailer = initrd.rindex(b"TRAILER!!!") - 110
    for bad in (initrd[:trailer] + initrd[trailer:].replace(b"070701", b"070702"),
                initrd[:trailer + 54] + b"7fffffff" + initrd[trailer + 62:],
                initrd + b"more", initrd + b"x" * 512, initrd[:-512], moved, bytes(longer),
                folder_kind, initrd.replace(b"000081A4", b"0_0081A4"),
                initrd.replace(b"etc/cvmroot/cvmroot.toml", b"etc/cvmroot/cvmroot.tomx"),
                initrd.replace(b"etc/cvmroot/root.manifest", b"etc/cvmroot/root.manifesx"),
                initrd.replace(b"070701", b"070702")):
        refused("has no cvmroot.toml", "--uki", write_uki(folder, initrd=bad))
    need(folder_kind != initrd, "the mode of a file was not found")
    need_equal(reference_of("--uki", write_uki(folder, initrd=initrd))["events"]["config"],
               [config], "the configuration")
