# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""One command in a process group of its own, with a log and a deadline."""

import os
import select
import signal
import subprocess

running = set()  # process groups
stopping = False


def stop_all(signal_number, _frame):
    """Signal handler: end what runs, start nothing more."""
    global stopping
    stopping = True
    for group in list(running):
        os.killpg(group, signal.SIGKILL)
    raise SystemExit(128 + signal_number)


def start(command, output, environment):
    if stopping:
        raise InterruptedError("interrupted")
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})}, start_new_session=True)
    running.add(process.pid)
    return process


def run_logged(command, log, timeout, environment=None):
    """
    Run the command with its output in the file @log. The exit status, or None at the deadline.
    Whatever is left of its process group when it ends is killed.
    """
    with open(log, "wb") as output:
        process = start(command, output, environment)
    pidfd = os.pidfd_open(process.pid)
    try:
        ended = select.select([pidfd], [], [], timeout)[0]
        if not ended:
            # Let it stop what it started and say where it was.
            os.killpg(process.pid, signal.SIGTERM)
            select.select([pidfd], [], [], 5)
    finally:
        # The leader is not reaped yet, so the group's number cannot be somebody else's.
        os.killpg(process.pid, signal.SIGKILL)
        running.discard(process.pid)
        status = process.wait()
        os.close(pidfd)
    return status if ended else None
