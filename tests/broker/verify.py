# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The verifiers by the name of their TEE. Each takes (evidence, report data, digest of init-data or
None, context) and returns {"claims", "report_data", "init_data"}, or raises Refused."""

import verify_sample
import verify_tpm
from binary import Refused

VERIFIERS = {
    "sample": verify_sample.verify,
    "tpm": verify_tpm.verify,
}


class Context:
    """What verifiers need to know of the broker."""

    def __init__(self, allow_sample=False, legacy=False, roots=()):
        self.allow_sample, self.legacy, self.roots = allow_sample, legacy, roots


def verify(tee, evidence, report_data, init_data, context):
    if tee not in VERIFIERS:
        raise Refused(f"there is no verifier of {tee}")
    if not isinstance(evidence, dict):
        raise Refused("evidence: it is no object")
    return VERIFIERS[tee](evidence, report_data, init_data, context)
