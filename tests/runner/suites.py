# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What the suites consist of: each test is one command, run in a process group of its own."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILDS = {"": ROOT / "build", "-asan": ROOT / "build-asan"}

# A sanitizer's finding must fail the test; UBSan only prints by default.
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}

# Built by tests/s390x/prepare. Some cases need what qemu-user lacks: see tests/unit/unit.h.
S390X = ROOT / "build-s390x"
S390X_ENVIRONMENT = {"CVMROOT_EMULATED": "1"}


# tests/run --full, --weakened
FULL = bool(os.environ.get("CVMROOT_TEST_FULL"))
WEAKENED = bool(os.environ.get("CVMROOT_TEST_WEAKENED"))


@dataclasses.dataclass
class Test:
    name: str
    command: list
    timeout: int  # seconds
    environment: dict = dataclasses.field(default_factory=dict)
    full: bool = False  # runs with --full, or when it is named; CI has no time for it


@dataclasses.dataclass
class Suite:
    name: str
    tests: list
    jobs: int = 1
    prepare: Test | None = None  # runs first; when it fails, so does every test
    table: bool = False  # each test's row, what was expected and what was seen, in the end

    def keep(self, names):
        """Keep only the tests named; none named keeps all that this run has time for."""
        if not names:
            self.tests = [test for test in self.tests if FULL or not test.full]
            return
        known = {test.name for test in self.tests}
        for name in names:
            if name not in known:
                raise ValueError(f"there is no test {self.name}/{name}; see tests/run --list")
        self.tests = [test for test in self.tests if test.name in names]


def executables(build, folder):
    """Names and paths of the executables that meson builds in a folder of the tests."""
    with open(build / "meson-info" / "intro-targets.json", encoding="utf-8") as file:
        targets = json.load(file)
    for target in sorted(targets, key=lambda target: target["name"]):
        path = pathlib.Path(target["filename"][0])
        if target["type"] == "executable" and path.parent == build / "tests" / folder:
            yield target["name"], path


def scripts(folder, timeout):
    """A test for each script of a folder."""
    return [Test(path.name, [str(path)], timeout)
            for path in sorted((ROOT / "tests" / folder).iterdir())
            if path.is_file() and os.access(path, os.X_OK)]


def load_checks():
    return Suite("checks", scripts("checks", 300))


def unit_tests(build, suffix="", environment=None):
    """The unit tests that a folder was built for."""
    for name, path in executables(build, "unit"):
        if name.startswith("test_"):
            yield Test(name.removeprefix("test_") + suffix, [str(path)], 300, environment or {})


def replays(build):
    """The replays of the corpora, as they were built there."""
    for name, path in executables(build, "fuzz"):
        if name.startswith("replay_"):
            corpus = ROOT / "tests" / "fuzz" / "corpus" / name.removeprefix("replay_")
            yield Test(name, [str(path), str(corpus)], 300)


def load_unit():
    """The suite fuzz replays the corpora with the sanitizers; here the release build does."""
    tests = []
    for suffix, build in BUILDS.items():
        tests += unit_tests(build, suffix, SANITIZER_ENVIRONMENT if suffix else {})
    return Suite("unit", [*tests, *replays(BUILDS[""])], jobs=2)


def load_s390x():
    """The same, big-endian, in an emulator: the native build tells what there is."""
    emulator = ["qemu-s390x", "-L", str(S390X / "sysroot")]
    tests = []
    for test in [*unit_tests(BUILDS[""]), *replays(BUILDS[""])]:
        program = S390X / pathlib.Path(test.command[0]).relative_to(BUILDS[""])
        tests.append(Test(test.name, emulator + [str(program)] + test.command[1:], 900,
                          S390X_ENVIRONMENT))
    scripts_folder = ROOT / "tests" / "s390x"
    tests.append(Test("same-manifest", [str(scripts_folder / "same-manifest")], 300))
    prepare = Test("prepare", [str(scripts_folder / "prepare")], 900)
    return Suite("s390x", tests, jobs=2, prepare=prepare)


