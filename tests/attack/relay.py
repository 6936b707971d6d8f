# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Somebody between a guest and its broker who has even the broker's certificate."""

import http.client
import http.server
import json
import ssl
import threading

FORWARDED = ("cookie", "content-type", "accept")
PREFIX = "/kbs/v0/"


def connect(place, broker):
    context = ssl.create_default_context(cafile=str(place.pki / "ca.pem"))
    host, port = broker.url.removeprefix("https://").split(":")
    return http.client.HTTPSConnection(host, int(port), timeout=20, context=context)


class Host:
    """The host as a client of the broker."""

    def __init__(self, place, broker):
        self.http, self.cookie = connect(place, broker), None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def send(self, method, path, body=None):
        """Status and body of the answer."""
        headers = {"Content-Type": "application/json"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        self.http.request(method, PREFIX + path, body, headers)
        answer = self.http.getresponse()
        cookie = answer.headers.get("set-cookie")
        self.cookie = cookie.split(";")[0] if cookie else self.cookie
        return answer.status, json.loads(answer.read())

    def auth(self, tee):
        """Begin a session; its nonce."""
        status, body = self.send("POST", "auth", json.dumps(
            {"version": "0.4.0", "tee": tee, "extra-params": ""}).encode())
        if status != 200:
            raise AssertionError(f"auth: {status} {body}")
        return body["nonce"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_any(self):
        relay = self.server.relay
        step = self.path.removeprefix(PREFIX).split("/")[0]
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        relay.bodies[step] = body
        body = relay.requests.get(step, bytes)(body)
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() in FORWARDED}
        connection = connect(relay.place, relay.broker)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        data = relay.answers.get(step, bytes)(answer.read())
        connection.close()
        self.send_response(answer.status)
        for value in answer.headers.get_all("set-cookie") or ():
            self.send_header("Set-Cookie", value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_any

    def log_message(self, *_):
        pass


class Relay:
    """
    Hands on what both say. @bodies is what the guest sent last in each step; functions in @requests
    and @answers, by step, change what is handed on.
    """

    def __init__(self, place, broker):
        self.place, self.broker = place, broker
        self.bodies, self.requests, self.answers = {}, {}, {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place.pki / "server.pem", place.pki / "server.key")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.relay = self
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"

    def client(self):
        return Host(self.place, self.broker)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
