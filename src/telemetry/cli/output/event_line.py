"""Renders an opened event as a line for people: who did what to which thing, when, and how it changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.text import Text

from telemetry.cli.output.console import escape_control
from telemetry.cli.output.sorting.event_order import instant
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import Change
from telemetry.reader import OpenedEvent, Proven

HIDDEN = "(sensitive: --sensitive shows it)"
FORGOTTEN = "(forgotten: the key of its subject was destroyed)"

_COLOURS = {"success": "green", "failure": "red", "denied": "bold red"}
_MARKS = {
    Proven.YES: ("proven", "green"),
    Proven.PENDING: ("pending", "yellow"),
    Proven.NO: ("NOT PROVEN", "bold red"),
}
"""What is written in front of an event that was judged."""
_MAX_PART = 300
"""Characters of a part that is shown."""
_MAX_VALUE = 60
"""Characters of a value that changed."""
_MAX_NAMED = 20
"""Targets, and changes, that are named on a line."""

_encode = msgspec.json.Encoder().encode


def event_line(opened: OpenedEvent, *, with_sensitive: bool = False) -> Text:
    """Return an event as a line; long values are cut, and control characters are escaped.

    Args:
        opened: The event.
        with_sensitive: Whether to show payload and changes of an event that is marked as sensitive.
    """
    parts = [(escape_control(text), style) for text, style in _parts(opened, with_sensitive=with_sensitive) if text]
    return Text("  ").join(Text(text, style) for text, style in parts)


def warnings(opened: OpenedEvent) -> Iterator[Text]:
    """Yield what has to be known of a record that may be forged."""
    marks = [
        # Anyone who may write to the topic can forge a record that no data key sealed.
        ("" if opened.sealed else "NOT SEALED", "bold red"),
        ("FOREIGN" if opened.is_foreign else "", "bold red"),
        _MARKS[Proven.NO] if opened.proven is Proven.NO else ("", ""),
    ]
    return (Text(text, style) for text, style in marks if text)


def _parts(opened: OpenedEvent, *, with_sensitive: bool) -> Iterator[tuple[str, str]]:
    event = opened.event
    yield _moment(event.time), "dim"
    # Anyone who may write to the topic can forge a record that no data key sealed.
    yield "" if opened.sealed else "NOT SEALED", "bold red"
    yield "FOREIGN" if opened.is_foreign else "", "bold red"
    yield _MARKS.get(opened.proven, ("", ""))
    yield f"through {opened.via}" if opened.via else "", "dim"
    yield event.event_type, "bold cyan"
    yield event.user_id, "yellow"
    yield _actor(event), "yellow"
    yield event.outcome or "", _COLOURS.get(event.outcome or "", "")
    yield _cut(_thing(event.entity, event.entity_id)), "magenta"
    yield _targets(event), "magenta"
    yield _occurred(event), "dim"
    if event.is_forgotten:
        yield FORGOTTEN, "dim"
    elif event.sensitive and not with_sensitive:
        yield HIDDEN, "dim"
    else:
        yield _changes(event), ""
        yield _cut(_encode(event.payload).decode()), ""
    yield event.id, "dim"


def _moment(time: str) -> str:
    return time[:23].replace("T", " ")


def _actor(event: AuditEvent) -> str:
    if event.actor_id is None:
        return f"by a {event.actor_type}" if event.actor_type else ""
    return f"by {event.actor_id}" + (f" ({event.actor_type})" if event.actor_type else "")


def _thing(entity: str | None, entity_id: str | None) -> str:
    return "/".join(part for part in (entity, entity_id) if part)


def _targets(event: AuditEvent) -> str:
    named = [_thing(target.entity, target.entity_id) for target in event.targets[:_MAX_NAMED]]
    return _cut(f"on {', '.join(named)}" + _more(len(event.targets))) if named else ""


def _occurred(event: AuditEvent) -> str:
    if event.occurred_at is None or instant(event.occurred_at) == instant(event.time):
        return ""
    return f"occurred {event.occurred_at.replace('T', ' ')}"


def _changes(event: AuditEvent) -> str:
    named = [f"{name}: {_change(change)}" for name, change in list(event.changes.items())[:_MAX_NAMED]]
    return _cut(", ".join(named) + _more(len(event.changes)))


def _change(change: Change) -> str:
    return f"{_value(change.old)} -> {_value(change.new)}"


def _value(value: Any) -> str:
    if value is msgspec.UNSET:
        return "(none)"
    text = value if isinstance(value, str) else _encode(value).decode()
    return _cut(text, most=_MAX_VALUE)


def _more(count: int) -> str:
    return f", and {count - _MAX_NAMED} more" if count > _MAX_NAMED else ""


def _cut(text: str, *, most: int = _MAX_PART) -> str:
    return text if len(text) <= most else text[:most] + "…"
