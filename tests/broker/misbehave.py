# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What the broker can do wrong on purpose, for the tests of clients.

A misbehaviour is written NAME[=ARGUMENT][@PHASE]; PHASE is auth, attest or resource and confines it
to these requests. Requests of administrators never misbehave, except where the connection does."""

import json
import secrets
import threading
import time

from jose import compact, encode, encrypt, other_key
from message import PHASES, Response, error

# Name: (argument, phases without @PHASE, what it does).
TABLE = {
    "refuse-tls": ("", None, "close each connection as soon as it is accepted"),
    "slow-start": ("SECONDS", None, "as refuse-tls for so long after the start"),
    "blackhole": ("", None, "accept connections and never say anything, not even TLS; "
                            "with @PHASE: take the request and never answer it"),
    "slow": ("", PHASES, "send the answer at one byte per second"),
    "close": ("", PHASES, "close the connection instead of answering"),
    "close-once": ("", PHASES, "as close, the first time only"),
    "no-keep-alive": ("", PHASES, "close the connection after each answer"),
    "redirect": ("[URL]", PHASES, "307 to URL, or to /elsewhere of this broker"),
    "status": ("NNN[:PATH-PART]", PHASES, "that status, with a body of plain text"),
    "error": ("TYPE[:PATH-PART]", PHASES, "the error of Trustee with that type, as it sends it"),
    "unavailable": ("N[:SECONDS]", PHASES, "503 N times, with Retry-After where SECONDS are given"),
    "retry-after": ("SECONDS", PHASES, "as unavailable=1:SECONDS"),
    "too-many": ("N[:SECONDS]", PHASES, "429 N times, with Retry-After where SECONDS are given"),
    "plain-error-body": ("[NNN]", PHASES, "502, or that status, with the HTML of a proxy"),
    "truncate": ("", PHASES, "announce the whole body, send half of it, close"),
    "oversize": ("[BYTES]", PHASES, "a well-formed answer padded to BYTES (16777216)"),
    "endless": ("", PHASES, "a chunked answer that never ends"),
    "bad-json": ("", PHASES, "an answer that is cut short but well framed"),
    "not-object": ("", PHASES, "a JSON array instead of an object"),
    "duplicate-keys": ("", PHASES, "each member of the answer twice, with two values"),
    "unknown-member": ("", PHASES, "one member more than the protocol has (clients may take it)"),
    "without": ("MEMBER", PHASES, "leave that member out"),
    "hash": ("NAME", ("auth",), "ask for the hash algorithm NAME for the report data"),
    "wrong-nonce": ("", ("auth",), "hand out another nonce than the session has"),
    "no-cookie": ("", ("auth", "attest"), "send no cookie"),
    "expired-cookie": ("", ("auth", "attest"), "send the cookie with an Expires in the past; "
                                               "the session lives all the same"),
    "two-cookies": ("", ("auth", "attest"), "send a cookie of a load balancer first"),
    "session-expires": ("attest|resource[:once|:always]", None,
                        "end the session before that step, once (default) or always"),
    "empty-secret": ("", ("resource",), "a secret of no bytes, rightly encrypted"),
    "wrong-tag": ("", ("resource",), "a JWE whose tag has one bit changed"),
    "wrong-key": ("", ("resource",), "a JWE for another key of the same kind"),
    "alg": ("NAME", ("resource",), "a JWE whose header claims that alg, with a tag over it"),
    "enc": ("NAME", ("resource",), "a JWE whose header claims that enc, with a tag over it"),
    "crit": ("", ("resource",), "a JWE with a critical header that nobody knows"),
    "zip": ("", ("resource",), "a JWE whose header claims compression"),
    "replay": ("", ("resource",), "answer with the JWE that the first client of this path got"),
}
CONNECTION = ("refuse-tls", "slow-start", "blackhole")
BALANCER_COOKIE = "broker-lb=" + "5" * 32 + "; Path=/; HttpOnly"
PAST = "Thu, 01 Jan 2015 00:00:00 GMT"


class Misbehaviour:
    """One of the table, as asked for."""

    def __init__(self, text):
        text, _, phase = text.partition("@")
        self.name, equals, self.argument = text.partition("=")
        if self.name not in TABLE:
            raise ValueError(f"there is no misbehaviour {self.name}; see --list-misbehaviours")
        wanted, phases, _ = TABLE[self.name]
        if bool(equals) != bool(wanted) and not (wanted.startswith("[") and not equals):
            raise ValueError(f"misbehaviour {self.name}: its argument is {wanted or 'none'}")
        if phase and phase not in PHASES:
            raise ValueError(f"misbehaviour {self.name}: there is no phase {phase}")
        self.phases = (phase,) if phase else phases
        self.count, self.rest, self.path = self._numbers()
        self.captured = {}

    def _numbers(self):
        """How often, and the second part of the argument."""
        first, _, second = self.argument.partition(":")
        if self.name in ("unavailable", "too-many"):
            if second:
                int(second)
            return int(first), second, ""
        if self.name == "retry-after":
            return int(first) * 0 + 1, first, ""
        if self.name in ("status", "error"):
            if self.name == "status":
                int(first)
            else:
                error(first)
            return None, first, second
        if self.name == "session-expires":
            if first not in ("attest", "resource") or second not in ("", "once", "always"):
                raise ValueError(f"misbehaviour session-expires: {self.argument}?")
            return None if second == "always" else 1, first, ""
        if self.name in ("slow-start", "oversize") and self.argument:
            int(self.argument)
        return 1 if self.name == "close-once" else None, self.argument, ""


class Misbehaviours:
    """Those of one broker."""

    def __init__(self, texts):
        self.all = [Misbehaviour(text) for text in texts]
        self.lock = threading.Lock()
        self.start = time.monotonic()

    def find(self, name, request):
        """The misbehaviour @name where it applies to @request, else None; counts it."""
        for found in self.all:
            if found.name != name or not self._applies(found, request):
                continue
            with self.lock:
                if found.count == 0:
                    continue
                if found.count is not None:
                    found.count -= 1
            return found
        return None

    def _applies(self, found, request):
        if found.name == "session-expires":
            return request.phase == found.rest
        if found.phases is None or request.phase not in found.phases:
            return False
        return found.path in request.path

    def connection(self):
        """What a new connection meets: "close", "silence" or None."""
        for found in self.all:
            if found.name == "refuse-tls":
                return "close"
            if found.name == "slow-start":
                if time.monotonic() - self.start < int(found.argument):
                    return "close"
            if found.name == "blackhole" and found.phases is None:
                return "silence"
        return None

    def instead(self, request):
        """The answer that @request gets instead of the right one, or None."""
        for name, make in INSTEAD.items():
            found = self.find(name, request)
            if found is not None:
                return make(found, request)
        return None

    def change(self, request, response):
        """Spoil the answer to @request."""
        for name, alter in CHANGES.items():
            found = self.find(name, request)
            if found is not None and (response.status == 200 or name in DELIVERIES):
                alter(found, response)

    def answer(self, request, plaintext, key):
        """The JWE of @plaintext for @key, or something like it."""
        if self.find("empty-secret", request):
            plaintext = b""
        if self.find("wrong-key", request):
            key = other_key(key)
        made = encrypt(plaintext, key, self._header(request))
        if self.find("wrong-tag", request):
            made["tag"] = ("B" if made["tag"][0] == "A" else "A") + made["tag"][1:]
        replay = self.find("replay", request)
        if replay is not None:
            with self.lock:
                made = replay.captured.setdefault(request.path, made)
        return made

    def _header(self, request):
        """The function that alters the header of the JWE, or None."""
        wrong = {}
        for name in ("alg", "enc"):
            found = self.find(name, request)
            if found is not None:
                wrong[name] = found.argument
        if self.find("crit", request):
            wrong.update({"crit": ["broker-test"], "broker-test": True})
        if self.find("zip", request):
            wrong["zip"] = "DEF"
        return (lambda header: header.update(wrong)) if wrong else None


def refuse_for_now(status):
    def make(found, _request):
        headers = [("retry-after", found.rest)] if found.rest else []
        text = "try again later\n".encode()
        return Response(status, headers + [("content-type", "text/plain")], text)
    return make


def redirect(found, request):
    place = found.argument or f"/elsewhere{request.path}"
    return Response(307, [("location", place)])


def proxy_page(found, _request):
    status = int(found.argument or 502)
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\r\n"
    return Response(status, [("content-type", "text/html")], page.encode())


def plain_status(found, _request):
    return Response(int(found.rest), [("content-type", "text/plain")], b"broker test\n")


def delivered(how):
    def make(_found, _request):
        return Response(200, delivery=how)
    return make


INSTEAD = {
    "blackhole": delivered("nothing"),
    "close": delivered("close"),
    "close-once": delivered("close"),
    "endless": delivered("endless"),
    "redirect": redirect,
    "status": plain_status,
    "error": lambda found, _request: error(found.rest),
    "unavailable": refuse_for_now(503),
    "retry-after": refuse_for_now(503),
    "too-many": refuse_for_now(429),
    "plain-error-body": proxy_page,
}


def is_cookie(header):
    return header[0] == "set-cookie"


def drop_cookie(_found, response):
    response.headers = [header for header in response.headers if not is_cookie(header)]


def expire_cookie(_found, response):
    for index, header in enumerate(response.headers):
        if is_cookie(header):
            value = header[1].split(";")[0]
            response.headers[index] = ("set-cookie", f"{value}; Expires={PAST}")


def add_cookie(_found, response):
    response.headers.insert(0, ("set-cookie", BALANCER_COOKIE))


def alter_object(alter):
    """A change of the JSON object of an answer that has one."""
    def change(found, response):
        try:
            value = json.loads(response.body)
        except ValueError:
            return
        response.body = alter(found, value).encode()
    return change


def cut_json(_found, response):
    response.body = response.body[:-max(1, len(response.body) // 4)]


def double(_found, value):
    """Each member twice; the first time with the right value, so that either reading differs."""
    pairs = [f"{json.dumps(name)}:{compact(part)},{json.dumps(name)}:{json.dumps(junk())}"
             for name, part in value.items()]
    return "{" + ",".join(pairs) + "}"


def junk():
    return encode(secrets.token_bytes(12))


def add_member(_found, value):
    return compact({**value, "broker-test": {"added": [1, 2]}})


def leave_out(found, value):
    return compact({name: part for name, part in value.items() if name != found.argument})


def pad(found, value):
    size = int(found.argument or 1 << 24)
    text = compact(value)
    return text[:-1] + " " * max(0, size - len(text)) + text[-1:]


def set_delivery(how):
    def change(_found, response):
        response.delivery = how
    return change


DELIVERIES = ("slow", "truncate", "no-keep-alive")
CHANGES = {
    "no-cookie": drop_cookie,
    "expired-cookie": expire_cookie,
    "two-cookies": add_cookie,
    "without": alter_object(leave_out),
    "unknown-member": alter_object(add_member),
    "duplicate-keys": alter_object(double),
    "not-object": alter_object(lambda _found, value: compact([value])),
    "oversize": alter_object(pad),
    "bad-json": cut_json,
    "slow": set_delivery("slow"),
    "truncate": set_delivery("truncate"),
    "no-keep-alive": set_delivery("last"),
}


def listing():
    """One line per misbehaviour, for people."""
    lines = []
    for name, (argument, phases, text) in TABLE.items():
        if argument:
            name += f"[={argument[1:]}" if argument.startswith("[") else f"={argument}"
        where = f" ({', '.join(phases)})" if phases not in (None, PHASES) else ""
        lines.append(f"  {name:34} {text}{where}")
    return "\n".join(lines)
