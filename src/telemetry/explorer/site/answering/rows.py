"""Prepares rows of the index for a list: a sentence, marks and links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.explorer.index.row import IndexedEvent, Row
from telemetry.explorer.site.answering.links import event_url, user_url
from telemetry.pages.event import sentence
from telemetry.pages.marks import FOREIGN, NOT_SEALED, Mark, proof_mark, record_marks
from telemetry.reader.entry import Proven

NOT_A_READER = Mark(
    "not by a reader",
    "Looks are recorded in the stream of readers, telemetry-reader, alone: another service says this.",
    "bad",
)
"""Mark of an event that says what a look says, and was logged by a service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row as a list shows it.

    Attributes:
        event_id: Id of the event.
        time: When it was logged, RFC 3339.
        event_type: What happened.
        service: CloudEvents source.
        sentence: What happened, in a sentence; empty where its content is not shown.
        marks: What is proven of it, and what is not.
        url: Address of the event.
        user_url: Address of the user's history; empty where it is not shown.
        user: The user; empty where it is not shown.
    """

    event_id: str
    time: str
    event_type: str
    service: str
    sentence: str
    marks: tuple[Mark, ...]
    url: str
    user_url: str
    user: str


def shown_rows(events: Iterable[IndexedEvent]) -> list[ShownRow]:
    """Return rows for a list."""
    return [_shown(each) for each in events]


def row_marks(row: Row) -> tuple[Mark, ...]:
    """Return what is proven of a record, and what is not."""
    return record_marks(
        row.proven, is_sealed=row.is_sealed, is_foreign=row.is_foreign, via=row.via, is_opened=row.is_opened
    )


def content_mark(row: Row) -> Mark | None:
    """Return the mark that each value of a record carries where it is shown; None where its seal and a checkpoint vouch for it."""
    if row.is_foreign:
        return FOREIGN
    if not row.is_sealed:
        return NOT_SEALED
    return None if row.proven is Proven.YES else proof_mark(row.proven)


def _shown(indexed: IndexedEvent) -> ShownRow:
    row, event = indexed.row, indexed.event
    user = row.content.user_id if row.content is not None else ""
    return ShownRow(
        event_id=row.event_id,
        time=row.time,
        event_type=row.event_type,
        service=row.service,
        sentence="" if event is None else sentence(event),
        marks=row_marks(row),
        url=event_url(row.event_id),
        user_url=user_url(user) if user else "",
        user=user,
    )
