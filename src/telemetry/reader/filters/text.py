"""Searches the values of an event for a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from telemetry.format.value.event import AuditEvent

NOT_SEARCHED = ("schema_version", "features", "clear_fields", "dedup", "recipients", "adjusted", "catalog")
"""Fields that say how an event is written, rather than what happened."""
_NAMED = ("payload", "metadata", "changes")
"""Fields whose values have names that somebody chose."""
_FIELDS = tuple(name for name in AuditEvent.__struct_fields__ if name not in (*NOT_SEARCHED, *_NAMED, "targets"))

_encode = msgspec.json.Encoder().encode


class TextSearch:
    """Finds events that contain a text in any value, or in a name inside payload, metadata or changes.

    Args:
        text: The text; case is ignored.

    Attributes:
        folded: The text as it is compared: case folded.
    """

    def __init__(self, text: str) -> None:
        self.folded = text.casefold()
        # JSON has such a text unescaped, so that most events without it are recognized by their JSON alone.
        self._is_written_alike = _encode(self.folded)[1:-1] == self.folded.encode()

    def holds(self, event: AuditEvent) -> bool:
        """Return whether the event contains the text."""
        # The JSON of the whole event is cheap to search, and most events do not contain the text.
        if self._is_written_alike and self.folded not in _encode(event).decode().casefold():
            return False
        return any(self.folded in text.casefold() for text in searched_texts(event))


def searched_texts(event: AuditEvent) -> Iterator[str]:
    """Yield the texts of an event in which a text is searched for, in no particular order."""
    # A list of its own instead of recursion: payloads may be nested deeply.
    waiting: list[Any] = [getattr(event, name) for name in _FIELDS]
    waiting += (event.metadata, event.payload)
    for target in event.targets:
        waiting += (target.entity, target.entity_id)
    for name, change in event.changes.items():
        yield name
        waiting += (side for side in (change.old, change.new) if side is not msgspec.UNSET)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif value is not None:
            yield _encode(value).decode()
