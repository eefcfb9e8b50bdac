"""Defines what the index says of one record: its clear attributes, its worth, and who did what to which thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from telemetry.explorer.index.cursor import cursor_of
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.features import HIDDEN_EVENT_TYPE
from telemetry.reader.entry import Place, Proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is inside the seal, as far as a list of events shows it.

    Attributes:
        user_id: User whose event it is.
        actor_id: Person or program that acted, if not the user.
        actor_type: Kind of who acted.
        tenant_id: Tenant that the event concerns.
        entity: Kind of the thing acted upon.
        entity_id: Id of that thing.
        action: What was done to it.
        outcome: ``success``, ``failure`` or ``denied``.
        ip_address: Address from which the request came.
        session_id: Session of the user.
        correlation_id: Common to all events of one request.
    """

    user_id: str
    actor_id: str | None = None
    actor_type: str | None = None
    tenant_id: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    ip_address: str | None = None
    session_id: str | None = None
    correlation_id: str | None = None

    def __repr__(self) -> str:
        return "Content(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of the trail.

    Attributes:
        event_id: UUIDv7; any text of at most 256 characters in a record that stays sealed.
        time: When it was logged, as the event writes it: RFC 3339; any text likewise in a record that stays sealed.
        event_type: What happened; for who may not see content, what is outside the seal.
        service: CloudEvents source: ``/ENVIRONMENT/SERVICE``.
        producer: Id of the process stream.
        sequence: Number within that stream.
        place: Where the record was read.
        leaf: Leaf hash of the record, 32 bytes: two records that claim one id differ in it.
        proven: Whether a checkpoint of a trusted key proves it; ``PENDING`` becomes ``YES`` or ``NO`` when one arrives.
        is_sealed: False if it was logged with encryption off.
        is_foreign: Whether the trail should not have it.
        is_opened: Whether its content is in the index.
        is_type_hidden: Whether the type is inside the seal only.
        via: Source of the gateway that logged it for its service, as a trusted key has signed.
        content: What is inside the seal; None if it was not opened, or is not to be shown.
    """

    event_id: str
    time: str
    event_type: str
    service: str
    producer: str
    sequence: int
    place: Place
    leaf: bytes
    proven: Proven
    is_sealed: bool
    is_foreign: bool
    is_opened: bool
    is_type_hidden: bool = False
    via: str | None = None
    content: Content | None = None

    def __repr__(self) -> str:
        return f"Row(event_id={self.event_id!r}, place={str(self.place)!r})"

    @property
    def cursor(self) -> str:
        """Where a page that begins after this row begins; for ``EventIndex.search(after=...)``."""
        return cursor_of(self.time, self.event_id, self.leaf)

    def without_content(self) -> Row:
        """Return the row as who may not see content sees it."""
        event_type = HIDDEN_EVENT_TYPE if self.is_type_hidden else self.event_type
        return replace(self, content=None, event_type=event_type)


@dataclass(frozen=True, slots=True)
class IndexedEvent:
    """A record with the event that was in it.

    Attributes:
        row: The record.
        event: The event; None if it was not opened, or is not to be shown.
        copies: How many further records with the same bytes were read.
        is_left_out: Whether the event is left out because of its size, beside others that claim its id.
    """

    row: Row
    event: AuditEvent | None
    copies: int = 0
    is_left_out: bool = False
