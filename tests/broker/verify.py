# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The verifiers by the name of their TEE. Each takes (evidence, report data, digest of init-data or
None, context) and returns {"claims", "report_data", "init_data"}, or raises Refused."""

import roots
import verify_azure
import verify_cca
import verify_sample
import verify_snp
import verify_tdx
import verify_tpm
from binary import Refused

VERIFIERS = {
    "sample": verify_sample.verify,
    "tpm": verify_tpm.verify,
    "snp": verify_snp.verify,
    "tdx": verify_tdx.verify,
    "az-snp-vtpm": verify_azure.verify_as("az-snp-vtpm"),
    "az-tdx-vtpm": verify_azure.verify_as("az-tdx-vtpm"),
    "cca": verify_cca.verify,
}


class Context:
    """What verifiers need to know of the broker."""

    def __init__(self, allow_sample=False, legacy=False, folders=()):
        self.allow_sample, self.legacy = allow_sample, legacy
        self.roots = roots.Roots(folders)


def verify(tee, evidence, report_data, init_data, context):
    if tee not in VERIFIERS:
        raise Refused(f"there is no verifier of {tee}")
    if not isinstance(evidence, dict):
        raise Refused("evidence: it is no object")
    return VERIFIERS[tee](evidence, report_data, init_data, context)
