# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""The fuzz suite: --list, or a parser's name: its corpora, its fuzzers, its lines."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from parsers import PARSERS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-fuzz"
PROGRAMS = BUILD / "tests" / "fuzz"
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
# tests/run --seconds
SECONDS = int(os.environ.get("CVMROOT_FUZZ_SECONDS", "0"))
LEAST_PERCENT = 90


def fuzz_environment(profile):
    """A sanitizer's finding ends the program; the lines that it came to are written there."""
    return {
        **os.environ,
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "LLVM_PROFILE_FILE": str(profile),
    }


def replay(harness, work):
    """The corpus, under the sanitizers; the number of its inputs."""
    command = [PROGRAMS / f"replay_{harness}", CORPUS / harness]
    ended = subprocess.run(command, env=fuzz_environment(work / f"{harness}.profraw"), text=True,
                           stdout=subprocess.PIPE, check=False)
    if ended.returncode != 0:
        raise AssertionError(f"an input of tests/fuzz/corpus/{harness} fails: {ended.returncode}")
    return int(re.match(r"(\d+) inputs", ended.stdout)[1])


def fuzz(harness, work):
    """The fuzzer, from the corpus on; the number of its runs. What it finds outlives later runs."""
    found, inputs = BUILD / "found" / harness, work / "inputs"
    found.mkdir(parents=True, exist_ok=True)
    inputs.mkdir()
    command = [PROGRAMS / f"fuzz_{harness}", f"-max_total_time={SECONDS}", "-timeout=60",
               "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={found}/",
               inputs, CORPUS / harness]
    ended = subprocess.run(command, env=fuzz_environment("/dev/null"), text=True,
                           stderr=subprocess.PIPE, errors="replace", check=False)
    print(ended.stderr)
    if ended.returncode != 0:
        raise AssertionError(
            f"fuzz_{harness} found something: see {found}\n"
            f"Other new inputs are in {inputs}, until the next run.\n"
            f"Once more: {command[0]} FILE\n"
            f"Smaller: {command[0]} -minimize_crash=1 -max_total_time=60 FILE\n"
            f"When it is mended: cp FILE {CORPUS / harness}/WHAT-IT-IS")
    return int(re.search(r"number_of_executed_units: (\d+)", ended.stderr)[1])


def lines_of(harnesses, work):
    """Of each file of src/ that a corpus came to: its lines, and those that were run."""
    merged = work / "merged.profdata"
    profiles = [work / harness / f"{harness}.profraw" for harness in harnesses]
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", merged, *profiles], check=True)
    objects = [PROGRAMS / f"replay_{harness}" for harness in harnesses]
    command = ["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}", objects[0]]
    command += [f"-object={program}" for program in objects[1:]]
    export = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    source = ROOT / "src"
    found = {}
    for file in json.loads(export.stdout)["data"][0]["files"]:
        path = pathlib.Path(os.path.normpath(BUILD / file["filename"]))
        if source in path.parents:
            lines = file["summary"]["lines"]
            found[str(path.relative_to(source))] = lines["covered"], lines["count"]
    return found


def names_of(files):
    """For the table; the log has each of them."""
    if len(files) <= 2:
        return " and ".join(f"src/{name}" for name in files)
    folders = sorted({str(pathlib.Path("src", name).parent) for name in files})
    return f"each of {len(files)} files of {', '.join(folders)}"


def check_lines(files, found):
    """Every file by itself must have enough of its lines run; the words for the table."""
    low = []
    for name in files:
        if name not in found:
            raise AssertionError(f"no harness of this parser has src/{name} in its program")
        covered, count = found[name]
        percent = 100 * covered / count
        print(f"{name}: {covered} of {count} lines, {percent:.1f} %")
        if percent < LEAST_PERCENT:
            low.append(name)
    covered = sum(found[name][0] for name in files)
    count = sum(found[name][1] for name in files)
    seen = f"{covered} of {count} lines, {100 * covered / count:.1f} %"
    return seen, low


def run(name):
    parser = PARSERS[name]
    work = BUILD / "fuzz-work" / name
    inputs = runs = 0
    print(f"expected: {LEAST_PERCENT} % of {names_of(parser.files)}")
    shutil.rmtree(work, ignore_errors=True)
    for harness in parser.harnesses:
        (work / harness).mkdir(parents=True)
        inputs += replay(harness, work / harness)
        if SECONDS > 0:
            runs += fuzz(harness, work / harness)
    seen, low = check_lines(parser.files, lines_of(parser.harnesses, work))
    ran = f"; {runs} runs in {SECONDS * len(parser.harnesses)} s" if SECONDS > 0 else ""
    print(f"seen: {seen}, by {inputs} inputs{ran}{'; too few of ' if low else ''}{' '.join(low)}")
    if low:
        print(f"Lines that no input comes to: llvm-cov show -show-line-counts-or-regions "
              f"-instr-profile={work}/merged.profdata {PROGRAMS}/replay_{parser.harnesses[0]}")
        return 1
    shutil.rmtree(work)
    return 0


def main(arguments):
    if arguments == ["--list"]:
        for name, parser in PARSERS.items():
            print(name, 120 + (SECONDS + 60) * len(parser.harnesses))
        return 0
    try:
        return run(arguments[0])
    except AssertionError as error:
        print(f"seen: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
