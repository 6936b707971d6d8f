# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Evidence "sample": proves nothing, and is taken only with --allow-sample."""

import base64

from binary import Refused, base64_text, member


def verify(evidence, report_data, init_data, context):
    """Claims of @evidence; the hash of init-data is echoed, not verified."""
    if not context.allow_sample:
        raise Refused("sample evidence is not taken (--allow-sample takes it)")
    text = member(evidence, "report_data", str)
    if base64_text(text, "report_data") != report_data:
        raise Refused("sample evidence: its report data is another")
    claims = {"debug": False, "launch_digest": "abcde",
              "platform_version": {"major": 1, "minor": 4}, "svn": member(evidence, "svn", str)}
    answer = {"claims": claims, "report_data": text}
    if init_data is not None:
        answer["init_data"] = base64.b64encode(init_data).decode()
    return answer