def load_fuzz():
    """Each parser: its corpora, the lines that these reach, and with --seconds its fuzzers."""
    tests = list(cases([sys.executable, str(ROOT / "tests" / "fuzz")]))
    return Suite("fuzz", tests, jobs=2, table=True)


def load_power():
    paths = [path for name, path in executables(BUILDS[""], "power") if name == "power"]
    tests = scripts("power", 900)
    for path in paths:
        names = subprocess.run([path, "--list"], check=True, stdout=subprocess.PIPE, text=True)
        options = ["--full"] if FULL else []
        tests += [Test(name, [str(path), name, *options], 3600 if FULL else 900)
                  for name in names.stdout.split()]
    return Suite("power", tests, jobs=2)


def cases(program, listing="--list"):
    """
    The tests that a program names, with their seconds, when asked to list them; "full" behind
    these marks one that a short run leaves out.
    """
    lines = subprocess.run(program + [listing], check=True, stdout=subprocess.PIPE, text=True)
    for line in lines.stdout.splitlines():
        name, timeout, *full = line.split()
        yield Test(name, program + [name], int(timeout), full=full == ["full"])


def load_faults():
    """Each call that can fail fails once, in the release build and with the sanitizers."""
    tests = []
    for suffix, build in BUILDS.items():
        for _, path in executables(build, "faults"):
            for test in cases([str(path)]):
                test.name += suffix
                test.environment = SANITIZER_ENVIRONMENT if suffix else {}
                tests.append(test)
    return Suite("faults", tests, jobs=2)


def load_broker():
    """The client against brokers that err, and the reference broker against Trustee's records."""
    tests = list(cases([sys.executable, str(ROOT / "tests" / "client")]))
    program = [str(ROOT / "tests" / "broker" / "self-test")]
    names = subprocess.run(program + ["--list"], check=True, stdout=subprocess.PIPE, text=True)
    tests += [Test(f"reference-{name}".replace("_", "-"), program + [name], 300)
              for name in names.stdout.split()]
    return Suite("broker", tests, jobs=2)


def load_measure():
    """Logs, evidence and reference values; and cuts while something is measured."""
    tests = list(cases([sys.executable, str(ROOT / "tests" / "measure")]))
    for name, path in executables(BUILDS[""], "measure"):
        tests.append(Test(name, [str(path)], 300))
    return Suite("measure", tests, jobs=2)


def load_attack():
    """Each attack on the release binary; with --weakened on programs without the defence."""
    program = [sys.executable, str(ROOT / "tests" / "attack")]
    prepare = Test("prepare", program + ["--prepare"], 900)
    tests = sorted(cases(program, "--list-weakened" if WEAKENED else "--list"),
                   key=lambda test: test.name)
    if WEAKENED:
        for test in tests:
            test.command.insert(-1, "--weakened")
    return Suite("attack", tests, jobs=3, prepare=prepare, table=True)


def load_analyze():
    """Static analysis: each tool over all sources, by itself on all processors."""
    return Suite("analyze", list(cases([sys.executable, str(ROOT / "tests" / "analyze")])))


def load_vm():
    program = [sys.executable, str(ROOT / "tests" / "vm")]
    # The longest first, so that none of them is left to run alone in the end.
    tests = sorted(cases(program), key=lambda test: -test.timeout)
    # One more than the processors of a small machine: some wait for a network that is away.
    return Suite("vm", tests, jobs=3, prepare=Test("prepare", program + ["--prepare"], 900))


SUITES = {"checks": load_checks, "analyze": load_analyze, "unit": load_unit, "fuzz": load_fuzz,
          "s390x": load_s390x, "power": load_power, "faults": load_faults, "broker": load_broker,
          "measure": load_measure, "attack": load_attack, "vm": load_vm}


def load(name):
    return SUITES[name]()
