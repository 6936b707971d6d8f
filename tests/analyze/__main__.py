# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Static analysis of all of src/ by clang --analyze, cppcheck and gcc -fanalyzer: --list, or the
name of one. A finding that the source does not explain fails the test.

A comment that says "analyze: CHECK: why this is no fault" explains the findings of that check in
the two lines of code below it; one that explains nothing fails the test, too. Another version of a
tool finds other things than the explanations were written for, so that it is not run."""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
BUILD = pathlib.Path(os.environ.get("CVMROOT_BUILD", ROOT / "build"))
CONTRACTS = pathlib.Path(__file__).resolve().parent / "contracts.h"
SKIP_STATUS = 77

# Files in which something of contracts.h does not hold.
EXEMPT = {
    "-DDEFINES_CONTRACTS": re.compile(
        r"^int (fail|scan_fail|toml_fail|luks_refuse|luks_refuse_header)\(", re.M),
    "-DSETS_ERRNO": re.compile(r"\berrno = "),
}
FINDING = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)? "
                     r"(?:error|warning|style|performance|portability|information): "
                     r"(?P<text>.*) \[(?P<check>[\w.=-]+)\]$", re.M)
EXPLAINED = re.compile(r"/\* analyze: ([\w.-]+): ")
# clang and cppcheck do not follow the attribute cleanup, as gcc does.
AT_THE_END = re.compile(r"^(?:Potential leak of memory pointed to by '|Memory leak: |"
                        r"Resource leak: |Value stored to ')(\w+)")


@dataclasses.dataclass(frozen=True)
class Finding:
    file: pathlib.Path
    line: int
    check: str
    text: str


def units():
    """The sources of src/ and what of their command tells the language apart from its optimizer."""
    with open(BUILD / "compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    found = {}
    for entry in entries:
        path = pathlib.Path(os.path.normpath(os.path.join(entry["directory"], entry["file"])))
        if path.is_relative_to(SOURCE) and path.suffix == ".c":
            found[path] = [word for word in shlex.split(entry["command"])
                           if word.startswith(("-I", "-D", "-isystem", "-std="))
                           and "FORTIFY" not in word]
    return found


def contracts(path):
    """Options for what contracts.h says of other files."""
    text = path.read_text(encoding="utf-8")
    own = [option for option, words in EXEMPT.items() if words.search(text)]
    return own + ["-include", str(CONTRACTS)]


def run(command, **more):
    done = subprocess.run(command, cwd=BUILD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **more)
    if done.returncode:
        raise AssertionError(f"{shlex.join(map(str, command))} ended with {done.returncode}\n"
                             f"{done.stdout}")
    return done.stdout


def run_on_each(command):
    """The words of a compiler about all sources."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        return "\n".join(threads.map(
            lambda item: run(command + item[1] + contracts(item[0]) + [str(item[0])]),
            units().items()))


def clang():
    # Its warnings are those of every build with it.
    return run_on_each(["clang", "--analyze", "--analyzer-output", "text", "-w"])


def gcc():
    return run_on_each(["gcc", "-c", "-o", "/dev/null", "-fanalyzer",
                        "-fdiagnostics-path-format=none", "-fdiagnostics-color=never",
                        "-fno-diagnostics-show-caret", "-fno-diagnostics-show-cwe"])


def cppcheck():
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder) / "compile_commands.json"
        project.write_text(json.dumps(
            [{"directory": str(BUILD), "file": str(path),
              "command": shlex.join(["cc", *words, *contracts(path)[:-2], "-c", str(path)])}
             for path, words in units().items()]), encoding="utf-8")
        return run(["cppcheck", f"--project={project}", f"--include={CONTRACTS}", "--quiet",
                    f"-j{os.cpu_count()}", "--enable=warning,performance,portability",
                    "--library=posix,gnu",
                    # One of the architectures that the sources name.
                    "-D__x86_64__=1", "-D__GNUC__=12", "-DANALYZED_BY_CPPCHECK",
                    "--template={file}:{line}: {severity}: {message} [{id}]"])


@dataclasses.dataclass(frozen=True)
class Tool:
    function: object
    version: str  # that the explanations are for: the one of Debian 12
    timeout: int  # seconds
    checks: re.Pattern  # how its checks are told from those of the others
    full: bool = False


# clang takes the longest by far, so that only a full run waits for it.
TOOLS = {
    "clang": Tool(clang, "14", 1800,
                  re.compile(r"(core|unix|deadcode|security|nullability|optin)\."), full=True),
    "cppcheck": Tool(cppcheck, "2.10", 900, re.compile(r"[a-z]\w*$")),
    "gcc": Tool(gcc, "12", 900, re.compile(r"-W")),
}


def reason_to_skip(name):
    """Why the explanations say nothing about this machine's tool, or None."""
    if not shutil.which(name):
        return f"{name} is not installed"
    words = subprocess.run([name, "--version"], check=True, stdout=subprocess.PIPE, text=True)
    found = re.search(r"\d+(\.\d+)+", words.stdout)[0]
    wanted = TOOLS[name].version
    if not f"{found}.".startswith(f"{wanted}."):
        return f"this is {name} {found}; the sources explain the findings of {name} {wanted}"
    return None


def findings(words):
    for match in FINDING.finditer(words):
        path = pathlib.Path(os.path.normpath(BUILD / match["file"]))
        yield Finding(path, int(match["line"]), match["check"], match["text"])


def frees_itself(finding):
    """What the attribute cleanup reads and frees, as a declaration in the same function says."""
    variable = AT_THE_END.match(finding.text)
    if not variable:
        return False
    lines = finding.file.read_text(encoding="utf-8").splitlines()[:finding.line]
    while lines and lines[-1] != "{":
        if re.search(rf"\bcleanup\(\w+\).*\b{variable[1]}\b", lines.pop()):
            return True
    return False


def explanations(checks):
    """What the sources explain: (file, line of code, check) of these checks."""
    found = set()
    for path in sorted(SOURCE.rglob("*.[ch]")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            explained = EXPLAINED.search(line)
            if not explained or not checks.match(explained[1]):
                continue
            while re.match(r"\s*(/\*|\*)", lines[number]):
                number += 1
            found.add((path, number + 1, explained[1]))
    return found


def judge(name):
    tool = TOOLS[name]
    seen = set(findings(tool.function()))
    explained = explanations(tool.checks)
    used, bad = set(), 0
    for finding in sorted(seen, key=dataclasses.astuple):
        reasons = {(finding.file, line, finding.check)
                   for line in (finding.line - 1, finding.line)} & explained
        used |= reasons
        if not reasons and not frees_itself(finding):
            print(f"{finding.file.relative_to(ROOT)}:{finding.line}: {finding.text} "
                  f"[{finding.check}]")
            bad += 1
    for path, line, check in sorted(explained - used):
        print(f"{path.relative_to(ROOT)}:{line}: {name} finds no {check} here to be explained")
    print(f"{len(units())} files: {len(seen)} findings, {len(used)} of them explained, {bad} not")
    return 1 if bad or explained - used else 0


def main(arguments):
    if arguments == ["--list"]:
        for name, tool in TOOLS.items():
            print(name, tool.timeout, "full" if tool.full else "")
        return 0
    reason = reason_to_skip(arguments[0])
    if reason:
        print(reason)
        return SKIP_STATUS
    return judge(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
