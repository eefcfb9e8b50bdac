"""Explains in an error of a test which events there were, and what the closest one lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from telemetry.audit.local.event_line import as_json, cut
from telemetry.format.value.event import AuditEvent
from telemetry.testing.captured.expected_event import ABSENT, ExpectedEvent, member_of

_MAX_ROWS = 30
_MAX_CELL = 60
_COLUMNS = ("event_type", "user_id", "outcome")
_TIME = slice(11, 19)


def explanation(wanted: str, expected: ExpectedEvent, events: Sequence[AuditEvent]) -> str:
    """Return the message of an assertion that failed.

    Args:
        wanted: How many events were expected, such as ``exactly one``.
        expected: The event.
        events: All events that were captured.
    """
    differences = [expected.differences(event) for event in events]
    matching = [number for number, found in enumerate(differences) if not found]
    lines = [f"expected {wanted} {expected}; {_counted(len(matching), len(events))}"]
    if events:
        lines += ["", *_table(expected, events, set(matching))]
    if events and not matching:
        # The one with the fewest differences; of the expected type before others, and the latest of several.
        closest = min(range(len(events)), key=lambda at: (len(differences[at]), _is_other(expected, events[at]), -at))
        lines += ["", f"the closest is event {closest}, which differs in"]
        lines += [
            f"  {place}: expected {_value(wish)}, found {_value(found)}" for place, wish, found in differences[closest]
        ]
    return "\n".join(lines)


def _counted(matching: int, captured: int) -> str:
    if not captured:
        return "no event was captured"
    events = "1 captured event is" if captured == 1 else f"{captured} captured events are"
    return f"{matching or 'none'} of {events} like that"


def _is_other(expected: ExpectedEvent, event: AuditEvent) -> bool:
    return expected.event_type is not None and event.event_type != expected.event_type


def _table(expected: ExpectedEvent, events: Sequence[AuditEvent], matching: Collection[int]) -> Iterator[str]:
    names = [*_COLUMNS, *(name for name in expected.members if name not in (*_COLUMNS, "payload")), "payload"]
    first = max(0, len(events) - _MAX_ROWS)
    rows = [["", "#", "time", *names]]
    for number, event in enumerate(events[first:], first):
        cells = [_cell(event, name) for name in names]
        rows.append([">" if number in matching else "", str(number), event.time[_TIME], *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if first:
        yield f"(the last {_MAX_ROWS} of {len(events)})"
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(event: AuditEvent, name: str) -> str:
    value = member_of(event, name)
    if value is None:
        return "-"
    text = as_json(value)
    return cut(text[1:-1] if isinstance(value, str) else text, _MAX_CELL)


def _value(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    return cut(ascii(value) if not repr(value).isprintable() else repr(value), _MAX_CELL * 2)
