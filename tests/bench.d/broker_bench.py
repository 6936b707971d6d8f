# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The part of tests/bench that fetches from a broker; see there. The broker runs in this process,
so that its own time is known: it is taken off the wall time of each exchange."""

import argparse
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "broker"))

# pylint: disable=wrong-import-position
import harness
import pki
import resources
import server

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
        self.launcher = build / "tests" / "bench.d" / "measure"
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

    def measure(self, runs):
        figures = {"wall": [], "server": [], "beside": [], "cpu": [], "rss": [], "requests": [],
                   "connections": []}
        for _ in range(runs):
            self.watch.reset()
            wall, cpu, rss = self.fetch(self.running.port)
            own = self.watch.seconds * 1000
            for key, value in (("wall", wall / 1000), ("server", own),
                               ("beside", wall / 1000 - own), ("cpu", cpu / 1000),
                               ("rss", rss / 1024), ("requests", self.watch.requests),
                               ("connections", len(self.watch.connections))):
                figures[key].append(value)
        return figures

    def round_trips(self):
        relay = Relay(self.running.port)
        self.fetch(relay.listener.getsockname()[1])
        relay.listener.close()
        return CONNECT + relay.turns


def line(name, values, unit):
    print(f"  {name:<34} median {statistics.median(values):8.2f} {unit:<3}  "
          f"min {min(values):8.2f}   max {max(values):8.2f}")


def report(figures, round_trips):
    line("wall time", figures["wall"], "ms")
    line("broker's own time", figures["server"], "ms")
    line("wall time without it", figures["beside"], "ms")
    line("CPU time of the client", figures["cpu"], "ms")
    line("peak memory of the client", figures["rss"], "MiB")
    print(f"  {round_trips} round trips: TCP, TLS and each request; "
          f"{max(figures['connections'])} connection")
    middle = {"requests": max(figures["requests"]), "cpu_ms": statistics.median(figures["cpu"]),
              "wall_ms": statistics.median(figures["beside"]),
              "rss_mib": statistics.median(figures["rss"])}
    for name, most in BUDGET.items():
        if middle[name] > most:
            print(f"over budget: {name} {middle[name]:.1f}, at most {most}")
    print(f"broker requests={middle['requests']} cpu_ms={middle['cpu_ms']:.1f} "
          f"wall_ms={middle['wall_ms']:.1f} rss_mib={middle['rss_mib']:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--build", default=str(ROOT / "build"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cvmroot-bench-") as name:
        folder = pathlib.Path(name)
        pki.make(folder / "pki")
        tls = server.tls_context(str(folder / "pki" / "server.pem"),
                                 str(folder / "pki" / "server.key"))
        with harness.Running(tls=tls) as running:
            bench = Bench(arguments, folder, running)
            bench.fetch(running.port)
            figures = bench.measure(arguments.runs)
            report(figures, bench.round_trips())
    return 0


sys.exit(main())
