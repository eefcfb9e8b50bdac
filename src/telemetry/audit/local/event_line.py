"""Writes an event as one line for a person: no character of it can steer a terminal or begin another line."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.format.value.event import AuditEvent

MARK = "audit (not sent)"
_MAX_TEXT = 200
_MAX_LINE = 2_000
_CUT = "..."
_TIME = slice(11, 19)

_YELLOW, _GREEN, _RED, _BOLD, _PLAIN = "\x1b[33m", "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
_OUTCOMES = {"success": _GREEN, "failure": _RED, "denied": _RED}
# The columns show these, or they are the same for every event of the process.
_SHOWN = frozenset(
    (
        *("id", "time", "event_type", "user_id", "outcome", "payload", "metadata", "entity", "entity_id", "sensitive"),
        *(
            "service_name",
            "environment",
            "version",
            "producer",
            "sequence",
            "schema_version",
            "features",
            "clear_fields",
        ),
        *("kafka_key", "trace_id", "span_id", "trace_flags", "dedup", "catalog"),
    )
)
_SENSITIVE = frozenset(("changes",))

_encode = msgspec.json.Encoder().encode


def event_line(event: AuditEvent, *, coloured: bool = False) -> str:
    """Return an event as a line without its end.

    Payload, changes and metadata of an event that is ``sensitive`` are not shown.

    Args:
        event: The event.
        coloured: Whether to add the escape sequences of ANSI terminals.
    """
    outcome = event.outcome or ""
    columns = [
        (MARK, _YELLOW),
        (event.time[_TIME], ""),
        (_short(event.event_type), _BOLD),
        (_short(event.user_id), ""),
        (outcome, _OUTCOMES.get(outcome, "")),
        (_thing(event), ""),
        (_rest(event), ""),
    ]
    return "  ".join(_painted(text, colour if coloured else "") for text, colour in columns if text)


def _painted(text: str, colour: str) -> str:
    return f"{colour}{text}{_PLAIN}" if colour else text


def _thing(event: AuditEvent) -> str:
    return "/".join(_short(part) for part in (event.entity, event.entity_id) if part)


def _rest(event: AuditEvent) -> str:
    """Return the payload, and what else the event has, as ``name=value``."""
    others = {name: value for name, value in event.to_dict().items() if name not in _SHOWN}
    if event.sensitive:
        others = {name: value for name, value in others.items() if name not in _SENSITIVE}
        content = "(sensitive: not shown)"
    else:
        others |= event.metadata
        content = as_json(event.payload)
    return cut(" ".join((content, *(f"{_short(name)}={as_json(value)}" for name, value in others.items()))), _MAX_LINE)


def as_json(value: Any) -> str:
    """Return a value of an event as JSON that can be shown."""
    return _escaped(_encode(value).decode())


def cut(text: str, limit: int) -> str:
    """Return a text, or its beginning with three dots."""
    return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT


def _short(text: str) -> str:
    return cut(_escaped(text), _MAX_TEXT)


def _escaped(text: str) -> str:
    """Return a text in which an escape replaces each control, format, bidirectional and separating character."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
