# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Reference values for people: register by register, with the events that lead to each value."""

from .registers import BANKS, replay


def text(values, pcrs):
    """@pcrs: those to show."""
    lines = [f"# {values.uki.name}: systemd-stub {values.uki.stub}"]
    for register in [*values.pcrs, *values.rtmrs]:
        if register.kind == "RTMR" or register.number in pcrs:
            lines += ["", *register_lines(register)]
    return "\n".join(lines) + "\n"


def register_lines(register):
    bank = "sha384" if register.kind == "RTMR" else BANKS[0]
    yield f"{register.kind} {register.number} ({bank}); changed by: {register.changes}"
    if register.fetch is None:
        yield f"  not predicted: {register.gap}"
        return
    for value in register.given[bank] if register.given and bank in register.given else ():
        yield f"  {value}  as given"
    for events in register.fetch:
        for event in events:
            yield f"    {event.text}"
        value = replay(events, bank).hex()
        yield f"  {value}  when a key is asked for"
        if not any(later for _, later in register.later):
            yield f"  {value}  after cvmroot, and from then on"
            continue
        for when, later in register.later:
            yield f"  {when}:"
            yield from later_lines(events, later, bank)


def later_lines(before, later, bank):
    """The value after each event, as far as they are known."""
    for count, event in enumerate(later, 1):
        if event is None:
            yield "    volume and volume key: of each machine its own"
            return
        yield f"    {event.text}"
        yield f"  {replay([*before, *later[:count]], bank).hex()}"
