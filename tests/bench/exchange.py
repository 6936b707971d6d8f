# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
"cvmroot fetch" against the reference broker, over TLS on the loopback, with the build of the suite
broker (build-sample, beside the build folder): one after the other, then many at once. The broker
runs in this process, so that its own time is known: it is taken off the wall time of each exchange.
Then a storm in virtual time, over the real back-off: machines that boot together, and a broker that
comes up late. The last line gives the medians of single exchanges, the worst peak of the storms in
which a refusal comes at once, and how many machines the worst of them served.
"""

import pathlib
import secrets
import selectors
import socket
import statistics
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

import storms

BUDGET = {"requests": 3, "cpu_ms": 20, "wall_ms": 30, "rss_mib": 16}
CONNECT = 1  # round trips of TCP
CROWDS = 1, 50, 200  # clients at once


class Stopwatch:
    """In front of a broker: how long it works on requests, and how many there are."""

    def __init__(self, broker):
        self.handle, self.lock = broker.handle, threading.Lock()
        self.reset()
        broker.handle = self

    def __call__(self, request):
        start, cpu = time.monotonic(), time.thread_time()
        try:
            return self.handle(request)
        finally:
            with self.lock:
                self.seconds += time.monotonic() - start
                self.cpu += time.thread_time() - cpu
                self.requests += 1
                self.connections.add(request.connection)

    def reset(self):
        self.seconds, self.cpu, self.requests, self.connections = 0.0, 0.0, 0, set()


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

    def start(self, port, figures):
        command = [self.launcher, figures, self.program, "fetch", "--tee", "sample",
                   "--deadline", "120", "--kbs-url", f"https://localhost:{port}",
                   "--kbs-ca", self.folder / "pki" / "ca.pem", "kbs:///default/luks/root"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def finish(self, process, figures):
        """Microseconds, microseconds of CPU, KiB."""
        out, err = process.communicate()
        if process.returncode != 0 or out != self.secret:
            sys.exit(f"the exchange failed: {err.decode()}")
        return [int(word) for word in figures.read_text().split()]

    def fetch(self, port):
        figures = self.folder / "figures"
        return self.finish(self.start(port, figures), figures)

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

    def crowd(self, figures, count):
        """@count clients that start together."""
        self.watch.reset()
        files = [self.folder / f"figures-{number}" for number in range(count)]
        start, cpu = time.monotonic(), time.process_time()
        clients = [self.start(self.running.port, file) for file in files]
        costs = [self.finish(client, file) for client, file in zip(clients, files)]
        end, cpu = time.monotonic() - start, time.process_time() - cpu
        wall, own, memory = zip(*costs)
        name = f"{count} at once"
        for figure, value in (
                ("until the last has ended, ms", end * 1000),
                ("wall time of a client, ms", statistics.mean(wall) / 1000),
                ("CPU time of a client, ms", statistics.mean(own) / 1000),
                ("peak memory of a client, MiB", max(memory) / 1024),
                ("broker's own CPU time a client, ms", self.watch.cpu * 1000 / count),
                ("the same with TLS and the start, ms", cpu * 1000 / count),
                ("requests a client", self.watch.requests / count)):
            figures.add(name, figure, value)

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
            for count in CROWDS * arguments.crowds:
                bench.crowd(figures, count)
    for name, figure in (("requests", "requests"), ("cpu_ms", "CPU time, ms"),
                         ("wall_ms", "wall time without it, ms"), ("rss_mib", "peak memory, MiB")):
        figures.reach(name, figures.median("cvmroot fetch", figure), BUDGET[name])
    figures.note("at once: clients, the broker (Python) and its TLS share the processors of this "
                 "machine, so the end of the last is mostly the machine's figure")
    figures.note("no other client was measured: kbs-client of Trustee is not packaged in Debian")
    storms.measure(arguments, figures)
    return figures


def add_options(parser):
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--crowds", type=int, default=3, help="rounds of many clients at once")
    storms.add_options(parser)
