# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Many machines that boot at once."""

import os
import selectors
import subprocess
import sys
import time

from case import case, need, need_equal
from surroundings import wait

CLIENTS = 200
DEADLINE = 120
BIN = 0.1  # seconds


def show(title, times):
    """Print how many fall into each bin; the counts."""
    counts = [0] * (int(max(times) / BIN) + 1)
    for seconds in times:
        counts[int(seconds / BIN)] += 1
    print(title)
    for index, count in enumerate(counts):
        print(f"{index * BIN:5.1f} s {count:4d} {'#' * count}")
    sys.stdout.flush()
    return counts


class Client:
    """One of many: when it began to wait, how often it did, and when it had the secret."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.waited_from, self.waits, self.ended = None, 0, None

    def read(self):
        """Take what it says; False when it has ended."""
        text = os.read(self.process.stderr.fileno(), 65536)
        if b"going on in" in text:
            self.waited_from = self.waited_from or time.monotonic()
            self.waits += text.count(b"going on in")
        if not text:
            self.ended = time.monotonic()
        return bool(text)

    def finish(self, secret):
        out = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return wait(self.process, 10)[0] == 0 and out == secret


def read_ready(selector, seconds):
    for key, _ in selector.select(seconds):
        if not key.data.read():
            selector.unregister(key.fileobj)


def run_clients(command):
    clients = []
    with selectors.DefaultSelector() as selector:
        for _ in range(CLIENTS):
            clients.append(Client(command))
            selector.register(clients[-1].process.stderr, selectors.EVENT_READ, clients[-1])
            read_ready(selector, 0)
        end = time.monotonic() + DEADLINE
        while selector.get_map():
            need(time.monotonic() < end, "clients still run at their deadline")
            read_ready(selector, 1)
    return clients


def run_storm(place, misbehaviour):
    """The clients, and the times of the refused and of the accepted requests for a challenge."""
    broker = place.broker(misbehaviour)
    clients = run_clients(place.command(broker, deadline=DEADLINE))
    good = sum(client.finish(place.secret) for client in clients)
    log = broker.log()
    refused = [line["time"] for line in log if line["event"] == "misbehaviour"]
    taken = [line["time"] for line in log if line["event"] == "auth"]
    print(f"{good} of {CLIENTS} clients got the secret, {len(refused)} requests were refused")
    show("Requests that were taken, from the first on:", [time - min(taken) for time in taken])
    need_equal(good, CLIENTS, "clients that got the secret")
    need_equal(len(refused), CLIENTS, "requests refused")
    return clients, refused, taken


def need_spread(clients, at_least):
    """In step, all would have waited for the same time, however the broker served them."""
    waits = [client.ended - client.waited_from for client in clients if client.waits == 1]
    need(len(waits) > CLIENTS / 10, f"only {len(waits)} clients waited exactly once")
    counts = show("From the only refusal of a client to its secret:", waits)
    need(max(counts) < len(waits) / 3, f"{max(counts)} clients waited for the same {BIN} s")
    # The first window of the back-off is a second long.
    early = sum(1 for seconds in waits if seconds < at_least + 0.5)
    need(early > len(waits) / 10, f"{early} of {len(waits)} clients came in the first half second")


@case("storm", 300)
def storm(place):
    """The broker refuses as many times as there are clients, and does not say when to come back."""
    clients, _, _ = run_storm(place, f"unavailable={CLIENTS}@auth")
    need_spread(clients, 0)


@case("storm-retry-after", 300)
def storm_retry_after(place):
    """All are told the same time: they come back after it, and not all at it."""
    clients, refused, taken = run_storm(place, f"unavailable={CLIENTS}:2@auth")
    need(min(taken) - min(refused) >= 2, "somebody came back before the time")
    need_spread(clients, 2)
