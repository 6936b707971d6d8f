# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Servers that cannot be reached, or that are slow."""

import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

from case import Skip, case, need
from surroundings import BUSY

ISLAND = str(pathlib.Path(__file__).with_name("island.py"))
# What the client says that the first connection had of a deadline of 3 s.
LEFT = r"(2\.\d+|3) s"


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@case("refused-connection")
def refused_connection(place):
    result = place.fetch(f"https://localhost:{closed_port()}", deadline=3)
    place.refused(result, r"gave up after \d+ s: https://localhost:\d+: auth: connection: "
                          r"Connection refused")


@case("blackhole", attack=True)
def blackhole(place):
    """A queue of connections that is full drops the next ones without a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        result = place.fetch(f"https://127.0.0.1:{listener.getsockname()[1]}", deadline=3)
        for one in waiting:
            one.close()
    place.refused(result, rf"gave up after [3-9] s: \S+: auth: connection: no answer within {LEFT}")
    need(result.seconds < 3 + BUSY, "late")


@case("blackhole-opened", attack=True)
def blackhole_opened(place):
    """The broker is there and silent until it is let to speak: nothing else is asked meanwhile."""
    broker = place.broker()
    broker.process.send_signal(signal.SIGSTOP)
    threading.Timer(15, broker.process.send_signal, [signal.SIGCONT]).start()
    result = place.fetch(broker, deadline=40)
    place.fetched(result)
    need(re.match(r"cvmroot: https://localhost:\d+: auth: TLS: the handshake was not finished "
                  r"within 10 s; going on in \d+ s", result.err), "it did not wait")
    need(result.seconds >= 15, "it had the secret before the broker spoke")


@case("no-handshake")
def no_handshake(place):
    result = place.fetch(place.broker("blackhole"), deadline=3)
    place.refused(result, rf"gave up .*: auth: TLS: the handshake was not finished within {LEFT}")


@case("no-answer")
def no_answer(place):
    result = place.fetch(place.broker("blackhole@attest"), deadline=3)
    place.refused(result, r"gave up .*: attest: answer: none within [0-9.]+ s")


@case("closes-connections")
def closes_connections(place):
    result = place.fetch(place.broker("refuse-tls"), deadline=3)
    place.refused(result, r"gave up .*: auth: TLS: the connection was lost during the handshake")


@case("closes-instead-of-answer")
def closes_instead(place):
    result = place.fetch(place.broker("close@resource"), deadline=3)
    place.refused(result, r"gave up .*: resource: answer: the connection was lost before it came")


@case("slow-bytes", attack=True)
def slow_bytes(place):
    """A byte a second, for hours."""
    result = place.fetch(place.broker("slow@auth"), deadline=3)
    place.refused(result, r"gave up .*: auth: answer: none within [0-9.]+ s")
    need(result.seconds < 3 + BUSY, "late")


@case("slow-body", 90, attack=True)
def slow_body(place):
    """Over the deadline of the request even where that of the exchange is far away."""
    result = place.fetch(place.broker("slow@auth"), deadline=28)
    place.refused(result, r"gave up .*: auth: answer: .*")
    need("answer: it comes too slowly, " in result.err, "it went on as long as bytes came")
    need(result.seconds < 28 + BUSY, "late")


def on_island(place, names):
    if not shutil.which("unshare") or subprocess.run(
            ["unshare", "--net", "--mount", "true"], check=False).returncode != 0:
        raise Skip("network namespaces are not allowed here")
    before = ["unshare", "--net", "--mount", sys.executable, ISLAND, names]
    return place.fetch("https://kbs.example.com", deadline=3, before=before)


@case("name-not-found")
def name_not_found(place):
    result = on_island(place, "refuse")
    place.refused(result, r"gave up .*: https://kbs\.example\.com: auth: name look-up: no address "
                          r"for \"kbs\.example\.com\".*")


@case("name-server-silent")
def name_server_silent(place):
    """glibc alone would wait for 10 s."""
    result = on_island(place, "silent")
    place.refused(result, rf"gave up .*: auth: name look-up: no answer within {LEFT}")
    need(result.seconds < 3 + BUSY, "late")
