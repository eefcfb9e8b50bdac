"""Turns an entry of the trail into what the index keeps of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from telemetry.explorer.index.store.bodies import encoded
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.features import HIDDEN_TYPE
from telemetry.format.value.message import parse, source_of
from telemetry.reader.entry import OpenedEvent, Place, Proven, SealedEntry
from telemetry.reader.filters.text import searched_texts
from telemetry.reader.proof.places import PlaceReader

MAX_TEXT = 64 << 10
"""Bytes of the texts of an event; of one with more, a search for a text opens the event."""
MAX_LABEL = 256
"""Characters of an attribute of a record that stays sealed, where nothing vouches for it, and of a time."""
BORDER = b"\xff"
"""Between two texts; UTF-8 never has it, so that nothing is found across the border."""
_MARK = "\udfff"
"""Between two texts until they are encoded; no event has it, because JSON with half a pair of surrogates is refused."""
_ENCODED_MARK = _MARK.encode("utf-8", "surrogatepass")

CLEAR_COLUMNS = ("type", "clear_type", "service", "producer", "via", "day")
CONTENT_COLUMNS = (
    "user",
    "actor",
    "actor_type",
    "tenant",
    "kind",
    "thing",
    "action",
    "outcome",
    "address",
    "session",
    "correlation",
    "occurred",
)
COLUMNS = CLEAR_COLUMNS + CONTENT_COLUMNS

SEALED, FOREIGN, OPENED, HIDDEN, ADJUSTED = 1, 2, 4, 8, 16
"""Bits of a row's flags."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?=T)")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z", re.ASCII)
_NO_CONTENT = (None,) * len(CONTENT_COLUMNS)

_source = lru_cache(maxsize=1_024)(source_of)

Key = tuple[str, bytes, bytes]
"""Time, id and leaf hash: the order of rows, whatever order they arrived in."""


@dataclass(slots=True, kw_only=True)
class Line:
    """What the index keeps of one record.

    Attributes:
        time: Time of the event.
        id_bytes: The id as 16 bytes; of an id that is no UUID, its digest.
        odd_id: The id, if it is no UUID.
        leaf: Leaf hash of the record.
        sequence: Sequence in the producer's stream.
        place: Place of the record.
        proven: Whether it is proven.
        flags: Bits, such as :data:`SEALED`.
        values: Values of :data:`COLUMNS`.
        body: The event as JSON; None if it was not opened.
        text: Texts of the event, folded, with :data:`BORDER` between them; None if there are too many, or none.
        targets: Things acted upon beside the one in the columns: kinds, and kinds with ids.
        arrival: Number of the record in the order of arrival.
    """

    time: str
    id_bytes: bytes
    odd_id: str | None
    leaf: bytes
    sequence: int
    place: Place
    proven: Proven
    flags: int
    values: tuple[str | None, ...]
    body: bytes | None = None
    text: bytes | None = None
    targets: tuple[str, ...] = ()
    arrival: int = 0

    @property
    def key(self) -> Key:
        """The order of the rows."""
        return self.time, self.id_bytes, self.leaf


class LineMaker:
    """Turns entries into lines."""

    def __init__(self) -> None:
        self._places = PlaceReader()

    def line(self, entry: OpenedEvent | SealedEntry, *, arrival: int) -> Line:
        """Return the line of an entry.

        Args:
            entry: The entry.
            arrival: Its number in the order of arrival.
        """
        line = _of_opened(entry) if isinstance(entry, OpenedEvent) else self._of_sealed(entry)
        line.arrival = arrival
        return line

    def _of_sealed(self, entry: SealedEntry) -> Line:
        value = entry.raw.value or b""
        place = self._places.read(value)
        source = place.source if place is not None else ""
        if not source:
            source = str(parse(value).attributes["source"])
        event_type, time, event_id = (text[:MAX_LABEL] for text in (entry.event_type, entry.time, entry.event_id))
        values = (event_type, event_type, source[:MAX_LABEL], entry.producer[:MAX_LABEL], None, _day_of(time))
        return Line(
            time=time,
            id_bytes=id_bytes_of(event_id),
            odd_id=None if is_uuid(event_id) else event_id,
            leaf=leaf_hash(value),
            sequence=entry.sequence,
            place=entry.place,
            proven=entry.proven,
            flags=SEALED,
            values=values + _NO_CONTENT,
        )


def id_bytes_of(event_id: str) -> bytes:
    """Return an id as 16 bytes."""
    if is_uuid(event_id):
        return UUID(event_id).bytes
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).digest()[:16]


def is_plain_time(time: str) -> bool:
    """Return whether a time is in the form in which the library writes it."""
    return _TIME.fullmatch(time) is not None


def _of_opened(entry: OpenedEvent) -> Line:
    event = entry.event
    # As the index of proofs names the stream: what a producer claims of another service is another stream.
    source = _source(event.environment, event.service_name)
    is_hidden = HIDDEN_TYPE in event.features
    flags = (
        OPENED
        | (SEALED if entry.sealed else 0)
        | (FOREIGN if entry.is_foreign else 0)
        | (HIDDEN if is_hidden else 0)
        | (ADJUSTED if event.adjusted else 0)
    )
    return Line(
        time=event.time[:MAX_LABEL],
        id_bytes=id_bytes_of(event.id),
        odd_id=None if is_uuid(event.id) else event.id,
        leaf=leaf_hash(entry.raw.value or b""),
        sequence=event.sequence,
        place=entry.place,
        proven=entry.proven,
        flags=flags,
        values=(
            event.event_type,
            event.clear_type,
            source,
            event.producer,
            entry.via,
            _day_of(event.time),
            event.user_id,
            event.actor_id,
            event.actor_type,
            event.tenant_id,
            event.entity,
            event.entity_id,
            event.action,
            event.outcome,
            event.ip_address,
            event.session_id,
            event.correlation_id,
            event.occurred_at,
        ),
        body=encoded(event),
        text=_text(event),
        targets=_targets(event),
    )


def _day_of(time: str) -> str | None:
    day = _DAY.match(time)
    return None if day is None else day[0]


def _text(event: AuditEvent) -> bytes | None:
    # Folding goes character by character, so all texts are folded and encoded at once.
    text = _MARK.join(searched_texts(event)).casefold().encode("utf-8", "surrogatepass").replace(_ENCODED_MARK, BORDER)
    return text if len(text) <= MAX_TEXT else None


def _targets(event: AuditEvent) -> tuple[str, ...]:
    if not event.targets:
        return ()
    kinds = {target.entity for target in event.targets}
    things = {f"{target.entity}/{target.entity_id}" for target in event.targets if target.entity_id is not None}
    return tuple(sorted(kinds | things))
