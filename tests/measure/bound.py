# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Policies bind what the host chooses besides the disk: drivers of the firmware, an initdata
document; and say so where nothing ends the time in which a key is given."""

import base64
import hashlib
import json
import struct

import efi
from case import case, need, need_equal, vectors
from policies import PATH, Server, broker, changed, good_claims, reference
from reference import policy, rvps, uki
from reference_values import (POLICIES, extend, hashes, measure, pcr, reference_of, refused,
                              write_uki)

# PCR 2 of a machine without drivers and option ROMs, as the logs of such machines have it.
NO_DRIVERS = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"
VTPM_POLICY = ("--tee", "tpm", "--format", "resource-policy")
ASKS = b'[initdata]\npath = "/run/initdata"\n'
DOCUMENT = b"""version = "0.1.0"
algorithm = "%s"

[data]
instance-id = "vm1"
"cvmroot.toml" = '''
%s'''
"""
CONFIG = b'[keys]\nproviders = ["kbs"]\n[root]\ngrow = false\n'


# --- Drivers ---

@case("bound-drivers")
def drivers(folder):
    """PCR 2 is named by default, as it is without drivers; other values are given."""
    path = write_uki(folder)
    need_equal(reference_of("--uki", path)["pcrs"]["sha256"]["2"],
               {"fetch": [NO_DRIVERS], "booted": [NO_DRIVERS]}, "PCR 2")
    need_equal(pcr(reference_of("--uki", path), 2, bank="sha384"),
               [extend("sha384", *hashes("sha384", bytes(4)))], "PCR 2, SHA-384")
    first, second, large = "ab" * 32, "CD" * 32, "ef" * 48
    given = reference_of("--uki", path, "--pcr", f"2={first}", "--pcr", f"2={second}")
    need_equal(given["pcrs"]["sha256"]["2"], {state: [first, second.lower()]
                                              for state in ("fetch", "booted")}, "--pcr 2")
    need("2" not in given["pcrs"]["sha384"], "a value is predicted in another bank")
    given = reference_of("--uki", path, "--secureboot", "--pcr", f"7={large}")
    need_equal((pcr(given, 7, bank="sha384"), pcr(given, 2)), ([large], [NO_DRIVERS]), "--pcr 7")
    need("7" not in given["pcrs"]["sha256"], "a value is predicted in another bank")
    shown = measure("--uki", path, "--format", "text", "--pcr", f"2={first}")[1]
    need(f"  sha256 {first}  as given\n" in shown and NO_DRIVERS not in shown, f"shown: {shown}")
    for words in (["--pcr", f"2={first[2:]}"], ["--pcr", f"4={first}"], ["--pcr", f"7={first}"],
                  ["--pcr", f"2={'xy' * 32}"], ["--pcr", "2"], ["--pcrs", "7"], ["--pcrs", "8"],
                  ["--pcrs", "4", "--pcr", f"2={first}"]):
        need_equal(measure("--uki", path, *words)[:2], (2, ""), f"usage {words}")


@case("bound-drivers-known")
def drivers_known(folder):
    """Machines of Azure, as they are by default, hold in PCR 2 what is computed."""
    wanted = pcr(reference_of("--uki", write_uki(folder)), 2)
    data = vectors("trustee/deps/verifier/test_data")
    for name in ("az-snp-vtpm/evidence-v2.json", "az-tdx-vtpm/evidence-v1.json"):
        quote = json.loads((data / name).read_text())["tpm_quote"]
        need_equal([quote["pcrs"][2]], wanted, f"PCR 2 of {name}")


@case("bound-drivers-policy")
def drivers_policy(folder):
    """No policy without it, and a policy that names what is given."""
    path = write_uki(folder)
    refused("name PCR 2", "--uki", path, *VTPM_POLICY, "--pcrs", "4,9,11,12,13,15")
    text = measure("--uki", path, *VTPM_POLICY)[1]
    need(NO_DRIVERS in text and "pcr02" in text, "the policy does not pin PCR 2")
    other = "ab" * 32
    text = measure("--uki", path, *VTPM_POLICY, "--pcr", f"2={other}")[1]
    need(other in text and NO_DRIVERS not in text, "the policy does not pin the given PCR 2")
    secure = measure("--uki", path, *VTPM_POLICY, "--secureboot", "--pcr", f"7={other}", "--pcrs",
                     "7,9,11,12,15")
    need(secure[0] == 0 and "claims.pcr07 in" in secure[1], f"PCR 7 instead: {secure}")


# --- What ends the time in which a key is given ---

def kernel_of(release):
    """A kernel that names its release as those for x86 do."""
    header = bytearray(efi.kernel())
    header[0x202:0x206] = b"HdrS"
    header[0x20E:0x210] = struct.pack("<H", 0x300)
    header[0x500:0x500 + len(release) + 1] = release + b"\0"
    return bytes(header)


RELEASES = (
    ({"uname": b"6.16.0"}, True), ({"uname": b"6.15.9-generic"}, False), ({"uname": b"7.0"}, True),
    ({"uname": b"6.2.1"}, False), ({"uname": None}, False), ({"uname": b"new"}, False),
    ({"uname": b"6.160000"}, False),
    # What runs counts, not what the maker of the program says.
    ({"uname": b"6.16.0", "linux": kernel_of(b"6.12.57 (me) #1")}, False),
    ({"uname": b"6.12.57", "linux": kernel_of(b"6.18.1 (me) #1")}, True),
)


@case("bound-rtmrs", timeout=120)
def rtmrs(folder):
    """A kernel that cannot extend an RTMR: the policy says that the key is had all the time."""
    stays = "a key to every program of this image"
    for sections, extends in RELEASES:
        path, disk = write_uki(folder, **sections), folder / "disk"
        need_equal(uki.Uki(path.read_bytes(), "uki").extends_rtmrs(), extends, f"{sections}")
    for sections, extends in RELEASES[:2]:
        efi.write_disk(disk, write_uki(folder, **sections).read_bytes())
        words = ["--image", disk, "--format", "resource-policy", "--tee"]
        status, text, error = measure(*words, "tdx")
        need_equal((status, stays in text, "6.16" in error), (0, not extends, not extends),
                   f"{sections}: {error}")
        # A TPM's PCR 15 needs no such kernel.
        status, text, error = measure(*words, "tpm")
        need_equal((status, stays in text, "6.16" in error), (0, False, False), f"{sections}, tpm")


# --- The document that a configuration comes from ---

def write_document(folder, config=CONFIG, algorithm=b"sha256"):
    path = folder / "initdata.toml"
    path.write_bytes(DOCUMENT % (algorithm, config))
    return path


def bound_pcr(document):
    return extend("sha256", hashlib.sha256(document.read_bytes()).digest())


@case("bound-initdata", timeout=120)
def initdata(folder):
    """Without the document there is no policy; with it, it is bound and its configuration taken."""
    path, disk = write_uki(folder, config=ASKS), folder / "disk"
    efi.write_disk(disk, path.read_bytes())
    document = write_document(folder)
    (folder / "some.toml").write_bytes(CONFIG)
    for tee in policy.TEES:
        for form in POLICIES:
            for words in ([], ["--config", folder / "some.toml"]):
                refused("give it with --initdata", "--image", disk, "--format", form, "--tee", tee,
                        *words)
    found = reference_of("--uki", path, "--initdata", document)
    need_equal(found["pcrs"]["sha256"]["8"], {"fetch": [bound_pcr(document)],
                                              "booted": [bound_pcr(document)]}, "PCR 8")
    need("8" not in found["pcrs"]["sha384"], "PCR 8, whose digest is of SHA-256")
    need_equal((found["events"]["config"], found["events"]["providers"]),
               ([hashlib.sha256(CONFIG).hexdigest()], ["kbs"]), "the configuration in effect")
    need("initdata" not in found and "rtmrs-stay" not in found, "what is for policies only")
    texts = {}
    for config in CONFIG, CONFIG + b"#\n":
        document = write_document(folder, config)
        digest = hashlib.sha256(document.read_bytes()).hexdigest()
        for tee, wanted in (("tpm", bound_pcr(document)), ("az-snp-vtpm", bound_pcr(document)),
                            ("tdx", digest + "00" * 16)):
            status, text, error = measure("--image", disk, "--initdata", document, "--tee", tee,
                                          "--format", "resource-policy")
            need(status == 0 and text.count(wanted) == 1, f"{tee}: {wanted} in {text}{error}")
            texts.setdefault(tee, set()).add(text)
    need(all(len(some) == 2 for some in texts.values()), "policies of two documents are the same")
    refused("without PCR 8", "--uki", path, "--initdata", document, *VTPM_POLICY, "--pcrs",
            "2,4,9,11,12,13,15")
    document = write_document(folder, algorithm=b"sha384")
    refused("whose algorithm is sha256", "--uki", path, "--initdata", document, *VTPM_POLICY)
    status, text, error = measure("--image", disk, "--initdata", document, "--tee", "tdx",
                                  "--format", "resource-policy")
    need(status == 0 and hashlib.sha384(document.read_bytes()).hexdigest() in text,
         f"tdx, SHA-384: {text}{error}")


@case("bound-initdata-refused")
def initdata_refused(folder):
    """A document that cvmroot would refuse, or that the image does not ask for."""
    document = write_document(folder)
    refused("leave --initdata away", "--uki", write_uki(folder, config=b""), "--initdata", document)
    path = write_uki(folder, config=ASKS)
    need_equal(measure("--uki", path, "--initdata", document, "--config", document)[:2], (2, ""),
               "--config as well")
    refused("cannot ask for initdata", "--uki", path, "--initdata", write_document(folder, ASKS))
    good = write_document(folder).read_bytes()
    for old, new, sentence in ((b"0.1.0", b"0.2.0", "of version 0.1.0"),
                               (b"[data]", b"[other]", "of version 0.1.0"),
                               (b"sha256", b"sha1", "is one of sha256"),
                               (b'"sha256"', b"256", "is one of sha256"),
                               (b'"vm1"', b"1", "more than texts"),
                               (b'"cvmroot.toml"', b'"other.toml"', 'has no "cvmroot.toml"'),
                               (b"version", b"version =", "Invalid|Expected"),
                               (b"vm1", b"\xff", "decode")):
        need(old in good, f"{old!r} is not in the document")
        document.write_bytes(good.replace(old, new))
        refused(sentence, "--uki", path, "--initdata", document)


def with_document(tee, digest):
    """Reference values and good claims of a machine that was started with a document."""
    found, claims = reference(), good_claims(tee)
    found["initdata"] = digest.hex()
    if tee in policy.VTPM:
        value = extend("sha256", digest)
        found["pcrs"]["sha256"]["8"] = {"fetch": [value]}
        claims = changed(claims, (("tpm",) if tee != "tpm" else ()) + ("pcr08",), value)
    elif tee == "tdx":
        claims["quote"]["body"]["mr_config_id"] = policy.fit(digest, 48).hex()
    return found, claims


@case("bound-initdata-claims")
def initdata_claims(_folder):
    """The key is given with the claim that binds the document, and not with another or none."""
    digest, other = (hashlib.sha256(text).digest() for text in (b"document", b"another"))
    for tee, place in (("tpm", ("pcr08",)), ("az-snp-vtpm", ("tpm", "pcr08")),
                       ("az-tdx-vtpm", ("tpm", "pcr08")),
                       ("tdx", ("quote", "body", "mr_config_id"))):
        found, good = with_document(tee, digest)
        server = Server(found, tee)
        need_equal((server.status(good), server.gives(good)), ("affirming", True), tee)
        for new in (extend("sha256", other), other.hex() + "00" * 16, None):
            bad = changed(good, place, new)
            need(server.status(bad) != "affirming", f"{tee}: {new} is affirmed")
            need(not server.gives(bad, status="affirming"), f"{tee}: a key with {new}")
    found, good = with_document("tpm", digest)
    del found["pcrs"]["sha256"]["8"]
    for make in (policy.attestation_policy, policy.resource_policy, rvps.message):
        try:
            make(found, "tpm")
        except ValueError as error:
            need("without PCR 8" in str(error), f"refused for another reason: {error}")
        else:
            need(False, f"{make} makes something without PCR 8")
    snp_claims(digest, other)


def snp_claims(digest, other):
    """SEV-SNP's is beside the claims of the report, and older versions write it in base64."""
    found, good = with_document("snp", digest)
    server = Server(found, "snp")
    for bound, gives in ((digest.hex(), True), (base64.b64encode(digest).decode(), True),
                         (other.hex(), False), (None, False), ("", False)):
        evidence = {"snp": good} if bound is None else {"snp": good, "init_data": bound}
        status = broker.appraise("snp", evidence, server.references, server.attestation)[1]
        need_equal(status == "affirming", gives, f"snp, affirmed with {bound}")
        token = {"submods": {"cpu0": {"ear.status": "affirming",
                                      "ear.veraison.annotated-evidence": evidence}}}
        need_equal(server.resource.allows(token, PATH), gives, f"snp, a key with {bound}")


@case("bound-platform")
def platform(folder):
    """The file names the platform that it is for, when that was said."""
    path = write_uki(folder)
    need("tee" not in reference_of("--uki", path), "a platform is named without --tee")
    for tee in policy.TEES:
        need_equal(reference_of("--uki", path, "--tee", tee)["tee"], [tee], "the platform")
