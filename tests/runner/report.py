# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Run suites, print one line for each test and the counts."""

import collections
import concurrent.futures
import re
import shutil
import signal
import threading
import time

import process
import suites

SKIP_STATUS = 77
TAIL_LINES = 30
LOGS = suites.BUILDS[""] / "test-logs"

# cmocka's summary when some of a program's cases did not run.
CASES_SKIPPED = re.compile(r"^\[  SKIPPED \] (?:\S+: )?(\d+) test\(s\)", re.MULTILINE)
# What a test says that it did so often: "counted: 1000 cuts".
COUNTED = re.compile(r"^counted: (\d+) (.+)$", re.MULTILINE)

printing = threading.Lock()


def say(text):
    with printing:
        print(text, flush=True)


def log_path(suite, test):
    return LOGS / suite.name / (test.name + ".log")


def log_text(suite, test):
    return log_path(suite, test).read_text(encoding="utf-8", errors="replace")


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def failure_text(suite, test, reason):
    tail = log_text(suite, test).splitlines()[-TAIL_LINES:]
    return "\n".join([f"FAIL {suite.name}/{test.name}: {reason}"]
                     + ["    " + line for line in tail]
                     + [f"    The whole log is {log_path(suite, test)}"])


def counted(suite, test):
    return COUNTED.findall(log_text(suite, test)) if log_path(suite, test).exists() else []


def passed_text(suite, test, seconds):
    skipped = CASES_SKIPPED.search(log_text(suite, test))
    note = f"; {skipped[1]} of its cases skipped, see {log_path(suite, test)}" if skipped else ""
    note += "".join(f"; {number} {what}" for number, what in counted(suite, test))
    return f"PASS {suite.name}/{test.name} ({seconds:.1f} s{note})"


def execute(suite, test):
    """Exit status (None: deadline) and seconds of one command."""
    log = log_path(suite, test)
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    status = process.run_logged(test.command, log, test.timeout, test.environment)
    return status, time.monotonic() - start


def failure_reason(test, status, seconds):
    if status is None:
        return f"not finished after {test.timeout} s"
    if status < 0:
        return f"ended by signal {-status} after {seconds:.1f} s"
    return f"exit status {status} after {seconds:.1f} s"


def run_test(suite, test):
    """Run one test, print its line, return "passed", "failed" or "skipped"."""
    status, seconds = execute(suite, test)
    if status == 0:
        say(passed_text(suite, test, seconds))
        return "passed"
    if status == SKIP_STATUS:
        say(f"SKIP {suite.name}/{test.name}: {last_line(log_text(suite, test))}")
        return "skipped"
    say(failure_text(suite, test, failure_reason(test, status, seconds)))
    return "failed"


def prepare(suite):
    """What the tests of a suite share; no test of its own, but nothing runs without it."""
    test = suite.prepare
    status, seconds = execute(suite, test)
    if status == 0:
        say(f"Prepared {suite.name} ({seconds:.1f} s)")
        return True
    say(failure_text(suite, test, failure_reason(test, status, seconds)))
    return False


def counts_text(counts):
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def table_row(suite, test):
    """What a test printed of itself: "expected: ", "seen: "."""
    text = log_text(suite, test) if log_path(suite, test).exists() else ""
    found = dict(re.findall(r"^(expected|seen): (.*)$", text, re.MULTILINE))
    return test.name, found.get("expected", "-"), found.get("seen", "not run to its end")


def say_table(suite):
    lines = [("ROW", "EXPECTED", "SEEN")] + [table_row(suite, test) for test in suite.tests]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    for line in lines:
        say(f"{line[0]:{widths[0]}}  {line[1]:{widths[1]}}  {line[2]}")


def say_sums(suite):
    sums = collections.Counter()
    for test in suite.tests:
        for number, what in counted(suite, test):
            sums[what] += int(number)
    for what, number in sums.items():
        say(f"{number} {what} in all")


def run_suite(suite):
    say(f"== {suite.name}")
    shutil.rmtree(LOGS / suite.name, ignore_errors=True)
    if suite.prepare and suite.tests and not prepare(suite):
        counts = collections.Counter(failed=len(suite.tests))
    else:
        with concurrent.futures.ThreadPoolExecutor(suite.jobs) as pool:
            counts = collections.Counter(pool.map(lambda t: run_test(suite, t), suite.tests))
    if suite.table:
        say_table(suite)
    say_sums(suite)
    say(counts_text(counts))
    return counts


def run_all(selected):
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, process.stop_all)
    total = collections.Counter()
    for suite in selected:
        total += run_suite(suite)
    say("== all")
    say(counts_text(total))
    if total["passed"] + total["failed"] == 0:
        say("No test ran.")
    return 0 if total["passed"] > 0 and total["failed"] == 0 else 1
