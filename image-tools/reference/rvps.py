# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Reference values as the message that Trustee's reference value provider service takes: POST it,
as JSON, to /kbs/v0/reference-value."""

import base64
import json

from . import policy


def values(reference, tee):
    """{name: values}, with the names that policy.py's attestation policy asks for."""
    policy.check_bound(reference, tee)
    lacking = policy.missing(reference, tee)
    if lacking:
        raise ValueError(f"{lacking}; without it the attestation policy affirms nothing")
    found = {}
    for number, known in policy.registers(reference, tee, "fetch").items():
        found[policy.register_name(tee, number)] = known
    if policy.initdata(reference, tee):
        found[policy.initdata_claim(tee)[1]] = policy.initdata(reference, tee)
    if tee == "tpm":
        found["trusted_aks"] = policy.attestation_keys(reference)
    else:
        found[policy.launch_claim(tee)[1]] = policy.launch(reference, tee)
    return found


def message(reference, tee):
    """The message for evidence of the kind @tee; ValueError, see policy.check_bound."""
    payload = json.dumps(values(reference, tee), sort_keys=True)
    return {"version": "0.1.0", "type": "sample",
            "payload": base64.b64encode(payload.encode()).decode()}
