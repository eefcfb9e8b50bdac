"""Defines what ``seal()`` returns: a sealed event to keep in a database until a relay delivers it."""

from __future__ import annotations

import msgspec

from telemetry.format.objects.outbox_row import most_bytes, parse_row

_LARGEST_EVENT = 64 << 20


class SealedEvent(msgspec.Struct, frozen=True):
    """A sealed event that lacks its place in a stream; keep ``data`` in the transaction that it belongs to.

    Attributes:
        event_id: UUIDv7 of the event.
        data: All of it, as UTF-8; what the column of the database holds, and what ``relay()`` takes.
        key: Kafka key: events of equal key have to be relayed in order. It names the user, unless ``key_mode="hmac"``.
    """

    event_id: str
    data: bytes
    key: bytes

    @classmethod
    def of(cls, data: bytes) -> SealedEvent:
        """Return the event of a row as a database gives it back.

        Raises:
            EventError: The bytes are none that ``seal()`` returns.
        """
        row = parse_row(data, max_bytes=most_bytes(_LARGEST_EVENT))
        return cls(row.event_id, data, row.key)

    def __repr__(self) -> str:
        return f"SealedEvent(event_id={self.event_id!r})"
