# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""HTTP/1.1 over TLS for the reference broker, one thread a connection."""

import email.utils
import http.server
import itertools
import json
import select
import socket
import ssl
import sys
import threading
import time
import traceback

from message import Request, Response

LIMIT = 2 << 20  # the payload_request_size of Trustee
DRAIN = 64 << 20
IDLE_SECONDS = 60


class Log:
    """One JSON object a line; nothing secret is in it."""

    def __init__(self, path):
        self.stream = open(path, "a", encoding="utf-8") if path else None
        self.lock = threading.Lock()

    def __call__(self, event, request, **members):
        if self.stream is None:
            return
        line = {"event": event, **members, "method": request.method, "path": request.path,
                "connection": request.connection, "time": time.time()}
        with self.lock:
            self.stream.write(json.dumps(line) + "\n")
            self.stream.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads requests; the answers are written here, not by the class above, so that each is one
    write and looks like the ones of Trustee."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = 0

    def do_any(self):
        try:
            request = self._read()
        except ValueError:
            self._send(Response(400), last=True)
            return
        if request is None:
            self._send(Response(413, [("content-type", "text/plain; charset=utf-8")],
                                b"payload reached size limit"), last=True)
            return
        try:
            answer = self.server.broker.handle(request)
        except Exception:  # a fault of the broker must not look like a network that failed
            traceback.print_exc()
            self.server.broker.log("fault", request)
            answer = Response(500)
        self._deliver(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_any

    def _read(self):
        """The request; None when its body is too long."""
        if "transfer-encoding" in self.headers:
            raise ValueError("chunked request")
        size = int(self.headers.get("content-length", "0"))
        if size > LIMIT:
            self._skip(min(size, DRAIN))
            return None
        body = self.rfile.read(size)
        if len(body) != size:
            raise ValueError("short request")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers, body, self.server.serial(self))

    def _skip(self, size):
        while size > 0:
            part = self.rfile.read(min(size, 1 << 16))
            if not part:
                return
            size -= len(part)

    def _head(self, response, last, length=True):
        lines = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        lines.append(f"content-length: {len(response.body)}" if length
                     else "transfer-encoding: chunked")
        lines.append(f"date: {email.utils.formatdate(usegmt=True)}")
        if last:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _send(self, response, last=False):
        self.close_connection = self.close_connection or last
        body = b"" if self.command == "HEAD" else response.body
        self.connection.sendall(self._head(response, last) + body)

    def _deliver(self, response):
        how = response.delivery
        if how == "whole":
            self._send(response)
        elif how == "last":
            self._send(response, last=True)
        else:
            self.close_connection = True
            getattr(self, f"_deliver_{how}")(response)

    def _deliver_close(self, _response):
        pass

    def _deliver_nothing(self, _response):
        self.server.until_closed(self.connection)

    def _deliver_truncate(self, response):
        self.connection.sendall(self._head(response, False)
                                + response.body[:len(response.body) // 2])

    def _deliver_slow(self, response):
        for byte in self._head(response, False) + response.body:
            self.connection.sendall(bytes([byte]))
            if self.server.stopping.wait(1):
                return

    def _deliver_endless(self, response):
        response.headers.append(("content-type", "application/json"))
        self.connection.sendall(self._head(response, False, length=False) + b"1\r\n{\r\n")
        chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
        while not self.server.stopping.is_set():
            self.connection.sendall(chunk)

    def log_message(self, *_arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    """A thread a connection, its TLS handshake included, so that a slow client stops nobody."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, address, broker, tls=None, nodelay=False):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.broker, self.tls, self.nodelay = broker, tls, nodelay
        self.stopping = threading.Event()
        self.serials = itertools.count(1)
        super().__init__(address, Handler)

    def server_bind(self):
        # Not the one of HTTPServer, which asks DNS for the name of this machine.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def serial(self, handler):
        """A number of the handler's connection."""
        if not hasattr(handler, "serial"):
            handler.serial = next(self.serials)
        return handler.serial

    def finish_request(self, request, client_address):
        """In the thread of the connection."""
        wrong = self.broker.misbehaviours.connection()
        if wrong == "close":
            return
        if wrong == "silence":
            self.until_closed(request)
            return
        request.settimeout(IDLE_SECONDS)
        if self.nodelay:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            self.RequestHandlerClass(request, client_address, self)
            return
        with self.tls.wrap_socket(request, server_side=True) as connection:
            self.RequestHandlerClass(connection, client_address, self)

    def shutdown_request(self, request):
        # After wrap_socket the plain socket is empty, and closing it again is harmless.
        try:
            super().shutdown_request(request)
        except OSError:
            pass

    def until_closed(self, connection):
        """Say nothing until the client leaves or the broker ends."""
        while not self.stopping.is_set():
            ready, _, _ = select.select([connection], [], [], 0.2)
            try:
                if ready and not connection.recv(4096):
                    return
            except (OSError, ValueError):
                return

    def handle_error(self, request, client_address):
        """Clients that leave early are no news; anything else is a fault of the broker."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, EOFError)):
            super().handle_error(request, client_address)

    def stop(self):
        self.stopping.set()
        self.shutdown()
        self.server_close()


def tls_context(certificate, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
