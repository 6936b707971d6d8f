# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The exchange RCAR (request, challenge, attestation, response) of the KBS attestation protocol of
Confidential Containers, versions 0.4.0 and 0.2.0, as Trustee's KBS answers it."""

import base64
import email.utils
import hashlib
import json
import re
import secrets
import threading
import time
import uuid

import initdata
import policy
import verify
from binary import Refused, member
from jose import Signer, canonical, compact, tee_key
from message import Problem, Response

COOKIE = "kbs-session-id"
LEGACY_NAMES = {"az-snp-vtpm": "azsnpvtpm", "az-tdx-vtpm": "aztdxvtpm"}
TEES = ("sample", "tpm", "snp", "tdx", "az-snp-vtpm", "az-tdx-vtpm", "cca", "se", "sgx", "csv")
VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)([-+][0-9A-Za-z.+-]+)?\Z")
# The hash of the report data where the Challenge does not choose one.
DEFAULT_HASH = "sha384"
PROFILE = "tag:github.com,2024:confidential-containers/Trustee"


class Session:
    def __init__(self, tee, nonce, algorithm, seconds):
        self.id = uuid.uuid4().hex
        self.tee, self.nonce, self.algorithm = tee, nonce, algorithm
        self.expires = time.time() + seconds
        self.token, self.claims = None, None

    def cookie(self):
        return ("set-cookie",
                f"{COOKIE}={self.id}; Expires={email.utils.formatdate(self.expires, usegmt=True)}")


class Options:
    """How a broker is set up; see __main__.py."""
    protocol = "0.4.0"
    legacy_names = False
    session_seconds = 300
    token_seconds = 300
    policy = None
    allow_sample = False
    roots = ()


def strict_json(data, kind):
    """A JSON object without duplicate members; ValueError."""
    def pairs(items):
        if len({name for name, _ in items}) != len(items):
            raise ValueError("duplicate member")
        return dict(items)
    value = json.loads(data, object_pairs_hook=pairs)
    if not isinstance(value, kind):
        raise ValueError("not of the right type")
    return value


