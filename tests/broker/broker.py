# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Which request gets which answer: the steps of the exchange, resources, administration. The
administrator needs no authorisation (Trustee's InsecureAllowAll)."""

import base64

import policy
from jose import compact
from message import PREFIX, Problem, Response, plain
from rcar import TEES, Exchange, strict_json

ALLOW_ALL = "package policy\ndefault allow := true\n"
# The one attestation policy that is asked; others are taken and never used.
ATTESTATION_POLICY = "default_cpu"


def evidence_of(token):
    return token["submods"]["cpu0"]["ear.veraison.annotated-evidence"]


def tee_of(token):
    return next(name for name in TEES if name in evidence_of(token))


class Broker:
    """All answers of one broker."""

    def __init__(self, options, misbehaviours, resources, log):
        self.exchange = Exchange(options, misbehaviours, log)
        self.misbehaviours, self.resources, self.log = misbehaviours, resources, log
        self.resource_policy = policy.ResourcePolicy(ALLOW_ALL)

    def handle(self, request):
        """The answer to @request."""
        answer = self.misbehaviours.instead(request)
        if answer is not None:
            self.log("misbehaviour", request, status=answer.status, delivery=answer.delivery)
            return answer
        if self.misbehaviours.find("session-expires", request):
            self.exchange.forget(request)
        try:
            answer = self._route(request)
        except Problem as problem:
            answer = problem.response
            if request.phase == "admin":
                self.log("request", request, status=answer.status, reason=problem.reason)
        self.misbehaviours.change(request, answer)
        return answer

    def _route(self, request):
        if request.phase == "auth":
            return self.exchange.auth(request)
        if request.phase == "attest":
            return self.exchange.attest(request)
        if request.phase == "resource":
            return self._resource(request)
        self.log("request", request)
        if not request.path.startswith(PREFIX):
            return self._outside(request)
        return self._administer(request)

    def _outside(self, request):
        if request.method == "GET" and request.path == "/healthz":
            return plain(200)
        if request.method == "GET" and request.path == "/metrics":
            return plain(200, "text/plain; version=0.0.4")
        return plain(404)

    # -- resources

    def _resource(self, request):
        name = "/".join(request.parts[1:])
        token = None
        try:
            token = self.exchange.token(request)
            self._check_policy(token, request.parts)
            secret = self.resources.get(request.parts, evidence_of(token))
        except Problem as problem:
            self.log("resource", request, tee=tee_of(token) if token else None, resource=name,
                     result="refused", reason=problem.reason)
            raise
        key = evidence_of(token)["runtime_data_claims"]["tee-pubkey"]
        answer = self.misbehaviours.answer(request, secret, key)
        self.log("resource", request, tee=tee_of(token), resource=name, result="ok")
        return Response(200, [("content-type", "application/json")], compact(answer).encode())

    def _check_policy(self, token, path):
        tee = tee_of(token)
        try:
            if not self.resource_policy.allows(token, path):
                raise policy.Denied("the resource policy says no")
            self.exchange.policy.check(tee, evidence_of(token)[tee])
        except (policy.Denied, ValueError, KeyError, IndexError) as error:
            raise Problem("PolicyDeny", reason=str(error)) from None

    # -- administration

    def _administer(self, request):
        name, rest = request.parts[0], request.parts[1:]
        if request.method == "GET" and name != "reference-value" and name != "resource-policy":
            raise Problem("PluginNotFound", name)
        if name in ("resource", "provisioner"):
            return self.resources.administer(request, name, rest)
        actions = {("POST", "resource-policy"): self._set_resource_policy,
                   ("GET", "resource-policy"): lambda _r: plain(
                       200, "application/json", b'["resource-policy"]'),
                   ("POST", "attestation-policy"): self._set_attestation_policy,
                   ("POST", "reference-value"): self._set_references,
                   ("GET", "reference-value"): self._get_reference}
        action = actions.get((request.method, name))
        if action is None:
            raise Problem("PluginNotFound", name)
        try:
            return action(request)
        except (ValueError, KeyError, TypeError) as error:
            raise Problem("ParsePolicyError", reason=str(error)) from None

    def _set_resource_policy(self, request):
        self.resource_policy = policy.ResourcePolicy(self._read_policy(request)[1])
        return plain(200)

    def _set_attestation_policy(self, request):
        name, text = self._read_policy(request)
        if name == ATTESTATION_POLICY:
            self.exchange.attestation_policy = policy.read_rego(text)
        return plain(200)

    @staticmethod
    def _read_policy(request):
        """(name, text) of a policy that an administrator sets."""
        body = strict_json(request.body, dict)
        text = body["policy"]
        rego = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", True).decode()
        return body.get("policy_id"), rego

    def _set_references(self, request):
        try:
            value = strict_json(request.body, dict)
            values = strict_json(base64.b64decode(value["payload"], validate=True), dict)
        except (ValueError, KeyError, TypeError) as error:
            raise Problem("RvpsError", str(error), reason=str(error)) from None
        self.exchange.references.update(values)
        return plain(200, "application/json")

    def _get_reference(self, request):
        name = "/".join(request.parts[1:])
        if name not in self.exchange.references:
            raise Problem("RvpsError", "Failed to get reference_values: No reference value found "
                                       f"for the given id: {name}")
        return plain(200, "application/json", compact(self.exchange.references[name]).encode())
