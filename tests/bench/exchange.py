# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
One "cvmroot fetch" after the other against the reference broker, over TLS on the loopback, with the
build of the suite broker (build-sample, beside the build folder). The broker runs in this process,
so that its own time is known: it is taken off the wall time of each exchange. The last line gives
the medians.
"""

import pathlib
import secrets
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time

from figures import ROOT, Figures

sys.path.insert(0, str(ROOT / "tests" / "broker"))

# pylint: disable=wrong-import-position
import harness
import pki
import resources
import server

HELP = "an exchange with a key broker"
BUDGET = {"requests": 3, "cpu_ms": 20, "wall_ms": 30, "rss_mib": 16}
CONNECT = 1  # round trips of TCP


class Stopwatch:
    """In front of a broker: how long it works on requests, and how many there are."""

    def __init__(self, broker):
        self.handle, self.seconds, self.requests, self.connections = broker.handle, 0.0, 0, set()
        broker.handle = self

    def __call__(self, request):
        start = time.monotonic()
        try:
            return self.handle(request)
        finally:
            self.seconds += time.monotonic() - start
            self.requests += 1
            self.connections.add(request.connection)

    def reset(self):
        self.seconds, self.requests, self.connections = 0.0, 0, set()


class Relay:
    """Between one client and the broker: counts how often the client had to wait for an answer."""

    def __init__(self, port):
        self.port, self.turns = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, _ = self.listener.accept()
        broker = socket.create_connection(("127.0.0.1", self.port))
        spoke = None
        with client, broker, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, broker)
            selector.register(broker, selectors.EVENT_READ, client)
            while True:
                # The client first: what it says beside the broker needs no turn of its own.
                ready = sorted(selector.select(), key=lambda item: item[0].fileobj is broker)
                for key, _ in ready:
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    key.data.sendall(data)
                    self.turns += key.fileobj is broker and spoke is client
                    spoke = key.fileobj


class Bench:
    def __init__(self, arguments, folder, running):
        build = pathlib.Path(arguments.build)
        self.program = build.parent / "build-sample" / "src" / "cli" / "cvmroot"
        self.launcher = build / "tests" / "bench" / "measure"
        self.folder, self.running = folder, running
        self.secret = secrets.token_bytes(32)
        name = resources.resource_name(["default", "luks", "root"])
        running.store.secrets[name] = self.secret
        self.watch = Stopwatch(running.broker)

    def fetch(self, port):
        """Microseconds, microseconds of CPU, KiB."""
        figures = self.folder / "figures"
        command = [self.launcher, figures, self.program, "fetch", "--tee", "sample",
                   "--deadline", "20", "--kbs-url", f"https://localhost:{port}",
                   "--kbs-ca", self.folder / "pki" / "ca.pem", "kbs:///default/luks/root"]
        result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode != 0 or result.stdout != self.secret:
            sys.exit(f"the exchange failed: {result.stderr.decode()}")
        return [int(word) for word in figures.read_text().split()]

    def measure(self, figures):
        self.watch.reset()
        wall, cpu, rss = self.fetch(self.running.port)
        own = self.watch.seconds * 1000
        for figure, value in (("wall time, ms", wall / 1000), ("broker's own time, ms", own),
                              ("wall time without it, ms", wall / 1000 - own),
                              ("CPU time, ms", cpu / 1000), ("peak memory, MiB", rss / 1024),
                              ("requests", self.watch.requests),
                              ("connections", len(self.watch.connections))):
            figures.add("cvmroot fetch", figure, value)

    def round_trips(self):
        relay = Relay(self.running.port)
        self.fetch(relay.listener.getsockname()[1])
        relay.listener.close()
        return CONNECT + relay.turns


def measure(arguments):
    figures = Figures("broker")
    with tempfile.TemporaryDirectory(prefix="cvmroot-bench-") as name:
        folder = pathlib.Path(name)
        pki.make(folder / "pki")
        tls = server.tls_context(str(folder / "pki" / "server.pem"),
                                 str(folder / "pki" / "server.key"))
        with harness.Running(tls=tls) as running:
            bench = Bench(arguments, folder, running)
            bench.fetch(running.port)
            for _ in range(arguments.runs):
                bench.measure(figures)
            figures.note(f"{bench.round_trips()} round trips: TCP, TLS and each request")
    for name, figure in (("requests", "requests"), ("cpu_ms", "CPU time, ms"),
                         ("wall_ms", "wall time without it, ms"), ("rss_mib", "peak memory, MiB")):
        figures.reach(name, figures.median("cvmroot fetch", figure), BUDGET[name])
    return figures


def add_options(parser):
    parser.add_argument("--runs", type=int, default=20)
