# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""cvmroot verify: it accepts good evidence, published and of the test's own machines, and refuses
each that was altered by one bit or that tells another story."""

import base64
import copy
import hashlib
import json
import shutil
import subprocess

import event_logs as logs
import signing
from case import CVMROOT, case, need, need_equal, vectors

NONCE = bytes(range(100, 132))
EMPTY = {"cvmroot-reference": 1}
CLAIMS = ("genuine", "platform", "no-debug", "fresh", "launch", "image", "logs", "config",
          "root", "encrypted", "how", "provider", "closed")
HOLDS, FAILS, UNCHECKED = "holds", "FAILS", "not checked"


def verify(folder, evidence, reference, *options):
    """Exit status and {claim: verdict}; None where the evidence could not be read. The reference
    is for the platform of the document unless it names another, or None."""
    text = evidence if isinstance(evidence, bytes) else json.dumps(evidence).encode()
    if isinstance(evidence, dict) and "tee" in evidence:
        reference = {"tee": [evidence["tee"]], **reference}
    reference = {name: value for name, value in reference.items() if value is not None}
    (folder / "evidence.json").write_bytes(text)
    (folder / "reference.json").write_text(json.dumps(reference))
    result = subprocess.run(
        [CVMROOT, "verify", folder / "evidence.json", "--reference", folder / "reference.json",
         "--json", *map(str, options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    if result.returncode in (0, 3):
        claims = json.loads(result.stdout)["claims"]
        need_equal(set(claims), set(CLAIMS), "claims")
        return result.returncode, {name: claim["verdict"] for name, claim in claims.items()}
    need(b"\x1b[2J" not in result.stderr, "what the evidence says goes to the terminal")
    need(result.returncode == 1 and result.stderr, f"cvmroot verify: status {result.returncode}, "
                                                   f"{result.stderr.decode()}")
    return 1, None


def need_good(folder, evidence, reference, options, what, failing=()):
    status, claims = verify(folder, evidence, reference, *options)
    need(claims, f"{what} is malformed")
    need_equal([name for name, verdict in claims.items() if verdict == FAILS], list(failing), what)
    need_equal(status, 3 if failing else 0, what)
    need_equal(claims["genuine"], HOLDS, what)
    return claims


class Refusals:
    """Each altered piece of evidence must be refused as not genuine, or as malformed."""

    def __init__(self, folder, reference, options, what):
        self.folder, self.reference, self.options = folder, reference, options
        self.what, self.count = what, 0

    def need_refused(self, evidence, where):
        status, claims = verify(self.folder, evidence, self.reference, *self.options)
        need(status != 0, f"{self.what}: accepted with another {where}")
        need(claims is None or claims["genuine"] == FAILS,
             f"{self.what}: genuine with another {where}")
        self.count += 1


def flipped(data, at, bit=0):
    data = bytearray(data)
    data[at] ^= 1 << bit
    return bytes(data)


def ends(size):
    """First, middle and last."""
    return sorted({0, size // 2, size - 1})


def option_for(roots, *more):
    return [part for root in roots for part in ("--root", root)] + list(more)


# ---- AMD SEV-SNP ----

SNP_SIGNED = ([(name, at, size) for name, at, size in signing.SNP_BYTES + signing.SNP_NUMBERS] +
              [(f"{name}: {part}", at + offset, 1) for name, at in signing.SNP_TCBS
               for part, offset in (("bootloader", 0), ("tee", 1), ("snp", 6), ("microcode", 7))] +
              [(name, at, 3) for name, at in signing.SNP_FIRMWARE] +
              [("r", 0x2a0, 48), ("s", 0x2e8, 48), ("r, high", 0x2d0, 24), ("s, high", 0x318, 24)])


def snp_samples():
    """Name, report, its certificate, the file of issuer and root, the claims that fail."""
    google, trustee = vectors("go-sev-guest/verify"), vectors("trustee/deps/verifier/test_data/snp")
    virtee = vectors("virtee-sev/tests")
    milan = google / "trust/ask_ark_milan.pem"
    yield ("Milan, debug", (google / "testdata/attestation.bin").read_bytes(),
           (google / "testdata/vcek.testcer").read_bytes(), milan, ("no-debug",))
    hexadecimal = next(virtee.rglob("report_milan.hex")).read_text()
    yield ("Milan", bytes.fromhex(hexadecimal),
           (virtee / "certs_data/vcek_milan.der").read_bytes(), milan, ())
    yield ("Milan on Azure", (trustee / "test-report.bin").read_bytes(),
           (trustee / "test-vcek.der").read_bytes(), milan, ())
    yield ("Milan by a cloud's key", (trustee / "test-vlek-report.bin").read_bytes(),
           (trustee / "test-vlek.der").read_bytes(), google / "trust/ask_ark_milan_vlek.pem", ())
    derived = vectors("trustee/derived")
    yield ("Bergamo", (derived / "e2e-evidence-report.bin").read_bytes(),
           (derived / "e2e-evidence-vcek.der").read_bytes(), google / "trust/ask_ark_genoa.pem", ())


def split_pem(path):
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in path.read_text().split(end) if "BEGIN" in part]


@case("published-snp", 300)
def published_snp(folder):
    for name, report, certificate, chain, failing in snp_samples():
        kind = "VLEK" if "vlek" in chain.name else "VCEK"
        reference = {**EMPTY, "snp": {"measurement": [report[0x90:0xc0].hex()],
                                      "kernel-hashes": True, "vmpl": [report[0x30]]}}
        data = base64.b64encode(report[0x50:0x90]).decode()
        options = option_for([chain], "--tee", "snp", "--nonce", data)
        good = signing.snp_evidence(report, [(kind, certificate)])
        claims = need_good(folder, good, reference, options, name, failing)
        need_equal((claims["fresh"], claims["launch"]), (HOLDS, HOLDS), name)
        refusals = Refusals(folder, reference, options, name)
        for field, at, size in SNP_SIGNED:
            for offset in ends(size):
                altered = flipped(report, at + offset)
                refusals.need_refused(signing.snp_evidence(altered, [(kind, certificate)]),
                                      f"{field}, byte {offset}")
        if report[0] > 2:
            for field, at in signing.SNP_CPUID:
                altered = signing.snp_evidence(flipped(report, at), [(kind, certificate)])
                refusals.need_refused(altered, field)
        for at in range(0, len(certificate), 23):
            altered = flipped(certificate, at, at % 8)
            refusals.need_refused(signing.snp_evidence(report, [(kind, altered)]),
                                  f"certificate, byte {at}")
        need_issuer(folder, report, (kind, certificate), chain, reference, name)


def need_issuer(folder, report, certificate, chain, reference, name):
    """The issuer from the evidence or a file; none, an altered one, another root."""
    issuer, root = split_pem(chain)
    (folder / "root.pem").write_text(root)
    (folder / "issuer.pem").write_text(issuer)
    der = signing.openssl("x509", "-in", folder / "issuer.pem", "-outform", "DER")
    options = option_for([folder / "root.pem"], "--tee", "snp")
    refusals = Refusals(folder, reference, options, name)
    need_equal(verify(folder, signing.snp_evidence(report, [certificate, ("ASK", der)]), reference,
                      *options)[1]["genuine"], HOLDS, name)
    need_equal(verify(folder, signing.snp_evidence(report, [certificate]), reference, *options,
                      "--certificates", folder / "issuer.pem")[1]["genuine"], HOLDS, name)
    refusals.need_refused(signing.snp_evidence(report, [certificate]), "issuer: none")
    for at in range(0, len(der), 61):
        altered = flipped(der, at, at % 8)
        refusals.need_refused(signing.snp_evidence(report, [certificate, ("ASK", altered)]),
                              f"issuer, byte {at}")
    # AMD has a root for each product.
    other = vectors("go-sev-guest/verify/trust/ask_ark_turin_vcek.pem")
    Refusals(folder, reference, option_for([other], "--tee", "snp"), name).need_refused(
        signing.snp_evidence(report, [certificate, ("ASK", der)]), "root")


@case("published-snp-made-up-certificates")
def snp_made_up(folder):
    data = vectors("trustee/deps/verifier/test_data/snp")
    root = vectors("go-sev-guest/verify/trust/ask_ark_milan.pem")
    report = (data / "test-report.bin").read_bytes()
    refusals = Refusals(folder, EMPTY, option_for([root], "--tee", "snp"), "SNP")
    for name in ("test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der", "test-vlek.der"):
        refusals.need_refused(signing.snp_evidence(report, [("VCEK", (data / name).read_bytes())]),
                              name)


# ---- Intel TDX ----

TDX_BODY = (("TEE_TCB_SVN", 0, 16), ("MRSEAM", 16, 48), ("MRSIGNERSEAM", 64, 48),
            ("SEAMATTRIBUTES", 112, 8), ("TDATTRIBUTES", 120, 8), ("XFAM", 128, 8),
            ("MRTD", 136, 48), ("MRCONFIGID", 184, 48), ("MROWNER", 232, 48),
            ("MROWNERCONFIG", 280, 48), ("RTMR0", 328, 48), ("RTMR1", 376, 48),
            ("RTMR2", 424, 48), ("RTMR3", 472, 48), ("REPORTDATA", 520, 64))
TDX_BODY_15 = (("TEE_TCB_SVN_2", 584, 16), ("MRSERVICETD", 600, 48))
TDX_HEADER = (("version", 0, 2), ("key type", 2, 2), ("TEE type", 4, 4), ("reserved", 8, 4),
              ("vendor", 12, 16), ("user data", 28, 20))
QE_REPORT = (("CPUSVN", 0, 16), ("MISCSELECT", 16, 4), ("ATTRIBUTES", 48, 16),
             ("MRENCLAVE", 64, 32), ("MRSIGNER", 128, 32), ("ISVPRODID", 256, 2),
             ("ISVSVN", 258, 2), ("REPORTDATA", 320, 64))


def tdx_layout(quote):
    """(name, offset, size) of all that is signed, or signs; and where the certificates are."""
    fields, body = list(TDX_HEADER), 48
    size = 584
    if quote[0] == 5:
        fields += [("body type", 48, 2), ("body size", 50, 4)]
        body, size = 54, int.from_bytes(quote[50:54], "little")
    fields += [(name, body + at, length) for name, at, length in
               TDX_BODY + (TDX_BODY_15 if size > 584 else ())]
    at = body + size + 4
    enclave = at + 128 + 6
    fields += [("signature", at, 64), ("attestation key", at + 64, 64)]
    fields += [(f"QE {name}", enclave + offset, length) for name, offset, length in QE_REPORT]
    size = int.from_bytes(quote[enclave + 448:enclave + 450], "little")
    fields += [("QE signature", enclave + 384, 64), ("QE authentication", enclave + 450, size)]
    certificates = enclave + 450 + size + 6
    return fields, certificates, int.from_bytes(quote[certificates - 4:certificates], "little")


def tdx_samples():
    data = vectors("trustee/deps/verifier/test_data")
    google = vectors("go-tdx-guest/testing/testdata")
    yield data / "tdx_quote_4.dat", ("no-debug",)
    for path in (data / "tdx_quote_5.dat", data / "tdx_quote_6.dat",
                 data / "az-tdx-vtpm/td-quote.bin", google / "quote_v5_sample.dat",
                 google / "tdx_prod_quote_SPR_E4.dat", google / "ccel/cos-113-tdx-quote.dat"):
        yield path, ()


def pem_flipped(text, number, at):
    """The same certificates, but for one bit in the DER of one of them."""
    blocks = text.split(b"-----BEGIN CERTIFICATE-----")
    head, end, tail = blocks[number + 1].partition(b"-----END CERTIFICATE-----")
    der = base64.b64decode(head)
    at %= len(der)
    body = base64.b64encode(flipped(der, at, at % 8))
    lines = b"\n".join(body[i:i + 64] for i in range(0, len(body), 64))
    blocks[number + 1] = b"\n" + lines + b"\n" + end + tail
    return b"-----BEGIN CERTIFICATE-----".join(blocks)


@case("published-tdx", 300)
def published_tdx(folder):
    root = vectors("go-tdx-guest/verify/trusted_root.pem")
    for path, failing in tdx_samples():
        quote, name = path.read_bytes(), path.name
        fields, certificates, size = tdx_layout(quote)
        body = {field: quote[at:at + length] for field, at, length in fields}
        reference = {**EMPTY, "tdx": {
            "mrtd": [body["MRTD"].hex()],
            "rtmrs": {str(i): {"booted": [body[f"RTMR{i}"].hex()]} for i in range(4)}}}
        options = option_for([root], "--tee", "tdx", "--report-data", body["REPORTDATA"].hex())
        claims = need_good(folder, signing.TdxMachine.evidence(quote), reference, options, name,
                           failing)
        need_equal([claims[claim] for claim in ("fresh", "launch", "image")], [HOLDS] * 3, name)
        refusals = Refusals(folder, reference, options, name)
        for field, at, length in fields:
            for offset in ends(length):
                refusals.need_refused(signing.TdxMachine.evidence(flipped(quote, at + offset)),
                                      f"{field}, byte {offset}")
        for number in range(3):
            for at in range(0, 1000, 83):
                text = pem_flipped(quote[certificates:certificates + size], number, at)
                if len(text) != size:
                    text = text[:size]
                altered = quote[:certificates] + text + quote[certificates + size:]
                refusals.need_refused(signing.TdxMachine.evidence(altered),
                                      f"certificate {number}, byte {at}")
    other = vectors("go-sev-guest/verify/trust/ask_ark_milan.pem")
    Refusals(folder, EMPTY, option_for([other], "--tee", "tdx"), name).need_refused(
        signing.TdxMachine.evidence(quote), "root")
    Refusals(folder, EMPTY, ["--tee", "tdx"], name).need_refused(
        signing.TdxMachine.evidence(quote), "root: none")


# ---- vTPM, published ----

def altered_at(evidence, path, change):
    """A copy with change(value) at a path of members and indices."""
    altered = copy.deepcopy(evidence)
    holder = altered
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = change(holder[path[-1]])
    return altered


def flip_text(form, at, bit=0):
    """Of hex, base64, or an array of numbers: for altered_at()."""
    def change(value):
        if isinstance(value, list):
            return list(flipped(bytes(value), at % len(value), bit))
        if form == "hex":
            data = bytes.fromhex(value)
            return flipped(data, at % len(data), bit).hex()
        decode = base64.urlsafe_b64decode if form == "url" else base64.b64decode
        encode = base64.urlsafe_b64encode if form == "url" else base64.b64encode
        data = decode(value + "=" * (-len(value) % 4))
        return encode(flipped(data, at % len(data), bit)).decode()
    return change


def size_of(value, form):
    if isinstance(value, list):
        return len(value)
    return len(value) // 2 if form == "hex" else len(value.rstrip("=")) * 3 // 4


def need_quote_refused(refusals, evidence, member, form, step=1):
    message = evidence[member]["message"]
    for at in range(0, size_of(message, form), step):
        refusals.need_refused(altered_at(evidence, (member, "message"),
                                         flip_text(form, at, at % 8)), f"message, byte {at}")
    for at in range(0, size_of(evidence[member]["signature"], form), 19):
        refusals.need_refused(altered_at(evidence, (member, "signature"), flip_text(form, at)),
                              f"signature, byte {at}")
    for pcr in range(24):
        refusals.need_refused(altered_at(evidence, (member, "pcrs", pcr),
                                         flip_text("hex", pcr)), f"PCR {pcr}")


@case("published-tpm", 120)
def published_tpm(folder):
    path = vectors("trustee/deps/verifier/test_data/tpm_evidence.json")
    evidence = json.loads(path.read_text())
    message = base64.b64decode(evidence["tpm_quote"]["message"])
    at = 8 + int.from_bytes(message[6:8], "big")
    nonce = message[at + 2:at + 2 + int.from_bytes(message[at:at + 2], "big")]
    reference = {**EMPTY, "attestation-keys": [evidence["ak_public"]], "pcrs": {"sha256": {
        str(i): {"booted": [value]} for i, value in enumerate(evidence["tpm_quote"]["pcrs"])}}}
    options = ["--tee", "tpm", "--report-data", nonce.hex()]
    claims = need_good(folder, evidence, reference, options, "TPM")
    need_equal((claims["fresh"], claims["image"]), (HOLDS, HOLDS), "TPM")
    refusals = Refusals(folder, reference, options, "TPM")
    need_quote_refused(refusals, evidence, "tpm_quote", "base64")
    for at in range(size_of(evidence["ak_public"], "base64")):
        refusals.need_refused(altered_at(evidence, ("ak_public",), flip_text("base64", at)),
                              f"key, byte {at}")
    for keys in ([], [signing.base64_text(b"another")]):
        unknown = {**EMPTY, **({"attestation-keys": keys} if keys else {})}
        Refusals(folder, unknown, options, "TPM").need_refused(evidence, "known keys")
    # Base64 is not words: its case tells keys apart.
    swapped = {**EMPTY, "attestation-keys": [evidence["ak_public"].swapcase()]}
    Refusals(folder, swapped, options, "TPM").need_refused(evidence, "case of the known key")


def azure_samples():
    data = vectors("trustee/deps/verifier/test_data")
    google = vectors("go-sev-guest/verify/trust")
    intel = vectors("go-tdx-guest/verify/trusted_root.pem")
    for name in ("evidence-v0", "evidence-v1", "evidence-v2", "evidence-genoa"):
        product = "genoa" if "genoa" in name else "milan"
        yield ("az-snp-vtpm", json.loads((data / f"az-snp-vtpm/{name}.json").read_text()),
               google / f"ask_ark_{product}.pem")
    for name in ("evidence-v0", "evidence-v1"):
        yield "az-tdx-vtpm", json.loads((data / f"az-tdx-vtpm/{name}.json").read_text()), intel


def data_of(value, form):
    if isinstance(value, list):
        return bytes(value)
    if form == "hex":
        return bytes.fromhex(value)
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


@case("published-azure", 400)
def published_azure(folder):
    for tee, evidence, root in azure_samples():
        quote = "tpm_quote" if "tpm_quote" in evidence else "quote"
        report = "hcl_report" if "hcl_report" in evidence else "report"
        message = data_of(evidence[quote]["message"], "hex")
        at = 8 + int.from_bytes(message[6:8], "big")
        nonce = message[at + 2:at + 2 + int.from_bytes(message[at:at + 2], "big")]
        hcl = data_of(evidence[report], "url")
        reference = {**EMPTY, "pcrs": {"sha256": {
            str(i): {"booted": [data_of(value, "hex").hex()]}
            for i, value in enumerate(evidence[quote]["pcrs"])}}}
        if tee == "az-snp-vtpm":
            reference["snp"] = {"measurement": [hcl[32 + 0x90:32 + 0xc0].hex()]}
        else:
            td_quote = data_of(evidence["td_quote"], "url")
            reference["tdx"] = {"mrtd": [td_quote[48 + 136:48 + 184].hex()]}
        options = option_for([root], "--tee", tee, "--report-data", nonce.hex())
        claims = need_good(folder, evidence, reference, options, tee)
        need_equal([claims[claim] for claim in ("fresh", "launch", "image")], [HOLDS] * 3, tee)
        # Without the paravisor's measurement its TPM is worth nothing.
        loose = {name: value for name, value in reference.items() if name not in ("snp", "tdx")}
        need_equal(verify(folder, evidence, loose, *options)[0], 3, f"{tee}, any paravisor")

        refusals = Refusals(folder, reference, options, tee)
        need_quote_refused(refusals, evidence, quote, "hex", 3)
        size = int.from_bytes(hcl[0x4d0:0x4d4], "little")
        for at in list(range(0x4d4, 0x4d4 + size, 37)) + [0x4c8, 0x4cc, 0x4d0]:
            refusals.need_refused(altered_at(evidence, (report,), flip_text("url", at)),
                                  f"paravisor's report, byte {at}")
        if tee == "az-snp-vtpm":
            for name, at, length in SNP_SIGNED:
                refusals.need_refused(
                    altered_at(evidence, (report,), flip_text("url", 32 + at + length // 2)), name)
        else:
            refusals.need_refused(altered_at(evidence, (report,), flip_text("url", 32 + 130)),
                                  "TDREPORT")
            for name, at, length in tdx_layout(td_quote)[0]:
                refusals.need_refused(
                    altered_at(evidence, ("td_quote",), flip_text("url", at + length // 2)), name)
        need_vcek_refused(refusals, evidence)


@case("published-azure-mixed")
def azure_mixed(folder):
    """Two pieces of good evidence make no third."""
    found = list(azure_samples())
    evidence, root = found[-1][1:]
    refusals = Refusals(folder, EMPTY, option_for([root], "--tee", "az-tdx-vtpm"), "TDX")
    for path, _ in tdx_samples():
        quote = path.read_bytes()
        if path.name != "td-quote.bin":
            text = base64.urlsafe_b64encode(quote).decode()
            refusals.need_refused({**evidence, "td_quote": text}, f"quote, {path.name}")
    first, second = [evidence for tee, evidence, _ in found if tee == "az-snp-vtpm"][1:3]
    refusals = Refusals(folder, EMPTY, option_for([found[1][2]], "--tee", "az-snp-vtpm"), "SNP")
    for member in ("tpm_quote", "hcl_report", "vcek"):
        refusals.need_refused({**first, member: second[member]}, member)
        refusals.need_refused({**second, member: first[member]}, member)


def need_vcek_refused(refusals, evidence):
    vcek = evidence.get("vcek")
    if vcek is None:
        return
    for at in range(0, 1300, 41):
        if vcek.startswith("-----"):
            altered = {**evidence, "vcek": pem_flipped(vcek.encode(), 0, at).decode()}
        else:
            altered = altered_at(evidence, ("vcek",), flip_text("url", at))
        refusals.need_refused(altered, f"VCEK, byte {at}")


# ---- Documents with logs ----

def document(tee, evidence, texts, nonce=NONCE, incomplete=()):
    return {"cvmroot-evidence": 1, "tee": tee, "nonce": signing.base64_text(nonce),
            "evidence": evidence, "incomplete": list(incomplete),
            "logs": {name: signing.base64_text(text) for name, text in texts.items()}}


def reference_of(**more):
    return {**EMPTY, "events": {"config": [logs.CONFIG], "manifest": [logs.MANIFEST],
                                "providers": ["tpm2"], "how": ["fresh", "reopened"],
                                "epoch": [1]},
            "volume": {"uuid": [logs.UUID], "volume-key": {
                bank: [value.hex()] for bank, value in logs.key_digests().items()}}, **more}


def nonce_option(nonce=NONCE):
    return ["--nonce", signing.base64_text(nonce)]


class TpmMachine:
    """What it quotes is what its events say, unless it lies."""

    def __init__(self, folder):
        self.key = signing.rsa(folder, "ak")
        self.known = {"attestation-keys": [signing.base64_text(self.key.public())]}

    def document(self, events, claimed=None, nonce=NONCE, pcrs=None, **options):
        """@claimed: the events in the log, where it is not what was extended."""
        image = logs.image_events()
        pcrs = pcrs or logs.replay_pcrs(image + events)
        claimed = events if claimed is None else claimed
        return document("tpm", signing.tpm_evidence(self.key, options.pop("quoted", nonce), pcrs,
                                                    **options),
                        {"user": logs.user_log(image + claimed)}, nonce)

    def reference(self, events=(), **more):
        """For an image and its configuration that lead to these events."""
        return reference_of(**{"pcrs": {"sha256": pcrs_of(events)}, **self.known, **more})


def pcrs_of(events=(), names=(2, 4, 9, 11, 12, 13, 14)):
    """As image-tools/measure names them; PCR 15 is not the same after each boot."""
    values = logs.replay_pcrs(logs.image_events() + list(events))
    return {**{str(i): {"booted": [values[i].hex()]} for i in names},
            "15": {"fetch": ["00" * 32]}}


def need_claims(folder, evidence, reference, wanted, what, options=()):
    """@wanted: {claim: verdict}; a claim that fails is in it, and the exit status follows."""
    status, claims = verify(folder, evidence, reference, *(options or nonce_option()))
    need(claims, f"{what}: malformed")
    for name, verdict in wanted.items():
        need_equal(claims[name], verdict, f"{what}: {name}")
    failing = {name for name, verdict in claims.items() if verdict == FAILS}
    need_equal(failing, {name for name, verdict in wanted.items() if verdict == FAILS}, what)
    if failing:
        need_equal(status, 3, what)
    return status


@case("document-tpm", 120)
def document_tpm(folder):
    machine = TpmMachine(folder)
    events = logs.good_boot()
    reference = machine.reference()
    good = {name: HOLDS for name in CLAIMS if name not in ("no-debug", "launch")}
    need_equal(need_claims(folder, machine.document(events), reference, good, "good boot"), 0,
               "good boot")

    # What came before PCR 15 is not ours, and what comes after the volume key may be anybody's.
    later = events + [logs.Event("machine-id:" + "1" * 32, "machine-id"),
                      logs.Event("cryptsetup:data:" + logs.UUID, "volume-key"),
                      logs.Event("imds", "imds-userdata", 12)]
    need_equal(need_claims(folder, machine.document(later), machine.reference(later), good,
                           "later events"), 0, "later events")
    # A service that extended some banks, and cvmroot the others.
    parts = [logs.word("config", logs.CONFIG, banks=(bank,)) for bank in logs.BANKS]
    need_equal(need_claims(folder, machine.document(parts + events[1:]), reference, good,
                           "bank by bank"), 0, "bank by bank")
    # Registers that the configuration chose.
    spread = copy.deepcopy(events)
    for event, pcr in zip(spread, (9, 13, 12, 15, 15, 14)):
        event.pcr = pcr
    need_equal(need_claims(folder, machine.document(spread), machine.reference(spread), good,
                           "other registers"), 0, "other registers")

    reopened = machine.document(logs.good_boot("reopened:epoch=1:provider=tpm2"))
    need_equal(need_claims(folder, reopened, reference, {**good, "encrypted": UNCHECKED},
                           "reopened"), 0, "reopened")
    need_tpm_refused(folder, machine, reference)


def need_tpm_refused(folder, machine, reference):
    good = logs.good_boot()
    for nonce, options, what in ((NONCE, nonce_option(bytes(32)), "another nonce"),):
        need_claims(folder, machine.document(good, nonce=nonce), reference, {"fresh": FAILS}, what,
                    options)
    swapped = {**machine.document(good), "nonce": signing.base64_text(bytes(32))}
    need_claims(folder, swapped, reference, {"fresh": FAILS}, "a nonce put beside old evidence",
                nonce_option(bytes(32)))
    # Who asks a TPM chooses the size of what it is asked about.
    for size in (0, 1, 31):
        need_claims(folder, machine.document(good, quoted=NONCE[:size]), reference,
                    {"fresh": FAILS}, f"quote about {size} bytes")
    need_claims(folder, machine.document(good, quoted=NONCE.ljust(64, b"\0")), reference,
                {"fresh": HOLDS}, "quote about 64 bytes")
    # Values of the moment of fetching are not those of a machine that has booted.
    status = need_claims(folder, machine.document(good), {**reference, "pcrs": {"sha256": {
        "15": {"fetch": ["00" * 32]}}}}, {"image": UNCHECKED}, "no values of later")
    need_equal(status, 3, "no values of later")
    status = need_claims(folder, machine.document(good), {**reference, "pcrs": {"sha384": {
        "15": {"booted": ["00" * 48]}}}}, {"image": UNCHECKED}, "another bank")
    need_equal(status, 3, "another bank")
    changed = {
        "config": ({"events": {"config": ["11" * 32]}}, "config"),
        "manifest": ({"events": {"manifest": ["11" * 32]}}, "encrypted"),
        "provider": ({"events": {"providers": ["kbs"]}}, "provider"),
        "provider's beginning": ({"events": {"providers": ["tpm"]}}, "provider"),
        "how": ({"events": {"how": ["reopened"]}}, "how"),
        "epoch": ({"events": {"epoch": [2]}}, "how"),
        "uuid": ({"volume": {"uuid": [logs.UUID.replace("5", "6")]}}, "root"),
        "key": ({"volume": {"volume-key": {"sha256": ["11" * 32]}}}, "root"),
        "key in either case": ({"volume": {"uuid": [logs.UUID],
                                           "volume-key": {"sha256": ["11" * 32]}}}, "root"),
    }
    for what, (members, claim) in changed.items():
        need_claims(folder, machine.document(good), {**reference, **members}, {claim: FAILS}, what)
    # Digests of a bank that is not quoted are anybody's, right as they may be.
    for bank, digest in (("sha512", "11" * 64), ("sha384", logs.key_digests()["sha384"].hex())):
        other_bank = {**reference, "volume": {"volume-key": {bank: [digest]}}}
        need_equal(need_claims(folder, machine.document(good), other_bank, {"root": UNCHECKED},
                               f"key in bank {bank}"), 3, f"key in bank {bank}")
    need_equal(verify(folder, {**machine.document(good), "logs": {}}, reference,
                      *nonce_option())[0], 3, "no log")


def without(events, number):
    return events[:number] + events[number + 1:]


def replaced(events, number, event):
    return events[:number] + [event] + events[number + 1:]


# Numbers in a good boot.
CONFIG, MANIFEST, ROOT, VOLUME, KEY, LEAVE = range(6)


def stories():
    """(what, extended, log, claims): what an adversary may have done to machine or log."""
    good = logs.good_boot()
    word, key = logs.word, logs.volume_key
    logs_fail, closed_fails = {"logs": FAILS}, {"closed": FAILS, "root": UNCHECKED}
    yield "a log cut short", good, good[:-1], logs_fail
    yield "an event too many in the log", good, good + [word("leave")], logs_fail
    yield "another log", good, logs.good_boot("reopened:epoch=1:provider=tpm2"), logs_fail
    yield "a text that is not what was measured", good, replaced(
        good, ROOT, logs.Event("cvmroot:root:reopened:epoch=1:provider=tpm2", "cvmroot-root",
                               digests=good[ROOT].digests)), closed_fails
    yield "a UUID that is not what was measured", good, replaced(
        good, VOLUME, logs.Event("cvmroot:volume:" + "0" * 36, "cvmroot-volume",
                                 digests=good[VOLUME].digests)), closed_fails
    # The volume key's text is anybody's: its place is not.
    yield "another volume's name on the key", good, replaced(
        good, KEY, logs.Event("cryptsetup:data:" + logs.UUID, "volume-key",
                              digests=good[KEY].digests)), closed_fails
    foreign = logs.Event("machine-id:" + "1" * 32, "machine-id")
    story = good[:VOLUME + 1] + [foreign] + good[KEY:]
    yield "something between volume and key", story, None, closed_fails
    swap = good[:VOLUME + 1] + [logs.Event(logs.KEY_WORD, "volume-key",
                                           digests=foreign.digests),
                                logs.Event("x", "machine-id", digests=good[KEY].digests)] + \
        good[LEAVE:]
    yield "another event passed off as the key", story, swap, closed_fails
    failed = word("failed")
    yield ("a failure passed off as the key", good[:VOLUME + 1] + [failed, good[LEAVE]],
           replaced(good, KEY, logs.Event(logs.KEY_WORD, "volume-key", digests=failed.digests)),
           closed_fails)
    # There is no more of ours in PCR 15.
    last = copy.deepcopy(good[LEAVE])
    last.pcr = 14
    yield ("another event passed off as the key at the end", story[:-1] + [last],
           swap[:-1] + [last], {"root": FAILS})
    for number, name in ((CONFIG, "config"), (ROOT, "root"), (VOLUME, "volume"), (KEY, "key"),
                         (LEAVE, "leave")):
        story = without(good, number)
        yield f"no {name}", story, None, closed_fails
        yield f"two of {name}", good[:number + 1] + good[number:], None, closed_fails
        yield f"another {name} at the end", good + [good[number]], None, closed_fails
    yield "no manifest", without(good, MANIFEST), None, {"encrypted": FAILS}
    reopened = logs.good_boot("reopened:epoch=1:provider=tpm2")
    yield "a manifest and a reopened root", reopened[:1] + [good[MANIFEST]] + reopened[1:], None, {
        "encrypted": FAILS}
    yield "failed first", [word("failed")] + good, None, closed_fails
    yield "failed at the end", good + [word("failed")], None, closed_fails
    yield "PCR 15 extended before", [foreign] + good, None, closed_fails
    yield "nothing of ours", [foreign], None, closed_fails
    yield "nothing at all", [], None, closed_fails
    for pcr in (4, 8, 10, 11, 16, 23):
        moved = copy.deepcopy(good)
        moved[CONFIG].pcr = pcr
        yield f"config in PCR {pcr}", moved, None, closed_fails
    for number, name in ((VOLUME, "volume"), (KEY, "key")):
        moved = copy.deepcopy(good)
        moved[number].pcr = 14
        yield f"{name} in PCR 14", moved, None, closed_fails
    yield "our events in a register that can be reset", [
        logs.Event(event.text, event.kind, 23, digests=event.digests) for event in good], None, \
        closed_fails
    yield "no digests of the bank that is quoted", logs.good_boot(), logs.good_boot(
        banks=("sha384",)), logs_fail
    # What the text says of itself.
    for content in ("fresh:epoch=1", "fresh:epoch=1:provider=tpm2:x", "fresh:epoch=1:provider=",
                    "fresh:epoch=18446744073709551617:provider=tpm2", "fresh:epoch=1x:provider=a",
                    "melted:epoch=1:provider=tpm2", "fresh:epoch=-1:provider=tpm2"):
        yield f"root {content}", replaced(good, ROOT, word("root", content)), None, {"how": FAILS}
    for content in ("fresh:epoch=1:provider=tpm2\n", "fresh:epoch=1:provider=tpm2 ok",
                    "fresh:epoch=1:provider=\x1b[2J", "fresh:epoch=1:provider=" + "a" * 300,
                    "fresh:epoch=1:provider=tp\u00e9m"):
        yield f"root {content!r}", replaced(good, ROOT, word("root", content)), None, closed_fails
    other = logs.key_digests(key=bytes(64))
    yield "another volume key", replaced(good, KEY, logs.Event(logs.KEY_WORD, "volume-key",
                                                               digests=other)), None, {
        "root": FAILS}
    yield "key of another UUID", replaced(good, KEY, logs.Event(
        logs.KEY_WORD[:-1] + "0", "volume-key", digests=good[KEY].digests)), None, closed_fails
    yield "order", [good[MANIFEST], good[CONFIG]] + good[2:], None, closed_fails


def relabelled(events, start=0):
    """The same digests under texts of others."""
    return [logs.Event(f"machine-id:{i}", "machine-id", event.pcr, digests=event.digests)
            if i % 2 else logs.Event("cryptsetup:data:1", "volume-key", event.pcr,
                                     digests=event.digests)
            for i, event in enumerate(events, start)]


def rewritten():
    """(what, extended, log, claims): root of a machine that reopened a root would have it be a
    fresh one. He cannot undo what was extended, but give it other names and extend more."""
    true, lie = logs.good_boot("reopened:epoch=1:provider=kbs"), logs.good_boot()
    closed_fails = {"closed": FAILS, "root": UNCHECKED, "how": UNCHECKED}
    for kept in range(len(true)):
        for begin in (0, kept):
            yield (f"all but {kept} events by other names, then {begin} on again", true +
                   lie[begin:], true[:kept] + relabelled(true[kept:]) + lie[begin:], closed_fails)
    # In a register that nobody looks at.
    moved = copy.deepcopy(lie[MANIFEST:ROOT + 1])
    for event in moved:
        event.pcr = 14
    hidden = true[:1] + relabelled(true[1:2]) + true[2:]
    yield "a lie in PCR 14", true + moved, hidden[:1] + moved + hidden[1:], closed_fails


@case("stories-tpm", 120)
def stories_tpm(folder):
    machine = TpmMachine(folder)
    reference = machine.reference()
    for what, extended, claimed, wanted in [*stories(), *rewritten()]:
        need_claims(folder, machine.document(extended, claimed), machine.reference(extended),
                    wanted, what)
    # Of one register only: the log may say of others what it likes.
    good = logs.good_boot()
    need_claims(folder, machine.document(good, good + [logs.Event("x", "y", 11)]), reference,
                {"logs": HOLDS, "closed": HOLDS}, "a lie about another register")
    need_claims(folder, machine.document(good, pcrs=[bytes(32)] * 24), reference,
                {"logs": FAILS, "image": FAILS}, "PCRs that nothing was measured into")
    # A quote over part of the registers, of another bank, or no quote.
    for what, options in (("mask", {"mask": 0xff7fff}), ("bank", {"bank": 0x000c}),
                          ("kind", {"kind": 0x8017}), ("magic", {"magic": 0xff544348})):
        status, claims = verify(folder, machine.document(good, **options), reference,
                                *nonce_option())
        need(status in (1, 3) and (not claims or claims["genuine"] == FAILS), what)


@case("document-snp", 120)
def document_snp(folder):
    machine = signing.SnpMachine(folder)
    options = option_for([machine.root], *nonce_option(), "--certificates", machine.issuer)
    log = logs.user_log(logs.good_boot(banks=("sha384",)))
    measurement = bytes(range(48))

    def bound(text, nonce=NONCE):
        """What a platform without registers has the hardware sign."""
        return hashlib.sha512(b"cvmroot evidence 1\0" + hashlib.sha384(text).digest() +
                              nonce).digest()

    def made(text=log, report_data=None, incomplete=(), **report):
        data = bound(text) if report_data is None else report_data
        report = machine.report(data, **{"measurement": measurement, **report})
        return document("snp", machine.evidence(report), {"user": text}, incomplete=incomplete)

    reference = reference_of(snp={"measurement": [measurement.hex()], "kernel-hashes": True})
    wanted = {name: HOLDS for name in CLAIMS if name != "closed"}
    need_equal(need_claims(folder, made(), reference, wanted, "good boot", options), 0, "good boot")
    other = logs.user_log(logs.good_boot("reopened:epoch=1:provider=tpm2", banks=("sha384",)))
    for what, evidence in (
            ("another log", {**made(), "logs": {"user": signing.base64_text(other)}}),
            ("no log", {**made(), "logs": {}}),
            ("the nonce alone", made(report_data=NONCE)),
            ("another nonce", made(report_data=bound(log, bytes(32))))):
        need_claims(folder, evidence, reference, {"fresh": FAILS, "logs": FAILS}, what, options)
    need_claims(folder, made(incomplete=["user"]), reference, {"logs": FAILS}, "incomplete",
                options)
    need_claims(folder, made(measurement=bytes(48)), reference, {"launch": FAILS}, "measurement",
                options)
    # The measurement of a firmware says nothing about what it starts.
    registers = {"pcrs": {"sha256": pcrs_of()}, "tdx": {"rtmrs": {"1": {"booted": ["11" * 48]}}}}
    for hashes in ({}, {"kernel-hashes": False}):
        firmware = {**reference, **registers, "snp": {"measurement": [measurement.hex()], **hashes}}
        need_equal(need_claims(folder, made(), firmware, {"launch": HOLDS, "image": UNCHECKED},
                               "firmware alone", options), 3, "firmware alone")
    need_equal(need_claims(folder, made(), reference_of(), {"launch": UNCHECKED,
                                                            "image": UNCHECKED},
                           "any firmware", options), 3, "any firmware")
    need_claims(folder, made(policy=0xb0000), reference, {"no-debug": FAILS}, "debug", options)
    need_claims(folder, made(policy=0x70000), reference, {"no-debug": FAILS}, "migration", options)
    need_claims(folder, made(vmpl=1), reference, {"genuine": FAILS}, "VMPL 1", options)
    behind = {**reference, "snp": {**reference["snp"], "vmpl": [1, 2]}}
    need_equal(need_claims(folder, made(vmpl=2), behind, wanted, "VMPL 2", options), 0, "VMPL 2")
    need_claims(folder, made(), behind, {"genuine": FAILS}, "VMPL 0", options)
    need_claims(folder, made(logs.user_log([logs.word("failed")])), reference, {"closed": FAILS},
                "failed", options)
    for what, report in (("levels", {"levels": (4, 0, 8, 115)}), ("chip", {"chip": bytes(64)}),
                         ("key of a cloud", {"key_info": 4}), ("no key", {"key_info": 0x1c}),
                         ("tee", {"levels": (3, 1, 8, 115)}), ("snp", {"levels": (3, 0, 9, 115)}),
                         ("microcode", {"levels": (3, 0, 8, 116)})):
        need_claims(folder, made(**report), reference, {"genuine": FAILS}, what, options)
    # Who has a certificate is no authority.
    forger, levels = copy.copy(machine), (255, 255, 255, 255)
    forger.key = signing.ec(folder, "forged", "P-384")
    forger.certificate = signing.certify(folder, "forged", forger.key, ("vcek", machine.key),
                                         machine.extensions(levels))
    chain = [("VCEK", forger.certificate), ("ASK", machine.certificate)]
    evidence = signing.snp_evidence(forger.report(bound(log), levels=levels), chain)
    need_claims(folder, document("snp", evidence, {"user": log}), reference, {"genuine": FAILS},
                "a certificate by a chip", options)
    need_claims(folder, made(), reference, {"genuine": FAILS}, "no issuer",
                option_for([machine.root], *nonce_option()))


@case("document-azure", 120)
def document_azure(folder):
    machine, key = signing.SnpMachine(folder), signing.rsa(folder, "ak")
    options = option_for([machine.root], *nonce_option(), "--certificates", machine.issuer)
    good = logs.image_events() + logs.good_boot()
    reference = reference_of(snp={"measurement": ["00" * 48]}, pcrs={"sha256": pcrs_of()})

    def made(user_data=NONCE, other=key, version=2, **report):
        runtime = signing.runtime_data(key, user_data)
        data = report.pop("report_data", hashlib.sha256(runtime).digest())
        return document("az-snp-vtpm", signing.azure_evidence(
            other, machine.report(data, **report), NONCE, logs.replay_pcrs(good), runtime,
            machine.certificate, version), {"user": logs.user_log(good)})

    wanted = {name: HOLDS for name in CLAIMS}
    need_equal(need_claims(folder, made(), reference, wanted, "good boot", options), 0, "good boot")
    need_claims(folder, made(bytes(32), version=1), reference, wanted, "version 1", options)
    another = signing.rsa(folder, "another")
    for what, evidence in (("another nonce in the report", made(bytes(32))),
                           ("part of the nonce in the report", made(NONCE[:-1])),
                           ("the guest's own VMPL", made(vmpl=2)),
                           ("a report about something else", made(report_data=NONCE)),
                           ("another key", made(other=another))):
        need_claims(folder, evidence, reference, {"genuine": FAILS}, what, options)
    need_claims(folder, made(measurement=b"\1" * 48), reference, {"launch": FAILS}, "paravisor",
                options)
    unnamed = {name: value for name, value in reference.items() if name != "snp"}
    need_equal(need_claims(folder, made(), unnamed, {"launch": UNCHECKED}, "any paravisor",
                           options), 3, "any paravisor")


@case("document-tdx", 120)
def document_tdx(folder):
    machine = signing.TdxMachine(folder)
    options = option_for([machine.root], *nonce_option())
    image, good = logs.agent_image_events(), logs.good_agent_boot()
    reference = reference_of(tdx=tdx_of())

    def made(events=good, claimed=None, more=None, before=image, **quote):
        quote = machine.quote(NONCE, logs.replay_rtmrs(before + events), **quote)
        claimed = events if claimed is None else claimed
        return document("tdx", machine.evidence(quote),
                        {"agent": logs.agent_log(before + claimed), **(more or {})})

    wanted = {name: HOLDS for name in CLAIMS}
    need_equal(need_claims(folder, made(), reference, wanted, "good boot", options), 0, "good boot")
    need_image(folder, made, options)
    # The firmware's part of RTMR 2 is in its own log, and what is in there is the firmware's.
    whole = machine.evidence(machine.quote(NONCE, logs.replay_rtmrs(image + good)))
    split = document("tdx", whole, {"ccel": logs.cc_log(image), "agent": logs.agent_log(good)})
    need_equal(need_claims(folder, split, reference, wanted, "two logs", options), 0, "two logs")
    alone = document("tdx", whole, {"ccel": logs.cc_log(image + good)})
    need_claims(folder, alone, reference, {"logs": FAILS, "closed": UNCHECKED},
                "all in firmware's log", options)
    loose = reference
    third = logs.good_agent_boot(3)
    need_equal(need_claims(folder, made(third), reference_of(tdx=tdx_of(booted=(1, 2))), wanted,
                           "RTMR 3", options), 0, "RTMR 3")
    # A log for PCRs says nothing about RTMRs.
    user = {"user": logs.user_log(logs.good_boot())}
    need_claims(folder, made([], more=user), loose, {"logs": FAILS, "closed": UNCHECKED},
                "a log of PCRs", options)
    for what, events, claimed, wanted in [*agent_stories(good), *agent_rewritten()]:
        need_claims(folder, made(events, claimed), loose, wanted, what, options)
    for what, quote in (("signer", {"signer": "11" * 32}), ("product", {"product": 1}),
                        ("enclave for debugging", {"qe_attributes": 0x17}),
                        ("not a platform's certificate", {"leaf": "other"}),
                        ("another module", {"seam": b"\1" + bytes(55)})):
        need_claims(folder, made(**quote), loose, {"genuine": FAILS}, what, options)
    for bit in (0, 1, 7, 29, 63):
        need_claims(folder, made(attributes=1 << bit), loose, {"no-debug": FAILS},
                    f"attribute {bit}", options)
    need_claims(folder, made(attributes=1 << 28), loose, {"no-debug": HOLDS}, "attribute 28",
                options)


def tdx_of(booted=(1,), fetch=(1, 2, 3), mrtd="00"):
    """As image-tools/measure names them."""
    values = logs.replay_rtmrs(logs.agent_image_events())
    rtmrs = {}
    for state, numbers in (("fetch", fetch), ("booted", booted)):
        for i in numbers:
            rtmrs.setdefault(str(i), {})[state] = [values[i].hex()]
    return {"mrtd": [mrtd * 48], "rtmrs": rtmrs} if mrtd else {"rtmrs": rtmrs}


def need_image(folder, made, options):
    """Other images, and references that leave something of the image to others."""
    image, third = logs.agent_image_events(), logs.good_agent_boot(3)
    for rtmr in (1, 2):
        other = [event for event in image if event.rtmr != rtmr]
        for before in (other, other + [logs.AgentEvent("another image -", rtmr)]):
            need_claims(folder, made(before=before), reference_of(tdx=tdx_of()), {"image": FAILS},
                        f"another RTMR {rtmr}", options)
    need_claims(folder, made(third, before=image + [logs.AgentEvent("more -", 3)]),
                reference_of(tdx=tdx_of(booted=(1, 2))), {"image": FAILS}, "RTMR 3, started",
                options)
    for what, tdx, events in (
            ("RTMR 3 alone", tdx_of((3,), ()), []), ("no RTMR 1", tdx_of(()), None),
            ("no RTMR 2", tdx_of(fetch=(1, 3)), None), ("RTMR 1 of before", tdx_of((), (1,)), None),
            ("events in an RTMR that is not named", tdx_of((1, 2), (1, 2)), third),
            ("events in RTMR 3 of an image that is not compared", tdx_of(), third)):
        evidence = made() if events is None else made(events)
        failing = {"logs": FAILS, "closed": UNCHECKED} if events == [] else {}
        status = need_claims(folder, evidence, reference_of(tdx=tdx),
                             {"image": UNCHECKED, **failing}, what, options)
        need_equal(status, 3, what)
    status = need_claims(folder, made(), reference_of(tdx=tdx_of(mrtd=None)),
                         {"launch": UNCHECKED, "image": HOLDS}, "any firmware", options)
    need_equal(status, 3, "any firmware")


def agent_rewritten():
    true, lie = logs.good_agent_boot(root="reopened:epoch=1:provider=kbs"), logs.good_agent_boot()

    def named(events):
        return [logs.AgentEvent("me event -", digest=event.digest) for event in events]

    for kept in range(len(true)):
        wanted = {"closed": FAILS} if kept else {"image": FAILS}
        yield f"all but {kept} events by other names", true + lie, (
            true[:kept] + named(true[kept:]) + lie), wanted
    both = [event for pair in zip(true, logs.good_agent_boot(3)) for event in pair]
    yield "in two RTMRs", both[::2] + both[3:4], (
        true[:1] + both[3:4] + true[1:]), {"closed": FAILS}


def agent_stories(good):
    closed_fails, word = {"closed": FAILS, "root": UNCHECKED}, logs.agent_word
    key, nothing = good[KEY], {"logs": FAILS, "closed": UNCHECKED}
    yield "cut short", good, good[:-1], {"logs": FAILS}
    yield "another register in the log", good, logs.good_agent_boot(3), {"logs": FAILS}
    yield "text", good, replaced(good, ROOT, word(
        "root", "reopened:epoch=1:provider=tpm2", digest=good[ROOT].digest)), closed_fails
    text = key.data[8:].decode()
    yield "HMAC", good, replaced(good, KEY, logs.AgentEvent(
        text[:-1] + ("0" if text[-1] != "0" else "1"), digest=key.digest)), closed_fails
    yield "another key", replaced(good, KEY, logs.AgentEvent(
        text[:-1] + ("0" if text[-1] != "0" else "1"))), None, {"root": FAILS}
    yield "another domain", [logs.AgentEvent(event.data[8:].decode().replace("cvmroot", "me", 1))
                             for event in good], None, nothing
    yield "another tag", [logs.AgentEvent(event.data[8:].decode(), tag=1)
                          for event in good], None, nothing
    for rtmr in (0, 1):
        moved = copy.deepcopy(good)
        moved[CONFIG].rtmr = rtmr
        # What the image measured is in RTMR 1.
        yield f"config in RTMR {rtmr}", moved, None, {
            **closed_fails, **({"image": FAILS} if rtmr == 1 else {})}
    yield "twice", good + [good[LEAVE]], None, closed_fails
    yield "again in the other register", good + logs.good_agent_boot(3), None, closed_fails
    yield "failed", good + [word("failed")], None, closed_fails
    yield "no leave", good[:-1], None, closed_fails
    yield "order", [good[LEAVE]] + good[:-1], None, closed_fails


# ---- Whose it is ----

@case("this-platform")
def this_platform(folder):
    """The evidence is not the one to say which of the reference values count."""
    machine = TpmMachine(folder)
    good, reference = machine.document(logs.good_boot()), machine.reference()
    bare, option = good["evidence"], ["--tee", "tpm"]
    for what, evidence, tee, options, verdict in (
            ("reference", good, ["tpm"], [], HOLDS), ("option", good, None, option, HOLDS),
            ("both", good, ["snp", "tpm"], option, HOLDS), ("neither", good, None, [], UNCHECKED),
            ("another reference", good, ["tdx"], [], FAILS),
            ("another option", good, ["tpm"], ["--tee", "tdx"], FAILS),
            ("another reference than the option", good, ["tdx"], option, FAILS),
            ("alone", bare, None, option, HOLDS), ("alone, reference", bare, ["snp"], option,
                                                   FAILS)):
        status = need_claims(folder, evidence, {**reference, "tee": tee}, {"platform": verdict},
                             what, nonce_option() + options)
        need_equal(status, 0 if verdict == HOLDS and evidence is good else 3, what)
    need_equal(verify(folder, bare, reference)[0], 1, "alone, of no platform")
    for name in ("other", "cca", ""):
        need_equal(verify(folder, good, reference, "--tee", name)[0], 1, f"--tee {name}")


@case("this-image")
def this_image(folder):
    machine = TpmMachine(folder)
    good = machine.document(logs.good_boot())

    def reference(pcrs):
        return machine.reference(pcrs={"sha256": pcrs})

    for names in ((2, 4, 9, 12), (2, 4, 11, 12, 13), (7, 11, 12, 13), (7, 9, 11, 12)):
        need_equal(need_claims(folder, good, reference(pcrs_of(names=names)), {"image": HOLDS},
                               f"PCRs {names}"), 0, f"PCRs {names}")
        for name in names:
            left = tuple(other for other in names if other != name)
            status = need_claims(folder, good, reference(pcrs_of(names=left)),
                                 {"image": UNCHECKED}, f"PCRs {left}")
            need_equal(status, 3, f"PCRs {left}")
            other = {**pcrs_of(names=names), str(name): {"booted": ["11" * 32]}}
            need_claims(folder, good, reference(other), {"image": FAILS}, f"another PCR {name}")
    for what, pcrs in (("none", {}), ("PCR 15", {"15": {"fetch": ["00" * 32]}}),
                       ("PCR 12", pcrs_of(names=(12,)))):
        need_equal(need_claims(folder, good, reference(pcrs), {"image": UNCHECKED}, what), 3, what)
    need_equal(need_claims(folder, good, {**EMPTY, **machine.known}, {"image": UNCHECKED},
                           "a reference of nothing"), 3, "a reference of nothing")
    for pcr in (9, 12, 13, 14):
        spread = logs.good_boot()
        spread[ROOT].pcr = pcr
        names = tuple(i for i in (2, 4, 7, 9, 11, 12, 13, 14) if i != pcr)
        need_equal(need_claims(folder, machine.document(spread), reference(pcrs_of(names=names)),
                               {"image": UNCHECKED}, f"root in PCR {pcr}"), 3, f"PCR {pcr}")


# ---- What is malformed ----

@case("malformed-evidence")
def malformed_evidence(folder):
    machine = TpmMachine(folder)
    good = machine.document(logs.good_boot())
    reference = reference_of(**machine.known)
    text = json.dumps(good).encode()
    pieces = {
        "empty": b"", "cut": text[:-1], "something behind": text + b"{}", "no object": b"[]",
        "twice": text.replace(b'"tee":', b'"tee": "tpm", "tee":', 1)}
    for name in ("cvmroot-evidence", "tee", "nonce", "evidence", "logs"):
        pieces[f"no {name}"] = {key: value for key, value in good.items() if key != name}
    for name, value in (("cvmroot-evidence", 2), ("tee", "sample"), ("tee", "se"), ("tee", "cca"),
                        ("tee", "\x1b[2J"),
                        ("nonce", ""), ("nonce", "AA"), ("more", 1), ("incomplete", ["x"]),
                        ("incomplete", [1]), ("logs", {"other": ""}), ("logs", {"user": "A"}),
                        ("evidence", {}), ("logs", {"user": None}),
                        ("nonce", signing.base64_text(bytes(65)))):
        pieces[f"{name}: {value}"] = {**good, name: value}
    for what, evidence in pieces.items():
        need_equal(verify(folder, evidence, reference)[0], 1, what)
    for name in ("tdx", "snp", "az-snp-vtpm", "az-tdx-vtpm"):
        need_equal(verify(folder, {**good, "tee": name}, reference)[0], 1, f"tpm as {name}")
    torn = {**good, "logs": {"user": signing.base64_text(b"\x1e{")}}
    need_claims(folder, torn, reference, {"logs": FAILS}, "a torn log")


@case("malformed-reference")
def malformed_reference(folder):
    good = TpmMachine(folder).document(logs.good_boot())
    digest = "11" * 32
    for members in (
            {"cvmroot-reference": 2}, {"more": 1}, {"steps": []}, {"tee": []}, {"tee": "tpm"},
            {"snp": {"kernel-hashes": 1}}, {"snp": {"vmpl": []}}, {"snp": {"vmpl": ["0"]}},
            {"snp": {"steps": {}}}, {"kernel-hashes": True}, {"pcrs": []}, {"pcrs": {"md5": {}}},
            {"pcrs": {"sha256": {"24": {}}}}, {"pcrs": {"sha256": {"04": {}}}},
            {"pcrs": {"sha256": {"-1": {}}}}, {"pcrs": {"sha256": {"4": {"booted": []}}}},
            {"pcrs": {"sha256": {"4": {"later": [digest]}}}},
            {"pcrs": {"sha256": {"4": {"booted": [digest[1:]]}}}},
            {"pcrs": {"sha256": {"4": {"booted": [digest.replace("1", "A")]}}}},
            {"pcrs": {"sha256": {"4": [digest]}}}, {"pcrs": {"sha256": [digest]}},
            {"tdx": {"mrtd": []}}, {"tdx": {"mrtd": [digest]}}, {"tdx": {"mrtds": [digest]}},
            {"tdx": {"rtmrs": {"4": {}}}}, {"snp": {"measurement": []}},
            {"snp": {"measurement": digest}}, {"events": {"config": []}},
            {"events": {"config": [1]}}, {"events": {"manifest": [digest + "11"]}},
            {"events": {"providers": []}}, {"events": {"providers": [""]}}, {"events": {"how": []}},
            {"events": {"epoch": []}}, {"events": {"epoch": ["1"]}}, {"events": {"epoch": [-1]}},
            {"events": {"others": []}}, {"volume": {"uuid": []}},
            {"volume": {"volume-key": {"sha256": []}}}, {"volume": {"volume-key": {"md5": ["11"]}}},
            {"volume": {"volume-key": [digest]}}, {"attestation-keys": []},
            {"attestation-keys": "AA=="}):
        need_equal(verify(folder, good, {**EMPTY, **members})[0], 1, f"reference {members}")
    for members in ({"steps": {"15": {"fresh": [["config", digest]]}}},
                    {"snp": {"kernel-hashes": False, "vmpl": [0]}}, {"tee": ["tpm"]}):
        need_equal(verify(folder, good, {**EMPTY, **members})[0], 3, f"reference {members}")


@case("verify-usage")
def usage(folder):
    files = {name: folder / name for name in ("evidence", "reference", "certificates")}
    files["evidence"].write_text("{}")
    files["reference"].write_text(json.dumps(EMPTY))
    files["certificates"].write_text("none\n")
    base = ["--reference", files["reference"], files["evidence"]]
    for status, arguments in (
            (2, []), (2, [files["evidence"]]), (2, base[:2]), (2, base + ["more"]),
            (2, base + ["--nonce", "A"]), (2, base + ["--nonce", ""]),
            (2, base + ["--report-data", "0"]), (2, base + ["--report-data", "00" * 65]),
            (2, base + ["--nonce", "AAAA", "--report-data", "00"]), (2, base + ["--what"]),
            (1, base + ["--root", files["certificates"]]),
            (1, base + ["--certificates", folder / "missing"]),
            (1, base + ["--tee", "other"]), (1, base)):
        result = subprocess.run([CVMROOT, "verify", *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=30)
        need_equal(result.returncode, status, f"verify {arguments}")
        need(result.stderr and not result.stdout, f"verify {arguments}: says nothing")
    # It is in a program of its own, which is not in an initrd.
    alone = folder / "cvmroot"
    shutil.copy(CVMROOT, alone)
    result = subprocess.run([alone, "verify", *map(str, base)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=30)
    need_equal(result.returncode, 1, "verify without its program")
    need(b"cvmroot-verify" in result.stderr, "verify without its program: says nothing")
    result = subprocess.run([alone, "verify", "--help"], stdout=subprocess.PIPE, timeout=30)
    need(result.returncode == 0 and b"--reference" in result.stdout, "verify --help")
