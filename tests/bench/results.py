# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
Runs every other verb in turn, with its defaults, and writes tests/bench/RESULTS.md from their JSON:
machine, versions, targets, and each verb's figures. A verb that fails is named there and makes this
fail in the end; the others run. --from makes the page again from what is there.
"""

import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

from figures import ROOT, Figures, run, shown
import size  # puts the virtual machines' modules within reach

import machine  # pylint: disable=wrong-import-order

RUN = pathlib.Path(__file__).with_name("run")
PAGE = pathlib.Path(__file__).with_name("RESULTS.md")
JSON = ROOT / "build" / "bench"
WIDTH = 100

# Name -> the packages that it may come in, of Debian 13 and of Debian 12.
PACKAGES = {
    "cryptsetup": ("cryptsetup-bin",),
    "systemd": ("systemd",),
    "clevis": ("clevis",),
    "tpm2-tss": ("libtss2-esys-3.0.2-0t64", "libtss2-esys-3.0.2-0"),
    "OpenSSL": ("libssl3t64", "libssl3"),
    "libcurl": ("libcurl4t64", "libcurl4"),
    "dracut": ("dracut",),
    "swtpm": ("swtpm",),
    "QEMU": ("qemu-system-x86",),
}


# ---- What was measured, and on what ----

def package_versions(*options):
    if not shutil.which("dpkg-query"):
        return {}
    # It fails where one of them is not known.
    names = itertools.chain(*PACKAGES.values())
    lines = subprocess.run(
        ["dpkg-query", *options, "--show", "--showformat",
         "${Package} ${db:Status-Status} ${Version}\n", *names],
        capture_output=True, text=True, check=False).stdout.splitlines()
    found = {line.split()[0]: line.split()[2] for line in lines if line.split()[1] == "installed"}
    return {name: next((found[package] for package in packages if package in found), None)
            for name, packages in PACKAGES.items()}


def guest_versions():
    """Of the Debian 13 tree that guests and initrds are made of."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="bench-results-") as name:
        tree = pathlib.Path(name) / "tree"
        size.make_tree(tree)
        kernel = next((tree / "usr/lib/modules").iterdir()).name
        return {"kernel": kernel, **package_versions("--admindir", tree / "var/lib/dpkg")}


def own_version(build):
    changed = run("git", "-C", ROOT, "status", "--porcelain", "--", ".",
                  f":!{PAGE.relative_to(ROOT).parent}/*.md",
                  f":!{PAGE.relative_to(ROOT).parent}/*.svg")
    return (f"{run(f'{build}/src/cli/cvmroot', '--version').strip()}, commit "
            f"{run('git', '-C', ROOT, 'rev-parse', '--short=12', 'HEAD').strip()}"
            f"{', with changes that are in no commit' if changed else ''}")


def compiler(build):
    """As it says in the program itself."""
    text = run("readelf", "--string-dump=.comment", f"{build}/src/cli/cvmroot")
    return ", ".join(re.findall(r"^ *\[ *[0-9a-f]+\] *(.*)$", text, re.M))


def machine_text(saved):
    # Not its "kvm": the device alone does not make a guest run.
    return f"{saved['processor']}, {saved['processors']} processors, {saved['memory_mib']} MiB"


# ---- The page ----

def wrapped(text, first="", then=None):
    return textwrap.fill(text, WIDTH, initial_indent=first, break_long_words=False,
                         subsequent_indent=" " * len(first) if then is None else then,
                         break_on_hyphens=False)


def row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def table(titles, rows, right):
    """The last @right columns are numbers."""
    rules = ["---"] * (len(titles) - right) + ["--:"] * right
    return [row(*titles), "|" + "|".join(rules) + "|", *(row(*cells) for cells in rows)]


def figure_rows(figures):
    """The contender in a row of its own, so that the lines stay short."""
    for contender, rows in itertools.groupby(figures.rows(), lambda cells: cells[0]):
        yield f"**{contender}**", "", "", "", ""
        for _, figure, *values, count in rows:
            yield figure, *map(shown, values), count


