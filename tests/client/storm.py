# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Many machines that boot at once."""

import cmath
import math
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
        self.started, self.read_last = time.monotonic(), None

    def read(self):
        """Take what it says; False when it has ended."""
        text = os.read(self.process.stderr.fileno(), 65536)
        self.said += text
        if text:
            self.read_last = time.monotonic()
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
    """Each comes back at its own place of the spans of time since its start, in which it grows by
    half. As hands of a dial, the places of all cancel out; in step, they would add up."""
    times = [client.read_last - client.started + client.waits()[-1] - 0.5
             for client in clients if len(client.waits()) == 1]
    need(len(times) > CLIENTS / 2, f"only {len(times)} clients were refused once")
    show("Times since their start at which clients meant to come back:", times)
    hands = [cmath.rect(1, 2 * math.pi * math.log(time, 1.5)) for time in times]
    sum_of_all = abs(sum(hands)) / len(hands)
    print(f"{sum_of_all:.2f} of 1 in step")
    need(sum_of_all < 0.4, f"clients come back in step: {sum_of_all:.2f} of 1")


@case("storm", 300)
def storm(place):
    """The broker refuses three times as often as there are clients, and does not say when to come
    back."""
    run_storm(place, 3 * CLIENTS, f"unavailable={3 * CLIENTS}@auth")


@case("storm-retry-after", 300)
def storm_retry_after(place):
    """All are told the same time; nobody comes before it, and they do not come together."""
    clients, refused, taken = run_storm(place, CLIENTS, f"unavailable={CLIENTS}:4@auth")
    need(min(taken) - min(refused) >= 4, "somebody came back before the time")
    waits = [seconds for client in clients for seconds in client.waits()]
    need(min(waits) >= 4, f"a client meant to come back after {min(waits)} s, not 4")
    need_spread(clients)