class Exchange:
    """Sessions, tokens and the steps of the exchange. Safe for threads."""

    def __init__(self, options, misbehaviours, log):
        self.options, self.misbehaviours, self.log = options, misbehaviours, log
        self.sessions, self.lock = {}, threading.Lock()
        self.signer = Signer()
        self.policy = policy.Policy(options.policy)
        self.references, self.attestation_policy = {}, None
        self.verifier = verify.Context(options.allow_sample, options.legacy_names, options.roots)

    # -- request and challenge

    def auth(self, request):
        tee, version = None, None
        try:
            body = strict_json(request.body, dict)
            version, tee = member(body, "version", str), member(body, "tee", str)
            if "extra-params" not in body or self._known(tee) is None:
                raise ValueError(f"tee {tee}, or no extra-params")
        except (ValueError, Refused, RecursionError) as error:
            raise self._auth_problem("deserialize Request", tee, request, error) from None
        if not VERSION.match(version):
            raise self._auth_problem("failed to parse KBS version", tee, request, version)
        if version != self.options.protocol:
            text = (f"KBS Client Protocol Version Mismatch: expect ={self.options.protocol} "
                    f"while the request is {version}")
            raise self._auth_problem(text, tee, request, version)
        return self._challenge(request, self._known(tee))

    def _auth_problem(self, text, tee, request, reason):
        self.log("auth", request, tee=tee, result="refused", reason=f"{text}: {reason}")
        return Problem("AttestationError", f"Auth failed: {text}")

    def _known(self, tee):
        """The modern name of a TEE that clients may name so, or None."""
        for modern in TEES:
            if tee == (LEGACY_NAMES.get(modern, modern) if self.options.legacy_names else modern):
                return modern
        return None

    def _challenge(self, request, tee):
        nonce = base64.b64encode(secrets.token_bytes(32)).decode()
        chosen = self.misbehaviours.find("hash", request)
        algorithm = chosen.argument if chosen else DEFAULT_HASH
        session = Session(tee, nonce, algorithm, self.options.session_seconds)
        if self.misbehaviours.find("wrong-nonce", request):
            session.nonce = base64.b64encode(secrets.token_bytes(32)).decode()
        self._keep(session)
        extra = {"selected-hash-algorithm": algorithm} if chosen else ""
        self.log("auth", request, tee=tee, result="ok")
        body = compact({"nonce": nonce, "extra-params": extra}).encode()
        return Response(200, [("content-type", "application/json"), session.cookie()], body)

    def _keep(self, session):
        with self.lock:
            now = time.time()
            for old in [s for s in self.sessions.values() if s.expires < now]:
                del self.sessions[old.id]
            self.sessions[session.id] = session

    def session(self, request):
        """The living session that the request's cookie names, or None."""
        for part in request.headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                with self.lock:
                    found = self.sessions.get(value)
                    return found if found and found.expires > time.time() else None
        return None

    def forget(self, request):
        """End the session that the request belongs to."""
        session = self.session(request)
        if session is not None:
            with self.lock:
                self.sessions.pop(session.id, None)

    # -- attestation and token

    def attest(self, request):
        session = self.session(request)
        try:
            if session is None:
                raise Refused("there is no such session, or it has expired")
            if session.token is None:
                session.token = self._appraise(session, request.body)
        except (Refused, ValueError, RecursionError) as error:
            self.log("attest", request, tee=session.tee if session else None, result="refused",
                     reason=str(error))
            raise Problem("AttestationError", reason=str(error)) from None
        self.log("attest", request, tee=session.tee, result="ok", claims=session.claims)
        body = compact({"token": session.token}).encode()
        return Response(200, [("content-type", "application/json"), session.cookie()], body)

    def _appraise(self, session, body):
        """The token for the evidence in @body; Refused, ValueError."""
        value = strict_json(body, dict)
        if self.options.protocol == "0.2.0":
            nonce, init_data, additional = session.nonce, None, None
            key = tee_key(member(value, "tee-pubkey", dict))
            evidence = value.get("tee-evidence")
        else:
            runtime = member(value, "runtime-data", dict)
            nonce, init_data = member(runtime, "nonce", str), value.get("init-data")
            key = tee_key(member(runtime, "tee-pubkey", dict))
            parts = member(value, "tee-evidence", dict)
            evidence = member(parts, "primary_evidence", dict)
            additional = member(parts, "additional_evidence", str)
        if nonce != session.nonce:
            raise Refused("the nonce is not the one of the session")
        runtime = {"nonce": nonce, "tee-pubkey": key}
        if additional is not None:
            runtime["additional-evidence"] = additional
        report_data = hashlib.new(session.algorithm, canonical(runtime)).digest()
        digest, init_claims = initdata.read(init_data)
        found = verify.verify(session.tee, evidence, report_data, digest, self.verifier)
        session.claims = found["claims"]
        return self._token(session.tee, found, runtime, init_claims)

    def _token(self, tee, found, runtime, init_claims):
        evidence = {tee: found["claims"], "report_data": found["report_data"],
                    "runtime_data_claims": runtime}
        if "init_data" in found:
            evidence.update({"init_data": found["init_data"], "init_data_claims": init_claims})
        vector, status = policy.appraise(tee, evidence, self.references, self.attestation_policy)
        now = int(time.time())
        submod = {"ear.status": status, "ear.trustworthiness-vector": vector,
                  "ear.appraisal-policy-id": "default",
                  "ear.veraison.annotated-evidence": evidence,
                  "ear.trustee.identifiers": {"validated": {}}}
        return self.signer.sign({
            "eat_profile": PROFILE, "iat": now,
            "ear.verifier-id": {"developer": "https://confidentialcontainers.org",
                                "build": "reference broker for tests"},
            "submods": {"cpu0": submod}, "exp": now + self.options.token_seconds,
            "iss": "CoCo-Attestation-Service"})

    def token(self, request):
        """The verified claims that the request stands on; Problem."""
        session = self.session(request)
        text = session.token if session else None
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if text is None and kind.lower() == "bearer":
            text = bearer.strip()
        if not text:
            raise Problem("TokenNotFound")
        try:
            return self.signer.verify(text, time.time())
        except ValueError as error:
            raise Problem("TokenVerifierError", reason=str(error)) from None
