"""Finds the records of single events in a trail."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator
from typing import NamedTuple

from telemetry.exceptions import MalformedRecordError
from telemetry.format.uuid7 import UUID_PATTERN
from telemetry.format.value.message import Message, parse
from telemetry.reader.entry import EndedRun, Proven, RawRecord, RedactedEvent, SourceRecord
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.prove.fair_room import FairRoom
from telemetry.reader.trust.policy import TrustPolicy

MAX_CLAIMS = 100_000
"""Different records that claim to be the events; more of them cannot be told apart in bounded memory."""

_ID = re.compile(rb'"id":"(%b)"' % UUID_PATTERN.encode())


def find_event(records: Iterable[SourceRecord], event_id: str) -> Iterator[tuple[RawRecord, Message]]:
    """Yield every record that claims to be this event: the record, its copies and replays, and any forgery.

    Args:
        records: Records of any source; those that cannot be parsed are skipped.
        event_id: UUIDv7 of the event.
    """
    # Most records are ruled out by a search for bytes; only the few that contain the id are parsed.
    needle = b'"id":"%b"' % event_id.encode()
    for record in records:
        if not isinstance(record, RawRecord) or needle not in (value := record.value or b""):
            continue
        try:
            message = parse(value)
        except MalformedRecordError:
            continue  # not an event; the verifier reports it
        if message.attributes["id"] == event_id:
            yield record, message


class ClaimedPosition(NamedTuple):
    """A place in a producer's stream where a record claims to be an event.

    Attributes:
        producer: UUIDv7 of the producer.
        source: CloudEvents source; None for any.
        sequence: Number in the producer's stream.
        is_trusted: Whether a trusted key has signed for the producer.
    """

    producer: str
    source: str | None
    sequence: int
    is_trusted: bool


class Claims(NamedTuple):
    """Where one event may be.

    Attributes:
        positions: The proven positions alone if there are any, else those of trusted producers, else all.
        is_crowded: Whether more records claim to be it than there was room for.
    """

    positions: tuple[ClaimedPosition, ...]
    is_crowded: bool


def find_positions(
    records: Iterable[SourceRecord], event_ids: Collection[str], *, policy: TrustPolicy
) -> dict[str, Claims]:
    """Return where each of some events may be, found in one pass.

    Anyone may write records that claim to be an event, at any number of positions: they must not hide the one that was
    signed, nor other events.

    Args:
        records: Records of every source, in any order.
        event_ids: UUIDv7 of the events, at least one.
        policy: Who may sign what.
    """
    index = ProofIndex(policy, _NoKeys())
    room = FairRoom(MAX_CLAIMS, parties=len(event_ids))
    claims: dict[str, dict[StreamPlace, None]] = {event_id: {} for event_id in event_ids}
    crowded = set[str]()
    try:
        for record, place in _places(records, index):
            event_id = _claimed_event(record, claims)
            if event_id is None or place in claims[event_id]:
                continue
            if room.take(len(claims[event_id])):
                claims[event_id][place] = None
            else:
                crowded.add(event_id)
        return {event_id: Claims(_likeliest(index, places), event_id in crowded) for event_id, places in claims.items()}
    finally:
        index.close()


def _claimed_event(record: RawRecord | RedactedEvent, wanted: Container[str]) -> str | None:
    """Return the event that a record claims to be, if it is a wanted one."""
    if isinstance(record, RedactedEvent):
        return record.event_id if record.event_id in wanted else None
    # Most records are ruled out by a search for bytes; only the few that contain a wanted id are parsed.
    for match in _ID.finditer(record.value or b""):
        event_id = match[1].decode()
        if event_id in wanted and next(find_event([record], event_id), None) is not None:
            return event_id
    return None


def _likeliest(index: ProofIndex, claims: Iterable[StreamPlace]) -> tuple[ClaimedPosition, ...]:
    proven = [place for place in claims if index.judge(place) is Proven.YES]
    trusted = [place for place in claims if index.is_trusted(place.producer)]
    chosen = proven or trusted or claims
    positions = (ClaimedPosition(*place[:3], is_trusted=index.is_trusted(place.producer)) for place in chosen)
    return tuple(dict.fromkeys(positions))


def _places(
    records: Iterable[SourceRecord], index: ProofIndex
) -> Iterator[tuple[RawRecord | RedactedEvent, StreamPlace]]:
    for record in records:
        if isinstance(record, RedactedEvent):
            yield record, index.observe_redacted(record)
        elif isinstance(record, EndedRun):
            index.observe_ended(record)
        elif isinstance(record, RawRecord) and (place := index.observe(record)) is not None:
            yield record, place


class _NoKeys:
    """Ignores the data keys that checkpoints list: nothing is opened here."""

    def list_keys(self, kids: Iterable[str]) -> None:
        """Do nothing."""
