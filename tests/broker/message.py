# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Requests and answers apart from how they travel, and the errors of Trustee's KBS."""

import json

PREFIX = "/kbs/v0/"
PHASES = ("auth", "attest", "resource")
ERROR_TYPES = "https://github.com/confidential-containers/kbs/errors/"

# Type: (status, detail), as the recorded exchanges have them.
ERRORS = {
    "AttestationError": (401, "Attestation error: RCAR handshake {}"),
    "TokenNotFound": (401, "Attestation Token not found"),
    "TokenVerifierError": (401, "Token Verifier error"),
    "PolicyDeny": (401, "Access denied by policy"),
    "ParsePolicyError": (401, "Parse Policy error"),
    "PluginInternalError": (401, "Plugin internal error"),
    "PluginNotFound": (404, "Plugin {} not found"),
    "InvalidRequestPath": (404, "Request path {} is invalid"),
    "RvpsError": (401, "RVPS configuration failed: {}"),
    "JweError": (401, "JWE error"),
}


class Request:
    """@headers has names in lower case."""

    def __init__(self, method, path, headers, body, connection=0):
        self.method, self.path, self.headers = method, path.partition("?")[0], headers
        self.body, self.connection = body, connection
        self.parts = self.path[len(PREFIX):].split("/") if self.path.startswith(PREFIX) else []
        self.phase = self._phase()

    def _phase(self):
        """The step of the exchange that this is; "admin" for everything else."""
        if self.method == "POST" and self.parts in (["auth"], ["attest"]):
            return self.parts[0]
        plugins = ("resource", "provisioner")
        if self.method == "GET" and len(self.parts) > 1 and self.parts[0] in plugins:
            return "resource"
        return "admin"


class Response:
    """@delivery: whole, last (then close), slow, truncate, close, nothing or endless."""

    def __init__(self, status, headers=(), body=b"", delivery="whole"):
        self.status, self.headers = status, list(headers)
        self.body, self.delivery = body, delivery


class Problem(Exception):
    """An error answer; @reason is for the log and never sent."""

    def __init__(self, kind, *values, reason=""):
        super().__init__(kind)
        self.response = error(kind, *values)
        self.reason = f"{kind}: {reason}" if reason else kind


def error(kind, *values):
    """The answer of one error; ValueError for a type that is none."""
    if kind not in ERRORS:
        raise ValueError(f"there is no error type {kind}")
    status, detail = ERRORS[kind]
    detail = detail.format(*(values or ("Attest failed",)))
    text = json.dumps({"type": ERROR_TYPES + kind, "detail": detail}, separators=(",", ":"))
    return Response(status, [], text.encode())


def plain(status, kind=None, body=b""):
    return Response(status, [("content-type", kind)] if kind else [], body)
