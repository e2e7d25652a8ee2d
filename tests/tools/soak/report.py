"""The figures as lines."""

from __future__ import annotations

from tests.tools.soak.soak import Soak
from tests.tools.soak.streams import Streams


def of_streams(found: Streams) -> str:
    """What came of many streams at once."""
    ledger = found.ledger
    ours, service = (f"{spent:.1f}" for spent in found.cpu)
    return (
        f"{found.name}: {found.count} streams, {found.most} open at once, {found.seconds:.1f} s; wrong {ledger.wrong},"
        f" lost {ledger.lost}, repeated {ledger.repeated}; longest pause of the loop {1000 * found.pause:.0f} ms;"
        f" CPU {ours} s, the emulator's {service} s"
    )


def of_soak(found: Soak) -> str:
    """What came of the mixed traffic."""
    ledger, bounds = found.ledger, found.bounds
    ours, service = (f"{spent / found.seconds:.0%}" for spent in found.cpu)
    rows = (
        ("seconds", f"{found.seconds:.0f}", ""),
        ("questions", f"{ledger.calls}", ""),
        ("with a fault", f"{found.faults}", ""),
        ("wrong answers", f"{ledger.wrong}", "0"),
        ("lost", f"{ledger.lost}", "0"),
        ("repeated", f"{ledger.repeated}", "0"),
        ("jobs that go on", f"{found.jobs}", "0"),
        ("memory, first and last", f"{found.first.memory:.1f} → {found.last.memory:.1f} MB", f"+{bounds.memory:.0f}"),
        ("descriptors", f"{found.first.descriptors} → {found.last.descriptors}", f"+{bounds.descriptors}"),
        ("longest pause of the loop", f"{1000 * found.pause:.0f} ms", f"{1000 * bounds.pause:.0f}"),
        ("CPU, this process and the emulator", f"{ours}, {service} of a core", ""),
    )
    table = [f"| {name} | {figure} | {bound} |" for name, figure, bound in rows]
    counts = ", ".join(f"{name} {count}" for name, count in sorted(ledger.by_name.items()))
    return "\n".join(["| what | found | right |", "|---|---|---|", *table, "", f"What was asked: {counts}."])
