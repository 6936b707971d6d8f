# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""What every benchmark gives back: named series of figures, one line, and what that is to reach."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Figures:
    """
    series: contender -> figure, with its unit -> the value of each round.
    line: what the last line says, name -> number; limits: the most that it may be.
    notes: sentences that belong to the table.
    """

    def __init__(self, verb):
        self.verb, self.series, self.line, self.limits, self.notes = verb, {}, {}, {}, []

    def add(self, contender, figure, value):
        """@figure ends with its unit: "wall time, ms"."""
        self.series.setdefault(contender, {}).setdefault(figure, []).append(value)

    def values(self, contender, figure):
        return self.series[contender][figure]

    def median(self, contender, figure):
        return statistics.median(self.values(contender, figure))

    def ratio(self, contender, other, figure):
        return self.median(contender, figure) / self.median(other, figure)

    def reach(self, name, value, most=None):
        """One word of the last line, and its limit."""
        self.line[name] = value
        if most is not None:
            self.limits[name] = most

    def note(self, sentence):
        self.notes.append(sentence)

    # ---- What is shown ----

    def rows(self):
        for contender, figures in self.series.items():
            for figure, values in figures.items():
                yield (contender, figure, statistics.median(values), min(values), max(values),
                       len(values))

    def missed(self):
        return {name: most for name, most in self.limits.items() if self.line[name] > most}

    def last_line(self):
        return " ".join([self.verb, *(f"{name}={shown(value)}"
                                      for name, value in self.line.items())])

    def print(self):
        titles = "contender", "figure", "median", "min", "max", "n"
        table = [titles, *([*row[:2], *map(shown, row[2:5]), str(row[5])] for row in self.rows())]
        widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
        for row in table:
            cells = [text.ljust(width) if column < 2 else text.rjust(width)
                     for column, (text, width) in enumerate(zip(row, widths))]
            print("  " + "  ".join(cells).rstrip())
        for sentence in self.notes:
            print("  " + sentence)
        for name, most in self.missed().items():
            print(f"over budget: {name}={shown(self.line[name])}, at most {most}")
        print(self.last_line(), flush=True)

    def save(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "verb": self.verb, "when": datetime.datetime.now().isoformat(timespec="seconds"),
            "machine": machine(), "series": self.series, "line": self.line,
            "limits": self.limits, "notes": self.notes}, indent=1) + "\n")

    @classmethod
    def load(cls, path):
        """The figures, and all that was saved."""
        saved = json.loads(pathlib.Path(path).read_text())
        figures = cls(saved["verb"])
        for name in ("series", "line", "limits", "notes"):
            setattr(figures, name, saved[name])
        return figures, saved


def shown(value):
    """Four digits, as far as there are any; whole numbers stay whole."""
    if isinstance(value, int) or value == 0:
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def machine():
    """What the figures were measured on. Nothing that names this one machine."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    models = re.findall(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    return {"processor": models[0] if models else platform.machine(),
            "processors": os.cpu_count(), "memory_mib": memory // 1024,
            "kernel": platform.release(), "kvm": os.access("/dev/kvm", os.W_OK)}


def progress(text):
    print(text, file=sys.stderr, flush=True)


def run(*command):
    """Its output; ends the benchmark if the command fails."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout
