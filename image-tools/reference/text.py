# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Reference values for people: register by register, with the events that lead to each value."""

from .registers import BANKS, replay


def text(values, reference, pcrs):
    """@pcrs: those to show."""
    lines = [f"# {values.uki.name}: systemd-stub {values.uki.stub}", *facts(reference)]
    for register in [*values.pcrs, *values.rtmrs]:
        if register.kind == "RTMR" or register.number in pcrs:
            lines += ["", *register_lines(register)]
    return "\n".join(lines) + "\n"


def facts(reference):
    """What is in no PCR or RTMR before cvmroot's own events."""
    rows = (("MRTD", "tdx", "mrtd"), ("launch measurement", "snp", "measurement"),
            ("configuration", "events", "config"), ("manifest", "events", "manifest"))
    for name, section, member in rows:
        for value in reference.get(section, {}).get(member, ()):
            yield f"{name}: {value}"


def state(events, banks, what):
    """A line for each bank in which all the events are known."""
    for bank in banks:
        if all(event.knows(bank) for event in events):
            yield f"  {bank} {replay(events, bank).hex()}  {what}".rstrip()


def register_lines(register):
    banks = ("sha384",) if register.kind == "RTMR" else BANKS
    yield f"{register.kind} {register.number}; changed by: {register.changes}"
    if register.fetch is None:
        yield f"  not predicted: {register.gap}"
        return
    for bank, known in (register.given or {}).items():
        yield from (f"  {bank} {value}  as given" for value in known)
    for events in register.fetch:
        for event in events:
            yield f"    {event.text}"
        yield from state(events, banks, "when a key is asked for")
        if not any(later for _, later in register.later):
            end = "" if register.later_gap else ", and from then on"
            yield from state(events, banks, f"after cvmroot{end}")
            continue
        for when, later in register.later:
            yield f"  {when}:"
            yield from later_lines(events, later, banks)


def later_lines(before, later, banks):
    """The value after each event, as far as they are known."""
    for count, event in enumerate(later, 1):
        if event is None:
            yield "    volume and volume key: of each machine its own"
            return
        yield f"    {event.text}"
        yield from state([*before, *later[:count]], banks, "")
