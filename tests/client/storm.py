# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Many machines that boot at once."""

import os
import re
import selectors
import subprocess
import sys
import time

from case import case, need, need_equal
from surroundings import wait

CLIENTS = 200
DEADLINE = 120
BIN = 0.5  # seconds


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
    """One of many, and the waits that it announced, in whole seconds, rounded up."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = b""

    def read(self):
        """Take what it says; False when it has ended."""
        text = os.read(self.process.stderr.fileno(), 65536)
        self.said += text
        return bool(text)

    def waits(self):
        return [int(seconds) for seconds in re.findall(rb"going on in (\d+) s", self.said)]

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


def run_storm(place, refusals, misbehaviour):
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
    need_equal(len(refused), refusals, "requests refused")
    return clients, refused, taken


def need_spread(clients):
    """The third wait is drawn from four seconds; in step, all would draw the same."""
    waits = [client.waits()[2] for client in clients if len(client.waits()) > 2]
    print("Third waits that clients drew:")
    for seconds in range(1, 5):
        count = waits.count(seconds)
        print(f"{seconds - 1:3} to {seconds} s {count:4d} {'#' * count}")
    sys.stdout.flush()
    need(len(waits) > CLIENTS / 4, f"only {len(waits)} clients were refused three times")
    for seconds in range(1, 5):
        share = waits.count(seconds) / len(waits)
        need(0.05 < share < 0.6, f"{share:.0%} of the clients waited up to {seconds} s")


@case("storm", 300)
def storm(place):
    """The broker refuses three times as often as there are clients, and does not say when to come
    back."""
    clients, _, _ = run_storm(place, 3 * CLIENTS, f"unavailable={3 * CLIENTS}@auth")
    need_spread(clients)


@case("storm-retry-after", 300)
def storm_retry_after(place):
    """All are told the same time, and nobody comes before it."""
    clients, refused, taken = run_storm(place, CLIENTS, f"unavailable={CLIENTS}:2@auth")
    need(min(taken) - min(refused) >= 2, "somebody came back before the time")
    waits = [seconds for client in clients for seconds in client.waits()]
    need(min(waits) >= 2, f"a client meant to come back after {min(waits)} s, not 2")
