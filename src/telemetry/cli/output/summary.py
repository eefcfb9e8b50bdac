"""Says at the end of a read what was read, what was left out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from telemetry.cli.output.console import err, escape_markup
from telemetry.cli.output.counter import EntryCounter
from telemetry.trail.trail import Trail

_ALWAYS = ("records", "shown", "written", "copied", "filtered out")
"""Counts that are shown to people even if they are 0."""


def read_summary(trail: Trail, counter: EntryCounter, shown: Mapping[str, int]) -> dict[str, int]:
    """Return what became of the records of a trail, by the word for each count.

    Args:
        trail: The trail that was read.
        counter: What was counted of its entries.
        shown: What became of the events that were selected.
    """
    counts = trail.counts
    return {
        "records": counts.records,
        **shown,
        "filtered out": trail.filtered,
        "checkpoints": counts.checkpoints,
        **counter.found(counts),
    }


def show_summary(
    summary: Mapping[str, int], *, json: bool, to: str = "", notes: Mapping[str, Any] | None = None
) -> None:
    """Print the end of a read to standard error: a line for people, or a JSON object.

    Args:
        summary: The counts.
        json: Whether to print an object.
        to: Where the output is, for people.
        notes: Further members of the object.
    """
    if json:
        values = {name.replace(" ", "_"): count for name, count in summary.items()} | dict(notes or {})
        err.print(msgspec.json.encode({"read": values}).decode(), markup=False, highlight=False, soft_wrap=True)
        return
    parts = [f"[bold]{count}[/] {name}" for name, count in summary.items() if count or name in _ALWAYS]
    err.print("  ".join(parts) + (f"  to {escape_markup(to)}" if to else ""), soft_wrap=True)
