# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The story against a Trustee that the user has: tests/run broker --kbs-url URL --kbs-ca FILE.

A secret is put there by the administrators' interface where that is open to all; else
--kbs-resource names one that is there. It is fetched with the evidence of this machine's TEE or,
where there is none, with sample evidence, which Trustee's default policy refuses."""

import base64
import http.client
import json
import os
import secrets
import ssl
import subprocess
import urllib.parse

from case import Skip, case, need, need_equal
from surroundings import PROGRAM

NAME = "trustee"
DENY = "package policy\n\ndefault allow = false\n"


def wanted():
    return "CVMROOT_KBS_URL" in os.environ


def ask(method, path, body=None):
    """(status, body) of a request of an administrator."""
    url = urllib.parse.urlsplit(os.environ["CVMROOT_KBS_URL"])
    context = ssl.create_default_context(cafile=os.environ["CVMROOT_KBS_CA"])
    connection = http.client.HTTPSConnection(url.hostname, url.port or 443, timeout=20,
                                             context=context)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError as error:
        raise AssertionError(f"{os.environ['CVMROOT_KBS_URL']}: {error}") from None
    finally:
        connection.close()


def platform(place):
    found = subprocess.run([str(PROGRAM), "evidence", "--json"], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tee = "auto" if found.returncode == 0 else "sample"
    print(f"evidence: {tee}", flush=True)
    return tee


def fetch(place, tee, resource):
    command = [str(PROGRAM), "fetch", "--tee", tee, "--deadline", "60",
               "--kbs-url", os.environ["CVMROOT_KBS_URL"],
               "--kbs-ca", os.environ["CVMROOT_KBS_CA"], resource]
    return place.run(command, 60)


def put_secret(place):
    """Where a secret of ours is now; Skip when administrators alone may."""
    name = f"default/cvmroot-test/{secrets.token_hex(8)}"
    status, body = ask("POST", f"/kbs/v0/resource/{name}", place.secret)
    if status in (401, 403):
        raise Skip(f"the broker does not let us set a resource (HTTP {status}); name one that is "
                   "there by --kbs-resource")
    need_equal(status, 200, f"status of POST {name} ({body[:200]!r})")
    place.stack.callback(ask, "DELETE", f"/kbs/v0/resource/{name}")
    return f"kbs:///{name}"


def deny(place, tee, resource):
    """Only on request: the policy that was there cannot be read, so it cannot be put back."""
    policy = base64.urlsafe_b64encode(DENY.encode()).decode().rstrip("=")
    status, body = ask("POST", "/kbs/v0/resource-policy", json.dumps({"policy": policy}))
    need_equal(status, 200, f"status of POST resource-policy ({body[:200]!r})")
    place.refused(fetch(place, tee, resource), r".*: resource: HTTP \d+ PolicyDeny .*")
    print("the broker's resource policy now denies everything: set yours again", flush=True)


@case(NAME, 300)
def story(place):
    tee = platform(place)
    named = os.environ.get("CVMROOT_KBS_RESOURCE")
    resource = named or put_secret(place)
    result = fetch(place, tee, resource)
    if named:
        need_equal(result.code, 0, "exit code")
        need(result.out != b"", "the secret is empty")
    else:
        place.fetched(result)
    missing = f"kbs:///default/cvmroot-test/{secrets.token_hex(8)}"
    place.refused(fetch(place, tee, missing), r".*: resource: HTTP \d+ \S+ .*")
    if os.environ.get("CVMROOT_KBS_DENY"):
        deny(place, tee, resource)
