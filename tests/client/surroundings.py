# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What a case runs in: a folder, certificates, brokers, and "cvmroot fetch" against them."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import secrets
import select
import signal
import subprocess
import time

from case import need, need_equal

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The release with one platform more, "sample", whose evidence needs no hardware.
PROGRAM = ROOT / "build-sample" / "src" / "cli" / "cvmroot"
RELEASE = ROOT / "build" / "src" / "cli" / "cvmroot"
# Debian's modules, whatever Python runs this.
BROKER = ["/usr/bin/python3", str(ROOT / "tests" / "broker")]
RESOURCE = "kbs:///default/luks/root"
LATE = 8  # seconds over its deadline at which a client counts as hanging
# Seconds that a busy machine may add to a deadline of 3 s; libcurl and glibc alone wait for 10 s.
BUSY = 4


@dataclasses.dataclass
class Result:
    """How a client ended."""
    code: int
    out: bytes
    err: str
    seconds: float
    memory: int  # bytes at its most


class Broker:
    """A process of tests/broker; see its --help."""

    def __init__(self, folder, command):
        self.log_file = folder / "log.jsonl"
        command = [*command, "--log", str(self.log_file)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if line.startswith("listening on port "):
                self.url = f"https://localhost:{int(line.split()[-1])}"
                return
        raise AssertionError("the reference broker did not start")

    def log(self):
        if not self.log_file.exists():
            return []
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def count(self, step):
        """Requests of one step of the exchange so far, well or ill answered."""
        return sum(1 for line in self.log() if line["path"].startswith(f"/kbs/v0/{step}"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


class Surroundings:
    """The client is the one of @program, with the evidence of @tee, which brokers @accept."""
    program = PROGRAM
    tee = ("--tee", "sample")
    accept = ("--allow-sample",)
    front = ()  # a command in front of each client
    memory = 64 << 20  # bytes that no client needs, whatever it is answered

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.pki = self.folder / "pki"
        self.secret = secrets.token_bytes(32)
        self.secret_file = self.folder / "secret"
        self.secret_file.write_bytes(self.secret)
        self.stack = contextlib.ExitStack()
        self.count = 0
        self.make_pki()

    def make_pki(self):
        subprocess.run([*BROKER, "make-pki", str(self.pki)], check=True)

    def close(self):
        self.stack.close()

    def broker(self, *misbehaviours, certificate="server", options=()):
        self.count += 1
        folder = self.folder / f"broker-{self.count}"
        folder.mkdir()
        command = [*BROKER, "serve", *self.accept,
                   "--certificate", str(self.pki / f"{certificate}.pem"),
                   "--key", str(self.pki / f"{certificate}.key"),
                   "--resource", f"default/luks/root={self.secret_file}", *options]
        for misbehaviour in misbehaviours:
            command += ["--misbehave", misbehaviour]
        broker = Broker(folder, command)
        self.stack.callback(broker.stop)
        return broker

    def command(self, server, *more, deadline=4, ca="ca.pem", resource=RESOURCE, program=None):
        """@server: a broker or a URL; None when @more says which."""
        command = [str(program or self.program), "fetch", *self.tee, "--deadline", str(deadline)]
        if server is not None:
            url = server.url if isinstance(server, Broker) else server
            command += ["--kbs-url", url, "--kbs-ca", str(self.pki / ca)]
        return [*command, *more, resource]

    def fetch(self, server, *more, deadline=4, before=(), **options):
        """Run one client. @before: a command in front, which runs it somewhere else."""
        command = [*self.front, *before,
                   *self.command(server, *more, deadline=deadline, **options)]
        return self.run(command, deadline)

    def run(self, command, deadline):
        out, err = self.folder / "out", self.folder / "err"
        start = time.monotonic()
        with open(out, "wb") as out_stream, open(err, "wb") as err_stream:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out_stream,
                                       stderr=err_stream)
        code, memory = wait(process, deadline + LATE)
        seconds = time.monotonic() - start
        result = Result(code, out.read_bytes(), err.read_text(errors="replace"), seconds, memory)
        print(f"exit {result.code} after {seconds:.2f} s: {result.err.strip()}", flush=True)
        need(self.secret not in err.read_bytes(), "the secret is in the messages")
        need(memory < self.memory, f"the client took {memory >> 20} MiB of memory")
        return result

    def fetched(self, result):
        need_equal(result.code, 0, "exit code")
        need(result.out == self.secret, "standard output is not the secret")

    def refused(self, result, sentence):
        """It failed, said so in one line at the end that fits, and gave nothing out."""
        need_equal(result.code, 1, "exit code")
        need_equal(result.out, b"", "standard output")
        last = result.err.strip().splitlines()[-1] if result.err.strip() else ""
        need(re.fullmatch(f"cvmroot: {sentence}", last), f"{last!r} is not {sentence!r}")

    def config(self, text):
        """The option for a configuration; "@pki@" in it is the folder of certificates."""
        path = self.folder / "cvmroot.toml"
        path.write_text(text.replace("@pki@", str(self.pki)), encoding="utf-8")
        return ["--config", str(path)]


def wait(process, seconds):
    """
    Exit code of a child, and the most memory that it, or one of its own, took; AssertionError when
    it does not end in time.
    """
    with open(os.pidfd_open(process.pid), "rb") as ended:
        late = not select.select([ended], [], [], seconds)[0]
    if late:
        process.kill()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    need(not late, f"the client still ran after {seconds} s")
    return process.returncode, used.ru_maxrss << 10
