# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 13: switches that would turn protection off, as some programs have them for their tests."""

import re
import subprocess

from confined import ATTACK_WON, guest
from rows import ROOT, attack, need, program

# What such switches are called elsewhere, and what ours could be called.
WORDS = ("insecure", "test", "test-mode", "testing", "debug", "dev", "unsafe", "skip-verify",
         "no-verify", "disable-encryption", "allow-insecure", "skip-attestation", "no-check")
OPTIONS = (*(f"--{word}" for word in WORDS), "-k", "--no-check-certificate", "--force", "--dry-run")
TEES = ("sample", "none", "mock", "test")

GOOD = """
[keys]
providers = ["kbs"]
[kbs]
url = "https://kbs.example.com"
ca = "/etc/cvmroot/kbs-ca.pem"
resource = "kbs:///default/luks/root"
"""
# Table, line, what check-config says.
UNKNOWN, NO_TABLE = "unknown key", "unknown table"
FOREIGN = (
    *((table, f"{word} = {value}", UNKNOWN)
      for table in ("root", "keys", "tpm2", "tee", "kbs", "measure", "failure")
      for word, value in (("insecure", "true"), ("verify", "false"), ("test-mode", "true"),
                          ("enabled", "false"), ("skip", "true"))),
    ("root", "encrypted = false", UNKNOWN), ("root", "encrypt = false", UNKNOWN),
    ("root", "storage_encrypted = false", UNKNOWN), ("root", 'cipher = "null"', UNKNOWN),
    ("root", "verify-manifest = false", UNKNOWN), ("root", 'manifest = ""', ""),
    ("kbs", "verify-peer = false", UNKNOWN), ("kbs", "certificate-names = false", UNKNOWN),
    ("kbs", "follow-redirects = true", UNKNOWN), ("kbs", "proxy = \"http://a\"", UNKNOWN),
    ("debug", "shell = true", NO_TABLE), ("test", "mode = true", NO_TABLE),
    ("insecure", "yes = true", NO_TABLE), ("failure", 'action = "shell"', "poweroff"),
    ("failure", 'action = "continue"', "poweroff"), ("failure", 'action = "none"', "poweroff"),
    ("tee", 'platform = "sample"', "auto"), ("tee", 'platform = "none"', "auto"),
    ("tpm2", "pcrs = []", "PCR"), ("tpm2", "pcrs = [11]", "PCR 12"),
    ("tpm2", 'bank = "sha1"', "SHA-1"), ("tpm2", 'bank = "none"', ""),
    ("measure", "root = 16", "PCR 16"), ("measure", "leave = 23", "PCR 23"),
)
# Keys that GOOD has, with another value.
WORSE = (
    ('url = "https://', 'url = "http://', "https://"),
    ('ca = "/etc/cvmroot/kbs-ca.pem"', "", ""),
    ('ca = "/etc/cvmroot/kbs-ca.pem"', 'ca = ""', ""),
    ('ca = "/etc/cvmroot/kbs-ca.pem"', 'ca = "system"', ""),
    ('["kbs"]', "[]", "at least one provider"),
    ('["kbs"]', '["none"]', ""),
    ('["kbs"]', '["passphrase"]', ""),
    ('["kbs"]', '["plain"]', ""),
)


def check_config(folder, text):
    path = folder / "cvmroot.toml"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run([str(program()), "check-config", str(path)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def changed_configurations():
    for table, line, sentence in FOREIGN:
        if f"[{table}]\n" in GOOD:
            yield line, GOOD.replace(f"[{table}]\n", f"[{table}]\n{line}\n"), sentence
        else:
            yield line, f"{GOOD}[{table}]\n{line}\n", sentence
    for line, worse, sentence in WORSE:
        need(line in GOOD, f"{line!r} is not in the good configuration")
        yield worse or f"no {line}", GOOD.replace(line, worse), sentence
    yield "insecure", "insecure = true\n" + GOOD, ""


@attack(13, "each is refused, with its line", weaken="unknown-keys", red="was accepted")
def keys(name):
    """Of the configuration; so is all that is misspelt, which else would be as if it were not
    there."""
    with guest(name) as place:
        status, said = check_config(place.folder, GOOD)
        need(status == 0, f"the good configuration is refused: {said}")
        count = 0
        for line, text, sentence in changed_configurations():
            status, said = check_config(place.folder, text)
            need(status != 0, f"{line!r} was accepted")
            need(status == 1 and re.search(r"cvmroot\.toml:", said) and sentence in said,
                 f"{line!r}: exit {status}, {said}")
            count += 1
        return f"{count} keys and values refused"


def variables():
    """As a word of the kernel's command line becomes one in the initrd's services, too."""
    for word in WORDS:
        upper = word.upper().replace("-", "_")
        for prefix in "", "CVMROOT_", "KBS_", "SYSTEMD_":
            yield f"{prefix}{upper}=1"
        yield f"cvmroot.{word}=1"
    yield from ("CVMROOT_TEE=sample", "CVMROOT_KBS_URL=https://localhost", "CURL_INSECURE=1",
                "SSL_NO_VERIFY=1", "PYTHONHTTPSVERIFY=0", "GIT_SSL_NO_VERIFY=1")


def check_calls():
    """
    The environment is asked for two names, in two places: where to tell systemd, and whether the
    journal is there.
    """
    code = subprocess.run(["objdump", "--disassemble", "--no-show-raw-insn", str(program())],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    calls = re.findall(r"\bcall\s+\S+ <(\S*getenv)@plt>", code)
    need(calls == ["getenv", "getenv"], f"the environment is read by {calls}")
    data = program().read_bytes()
    for mark in b"NOTIFY_SOCKET\0", b"JOURNAL_STREAM\0":
        need(mark in data, f"{mark} is not in the program: what else does it ask for?")
    for mark in b"cmdline", b"insecure", b"proves nothing", b"weaken", b"CVMROOT_":
        need(mark not in data, f"{mark} is in the program")


def check_units():
    """No unit of ours does another thing because of a word on the kernel's command line."""
    for folder in "units", "dracut-module":
        for path in (ROOT / folder).rglob("*"):
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            need(not re.search("ConditionKernelCommandLine|/proc/cmdline|getarg", text),
                 f"{path.name} looks at the kernel's command line")


@attack(13, "none changes anything", weaken="test-switch", red=ATTACK_WON)
def variables_and_options(name):
    """Of the environment, and so of the kernel's command line: a fake broker is asked."""
    with guest(name) as place:
        fake = place.broker()
        result = place.fetch(fake, deadline=5, ca="other-ca.pem", before=["env", *variables()])
        place.refused(result, r".*: auth: TLS: .* not issued by the CA of the configuration .*")
        secrets = place.folder / "tls-secrets"
        place.refused(place.fetch(fake, deadline=5, ca="other-ca.pem", before=[
            "env", f"SSL_CERT_FILE={place.pki / 'ca.pem'}", f"SSL_CERT_DIR={place.pki}",
            f"SSLKEYLOGFILE={secrets}"]), r".* not issued by .*")
        for option in OPTIONS:
            done = subprocess.run(place.command(fake, option), check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            need(done.returncode == 2 and not done.stdout, f"{option}: exit {done.returncode}")
        for tee in TEES:
            result = place.fetch(fake, "--tee", tee, deadline=5)
            place.refused(result, rf"there is no such platform as \"{tee}\"; known are auto, .*")
        need(not fake.log() and not secrets.exists(), "a request was sent, or its secrets written")
        check_calls()
        check_units()
        return f"{len(list(variables()))} variables, {len(OPTIONS)} options, {len(TEES)} platforms"
