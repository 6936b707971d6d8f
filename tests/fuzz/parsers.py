# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What reads untrusted bytes: each parser, the harnesses that feed it, and its files of src/."""

import dataclasses


@dataclasses.dataclass
class Parser:
    harnesses: list
    files: list


PARSERS = {
    "aael-journal": Parser(["aael_journal"], ["eventlog/aael.c"]),
    "az-imds": Parser(["az_imds"], ["tee/az_imds.c"]),
    "broker-jwe": Parser(["broker_jwe"], ["broker/jwe.c"]),
    "broker-message": Parser(["broker_message"], ["broker/message.c"]),
    "broker-payload": Parser(["broker_payload"], ["broker/payload.c"]),
    "broker-refusal": Parser(["broker_refusal"], ["broker/refusal.c"]),
    "broker-text": Parser(["broker_text"], ["broker/cookie.c", "broker/uri.c"]),
    "cc-eventlog": Parser(["cc_eventlog"], ["eventlog/cc_eventlog.c"]),
    "certificates": Parser(["certificates"], ["crypto/certificate.c", "crypto/signature.c"]),
    "cca-token": Parser(["cca_token"], ["tee/cca_token.c"]),
    "config": Parser(["config"], ["config/config.c", "config/config_kbs.c",
                                  "config/config_keys.c", "config/config_values.c"]),
    "conversion-state": Parser(["progress"], ["disk/convert/record.c"]),
    "dm-table": Parser(["dm_table"], ["disk/device/mapping_check.c"]),
    "eventlog": Parser(
        ["eventlog_agent", "eventlog_firmware", "eventlog_user"],
        ["eventlog/describe.c", "eventlog/list.c", "eventlog/replay.c", "eventlog/sound.c",
         "eventlog/tcg.c", "eventlog/user.c", "eventlog/word.c"]),
    "hcl-report": Parser(["hcl_report"], ["tee/hcl_report.c"]),
    "http-header": Parser(["http_header"], ["http/header.c"]),
    "initdata": Parser(["initdata"], ["config/initdata.c"]),
    "json": Parser(["codec", "json"], ["base/codec.c", "base/json.c"]),
    "luks-header": Parser(["luks_header"], ["disk/luks/check.c", "disk/luks/format.c",
                                            "disk/luks/json.c", "disk/luks/tokens.c"]),
    "manifest": Parser(["manifest"], ["disk/manifest/manifest.c"]),
    "nameservers": Parser(["nameservers"], ["boot/nameservers.c"]),
    "partition-content": Parser(["partition_content"], ["disk/device/partition_content.c"]),
    "se-request": Parser(["se_request"], ["tee/se_call.c", "tee/se_request.c"]),
    "service-reply": Parser(["service_reply"], ["measure/service.c"]),
    "snp-certificates": Parser(["snp_certs"], ["tee/bytes.c", "tee/snp_certs.c"]),
    "snp-report": Parser(["snp_report"], ["tee/snp_ioctl.c", "tee/snp_report.c"]),
    "status": Parser(["status"], ["boot/status.c"]),
    "tdx-quote": Parser(["tdx_quote"], ["tee/tdx_quote.c"]),
    "toml": Parser(["toml"], ["base/toml.c", "base/toml_scan.c"]),
    "tpm-answers": Parser(["tpm_answers"], ["tpm/ak.c", "tpm/nv_user.c", "tpm/pcr.c",
                                            "tpm/quote.c"]),
    "tpm-attestation": Parser(["tpm_attest", "tpm_rsassa"], ["tpm/attest.c"]),
    "tpm-key": Parser(["tpm_ak"], ["tpm/ak_public.c"]),
    "tpm-record": Parser(["tpm_record"], ["tpm/nv_public.c", "tpm/record.c"]),
    "tpm-signature": Parser(["tpm_public", "tpm_signature"], ["tpm/public.c", "tpm/signature.c"]),
    "tpm-token": Parser(["tpm_blob", "tpm_token"], ["tpm/blob.c", "tpm/token.c"]),
    "verify": Parser(
        ["verify_document", "verify_events", "verify_quote", "verify_reference",
         "verify_signed"],
        ["verify/claims.c", "verify/document.c", "verify/event_claims.c",
         "verify/events.c", "verify/quote_signature.c", "verify/reference.c", "verify/snp.c",
         "verify/snp_json.c", "verify/start.c", "verify/tdx.c", "verify/vtpm.c"]),
}

# What looks like a reader of untrusted bytes and is none, or hands them to one of the above.
PASSED_OVER = {
    "base/reader.c": "the bounded reader, which every parser of binary data goes through",
    "cli/verb.c": "numbers on the command line",
    "cli/verb_ak.c": "numbers on the command line",
    "cli/verb_fetch.c": "numbers on the command line",
    "cli/verb_manifest.c": "numbers on the command line",
    "cli/verb_nameservers.c": "file names; boot/nameservers.c reads what is in the files",
    "disk/device/partition_find.c": "a number of the kernel's; libblkid reads the partition table",
    "disk/manifest/extents.c": "a number of libblkid's, while an image is baked",
    "disk/manifest/extents_whole.c": "one field of a superblock, while an image is baked",
    "disk/manifest/extents_xfs.c": "fields of a superblock, while an image is baked",
    "http/tls.c": "keys and certificates of the configuration; OpenSSL reads those of the server",
    "keys/kbs.c": "a UUID of the firmware, by base/codec.c",
    "measure/measure.c": "a UUID of the kernel, by base/codec.c",
    "tee/cca.c": "shows evidence that this program has made",
    "tee/snp.c": "shows evidence that this program has made",
    "tee/se.c": "shows evidence that this program has made",
    "tee/tdx.c": "shows evidence that this program has made",
    "tee/vtpm.c": "shows evidence that this program has made",
}
