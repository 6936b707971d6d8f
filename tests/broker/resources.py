# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What a broker gives out: resources that an administrator set, and the keys that the plugin
"provisioner" makes, one for each virtual machine."""

import json
import re
import secrets
import string
import threading
import uuid

from jose import compact
from message import Problem, plain

SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z")
PROVISIONER_NAMESPACE = uuid.UUID("feab5599-6854-52bc-95f0-0241c03e620a")
PASSPHRASE = string.ascii_letters + string.digits


def resource_name(parts):
    """repository/type/tag; Problem unless that is its shape."""
    if len(parts) != 3 or not all(SEGMENT.match(part) for part in parts):
        raise Problem("PluginInternalError", reason="the path is not repository/type/tag")
    return "/".join(parts)


class Resources:
    """Safe for threads: each operation is one on a dictionary, or under the lock."""

    def __init__(self):
        self.secrets, self.machines = {}, {}
        self.lock = threading.Lock()

    def get(self, parts, evidence):
        """The bytes at a path of a plugin, for who showed @evidence; Problem."""
        if parts[0] == "provisioner":
            return self._machine_key(parts[1:], evidence)
        name = resource_name(parts[1:])
        if name not in self.secrets:
            raise Problem("PluginInternalError", reason="there is no such resource")
        return self.secrets[name]

    def administer(self, request, plugin, rest):
        if plugin == "provisioner":
            return self._administer_machines(request, rest)
        name = resource_name(rest)
        if request.method == "POST":
            self.secrets[name] = request.body
        elif request.method == "DELETE":
            if self.secrets.pop(name, None) is None:
                raise Problem("PluginInternalError", reason="there is no such resource")
        else:
            raise Problem("PluginNotFound", plugin)
        return plain(200, "text/xml")

    def _machine_key(self, rest, evidence):
        if len(rest) != 3 or rest[0] != "default" or rest[2] != "root":
            raise Problem("PluginInternalError", reason="the path is not default/UUID/root")
        claims = evidence.get("init_data_claims") or {}
        if claims.get("trustee.kbs.resource") != "kbs+provisioner:///" + "/".join(rest):
            raise Problem("PluginInternalError", reason="the init-data does not name this machine")
        if rest[1] not in self.machines:
            raise Problem("PluginInternalError", reason="there is no such machine")
        return (f'version = "0.1.0"\n\n[data]\n"io.cryptsetup.key.text.root" = '
                f'"{self.machines[rest[1]]}"\n').encode()

    def _administer_machines(self, request, rest):
        if request.method == "POST" and rest == ["provision"]:
            return self._provision(request)
        if request.method == "DELETE" and len(rest) == 2 and rest[0] == "provision":
            if self.machines.pop(rest[1], None) is not None:
                return plain(200, "text/xml")
        raise Problem("PluginInternalError", reason="no operation of the provisioner")

    def _provision(self, request):
        try:
            wanted = json.loads(request.body)
            name = f"{wanted.get('namespace', 'default')}/{wanted['vm_name']}"
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise Problem("PluginInternalError", reason=str(error)) from None
        machine = str(uuid.uuid5(PROVISIONER_NAMESPACE, name))
        with self.lock:
            if machine not in self.machines:
                letters = (secrets.choice(PASSPHRASE) for _ in range(32))
                self.machines[machine] = "".join(letters)
        answer = {"uuid": machine, "resource_path": f"default/{machine}/root"}
        return plain(200, "text/xml", compact(answer).encode())
