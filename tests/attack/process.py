# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Row 12: the program while it runs, from beside it: its memory, and a core dump of it."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys

import artefacts
from rows import Skip, attack, need, program

# As gcore does it: by the list of mappings, from their first bytes.
READER = """
import sys
with open(f"/proc/{sys.argv[1]}/maps") as maps, open(f"/proc/{sys.argv[1]}/mem", "rb") as memory:
    for line in maps:
        if "[heap]" in line or "[stack]" in line:
            memory.seek(int(line.split("-")[0], 16))
            print(len(memory.read(4096)), "bytes of", line.split()[-1])
"""
# With CAP_SYS_PTRACE each process can be read, so the reader must not have it; nor the target, as
# one with more capabilities cannot be read by one with fewer.
WITHOUT_PTRACE = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")


def read_memory(process):
    """What a process of the same user gets to read, or the reason why it does not."""
    result = subprocess.run([*WITHOUT_PTRACE, sys.executable, "-c", READER, str(process.pid)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    return result.stdout or (result.stderr.strip().splitlines() or ["nothing"])[-1]


def dumps_core(process):
    """End a process by a signal that makes a core dump."""
    resource.prlimit(process.pid, resource.RLIMIT_CORE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    process.send_signal(signal.SIGABRT)
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = os.waitstatus_to_exitcode(status)
    need(process.returncode == -signal.SIGABRT, f"it ended by itself, with {process.returncode}")
    return os.WCOREDUMP(status)


@contextlib.contextmanager
def running(folder, command):
    command = [*WITHOUT_PTRACE, *map(str, command)]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


@contextlib.contextmanager
def other_program(name):
    """One that keeps nothing to itself."""
    folder = artefacts.WORK / name / "other"
    folder.mkdir(parents=True, exist_ok=True)
    with running(folder, ["cat"]) as process:
        process.stdin.write(b"ready?\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process


@contextlib.contextmanager
def waiting(name):
    """The program, waiting for a key broker that has taken the connection and says nothing."""
    folder = artefacts.WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", folder / "key", "-out", folder / "ca.pem", "-subj", "/CN=localhost"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with running(folder, [program(), "fetch", "--tee", "snp", "--deadline", "60", "--kbs-url",
                              url, "--kbs-ca", folder / "ca.pem",
                              "kbs:///default/luks/root"]) as process:
            with server.accept()[0]:
                yield process


@attack(12, "refused", weaken="dumpable", red="its memory was read", timeout=120)
def process_memory(name):
    """Root without CAP_SYS_PTRACE reads /proc/PID/mem."""
    with other_program(name) as other:
        seen = read_memory(other)
        need("bytes of" in seen, f"not even another program's memory can be read: {seen}")
    with waiting(name) as process:
        seen = read_memory(process)
    need("bytes of" not in seen, f"its memory was read: {seen}")
    need("PermissionError" in seen, f"not refused, but: {seen}")
    return "refused: " + seen.split(":")[0]


@attack(12, "none is made", weaken="dumpable", red="a core dump was made", timeout=120)
def core_dump(name):
    """The program dies of a signal, with no limit to the size of a core dump."""
    with other_program(name) as other:
        if not dumps_core(other):
            raise Skip("this machine makes no core dumps")
    with waiting(name) as process:
        need(not dumps_core(process), "a core dump was made")
    return "died without a core dump"