def target_rows(all_figures):
    for figures in all_figures:
        for name, most in figures.limits.items():
            value = figures.line[name]
            yield (f"{figures.verb} {name}", shown(value), shown(most),
                   "**no**" if name in figures.missed() else "yes")


def version_rows(kernel, guest):
    host = package_versions()
    # Its suffix would tell whose machine it was.
    yield "kernel", re.match(r"[0-9.]*", kernel)[0], guest["kernel"]
    for name in PACKAGES:
        yield name, host.get(name) or "-", guest.get(name) or "-"


def verb_part(figures, saved, folder):
    yield from ("", f"## {figures.verb}", "", f"    {figures.last_line()}", "",
                f"Measured {saved['when'].replace('T', ', ')}.", "")
    yield from table(("figure", "median", "min", "max", "n"), figure_rows(figures), 4)
    if figures.notes:
        yield ""
        yield from (wrapped(sentence, "- ") for sentence in figures.notes)
    plot = PAGE.with_name(f"{figures.verb}.svg")
    if (folder / plot.name).exists():
        shutil.copy(folder / plot.name, plot)
    if plot.exists():
        yield from ("", f"![{figures.verb}]({plot.name})")


def page(verbs, folder, build):
    loaded = {verb: Figures.load(folder / f"{verb}.json") for verb in verbs
              if (folder / f"{verb}.json").exists()}
    if not loaded:
        sys.exit("no verb has left figures: there is nothing to write")
    machines = {}
    for verb, (_, saved) in loaded.items():
        machines.setdefault(json.dumps(saved["machine"]), []).append(verb)
    last = max(saved["when"] for _, saved in loaded.values())
    yield from ("# Results of the benchmarks", "",
                wrapped("Written by `tests/bench/run results`, which runs them all. Medians, with "
                        "the least and the most of n rounds; contenders take turns in one run."),
                "", f"- date: {last.partition('T')[0]}", f"- {own_version(build)}",
                f"- built with {compiler(build)}")
    for text, its in machines.items():
        verbs_on_it = f" ({', '.join(its)})" if len(machines) > 1 else ""
        yield wrapped(f"machine{verbs_on_it}: {machine_text(json.loads(text))}", "- ")
    yield from (f"- guests run under {machine.accelerator().upper()}", "")
    yield from table(("version of", "machine", "guests and initrds, Debian 13"),
                     version_rows(json.loads(next(iter(machines)))["kernel"], guest_versions()),
                     0)
    yield from ("", "## Targets", "")
    yield from table(("target", "value", "at most", "reached"),
                     target_rows(figures for figures, _ in loaded.values()), 3)
    for verb in verbs:
        if verb in loaded:
            yield from verb_part(*loaded[verb], folder)
        else:
            yield from ("", f"## {verb}", "", "No figures: it did not run, or failed.")


# ---- The run ----

def run_verb(verb, build):
    """Its figures, in a process of its own; true if it ended well."""
    print(f"== {verb}", flush=True)
    # Figures of an earlier run must not pass for those of this one.
    (JSON / f"{verb}.json").unlink(missing_ok=True)
    result = subprocess.run([sys.executable, RUN, verb, "--build", build], check=False)
    return result.returncode == 0


def measure(arguments):
    """No figures of its own."""
    folder = pathlib.Path(arguments.source or JSON)
    failed = []
    if not arguments.source:
        failed = [verb for verb in arguments.verbs if not run_verb(verb, arguments.build)]
    text = "\n".join(page(arguments.verbs, folder, arguments.build)) + "\n"
    if str(ROOT) in text:
        sys.exit("a figure or a note names a path of this machine")
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def add_options(parser):
    parser.add_argument("--from", dest="source", nargs="?", const=str(JSON), metavar="DIR",
                        help="run nothing, take the JSON files in DIR (build/bench)")
