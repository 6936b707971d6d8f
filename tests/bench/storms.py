# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Machines that boot together, and a broker that comes up late: see storm_bench.c."""

import os

from figures import run

OURS, USUAL = "cvmroot", "full-jitter"
NAMES = {OURS: "cvmroot", USUAL: "full jitter, 1 to 30 s"}
GUESTS = 5000
DEADLINE = 600  # seconds, of a configuration that sets none
BOOT = 0, 2000  # milliseconds that all of them start within: at once, or as one host starts them
OUTAGES = 5, 10, 30, 60, 120, 300, 600  # seconds
TIMEOUT = 10  # seconds that an attempt takes where nobody answers
# An attempt takes TIMEOUT and begins at most 30 s after the one before.
LATEST = DEADLINE - 2 - 30
START_WAVE = 3  # seconds of the storm in which every machine tries three times or more
PEAK = 1.5


class Storm:
    def __init__(self, arguments, back_off, boot, outage, attempt, deadline, seed):
        lines = run(os.path.join(arguments.build, "tests/bench/storm_bench"), back_off,
                    arguments.guests, boot, outage * 1000, attempt * 1000, deadline * 1000, seed)
        words = {name: [int(value) for value in values]
                 for name, *values in map(str.split, lines.splitlines())}
        self.guests, self.served = arguments.guests, words["served"][0]
        self.last = words["last_ms"][0] / 1000
        self.away, self.came = words["away"], words["came"]

    def peak(self):
        """The fullest second once the broker is up, over the mean until the last has come."""
        return max(self.came) * self.last / sum(self.came)

    def whole_peak(self):
        """The same for all attempts behind the start wave, those that nobody answered included."""
        seconds = [*self.away, *self.came][START_WAVE:]
        return max(seconds) * len(seconds) / sum(seconds)


def name_of(back_off, outage, attempt, deadline):
    late = f", timeouts of {attempt} s" if attempt else ""
    longer = f", deadline {deadline} s" if deadline != DEADLINE else ""
    return f"{NAMES[back_off]}: away {outage} s{late}{longer}"


def add_figures(figures, name, storm):
    figures.add(name, "machines served", storm.served)
    if not storm.came:
        return
    figures.add(name, "attempts, the fullest second", max(storm.came))
    figures.add(name, "attempts a second, mean", sum(storm.came) / storm.last)
    figures.add(name, "peak to mean", storm.peak())
    figures.add(name, "peak to mean, outage included", storm.whole_peak())
    figures.add(name, "last one served after, s", storm.last)


def storms_of(arguments, figures, back_off, outage, attempt, deadline):
    """Of each seed and each way to start."""
    storms = []
    for seed in range(arguments.storms):
        for boot in BOOT:
            # Others in each outage: at one rhythm the same machines would come in the same order.
            storms.append(Storm(arguments, back_off, boot, outage, attempt, deadline,
                                1000 * seed + outage))
            add_figures(figures, name_of(back_off, outage, attempt, deadline), storms[-1])
    return storms


def curve(storm):
    """What arrives in each second."""
    return " ".join(map(str, storm.came))


def measure(arguments, figures):
    judged = []
    for outage in OUTAGES:
        # Nobody is served whose deadline ends before the broker comes up.
        deadlines = [DEADLINE] if outage < LATEST else [DEADLINE, outage + DEADLINE]
        for deadline in deadlines:
            for back_off in (OURS, USUAL):
                storms = storms_of(arguments, figures, back_off, outage, 0, deadline)
                if back_off == OURS and outage < deadline:
                    judged += storms
                    figures.note(f"{name_of(back_off, outage, 0, deadline)}: arrivals in each "
                                 f"second: {curve(storms[0])}")
    for outage in (60, 120, 300):
        for back_off in (OURS, USUAL):
            storms_of(arguments, figures, back_off, outage, TIMEOUT, DEADLINE)
    figures.note(f"storm: {arguments.guests} machines start at once, or within {BOOT[1]} ms; "
                 f"{arguments.storms} rounds of each; full jitter is what most clients do, and "
                 "what cvmroot did before")
    figures.note("peak to mean: attempts in the fullest second from the moment at which the broker "
                 "is up, over the mean from there until the last machine has come; each is served "
                 "when it comes. This is what storm_peak is the worst of")
    figures.note(f"peak to mean, outage included: the same over all seconds behind the first "
                 f"{START_WAVE} s, in which all start; as waits grow with the time that the broker "
                 "is away, the load falls as 1/t for a minute, so this reading is above 1.5 with "
                 "any back-off that begins with short waits")
    figures.note(f"an outage of {OUTAGES[-1]} s is as long as the deadline of {DEADLINE} s, so "
                 f"nobody is served; with a longer one all are. Every outage of up to {LATEST} s "
                 "is waited out by all")
    figures.reach("storm_peak", max(storm.peak() for storm in judged), PEAK)
    figures.reach("served", min(storm.served for storm in judged))
    if figures.line["served"] < arguments.guests:
        figures.note(f"missed: {arguments.guests - figures.line['served']} machines gave up")


def add_options(parser):
    parser.add_argument("--guests", type=int, default=GUESTS, help="machines in the storm")
    parser.add_argument("--storms", type=int, default=5, help="rounds of the storm")
