"""Defines what is in the outbox: rows that wait, rows that are held, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A row that the relay has read.

    Attributes:
        id: Its place in the table.
        event_id: UUIDv7 of the event, as the writer gave it.
        data: The sealed event; None where it is larger than any event.
        attempts: How often its delivery failed.
    """

    id: int
    event_id: str
    data: bytes | None = field(repr=False)
    attempts: int


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row that the relay passes over until somebody looks at it.

    Attributes:
        id: Its place in the table.
        event_id: UUIDv7 of the event, as the writer gave it.
        created_ms: When it was sealed, in milliseconds since 1970.
        reason: Why it is held; never its content.
    """

    id: int
    event_id: str
    created_ms: int
    reason: str


class Backlog(NamedTuple):
    """What is in the outbox.

    Attributes:
        waiting: Rows that are to be relayed, counted up to 100,000.
        held: Rows that are passed over, counted up to 100,000.
        oldest_age_seconds: Age of the first row that is waiting; 0 if there is none.
    """

    waiting: int = 0
    held: int = 0
    oldest_age_seconds: float = 0.0
