"""Finds the records of one event in a trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.message import Message, parse
from telemetry.reader.entry import DamagedRecord, Proven, RawRecord
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.trust.policy import TrustPolicy

MAX_CLAIMS = 100_000
"""Different records that claim to be one event; more of them cannot be told apart in bounded memory."""


def find_event(records: Iterable[RawRecord | DamagedRecord], event_id: str) -> Iterator[tuple[RawRecord, Message]]:
    """Yield every record that claims to be this event: the record, its copies and replays, and any forgery.

    Args:
        records: Records of any source; those that cannot be parsed are skipped.
        event_id: UUIDv7 of the event.
    """
    # Most records are ruled out by a search for bytes; only the few that contain the id are parsed.
    needle = b'"id":"%b"' % event_id.encode()
    for record in records:
        value = None if isinstance(record, DamagedRecord) else record.value
        if value is None or needle not in value:
            continue
        try:
            message = parse(value)
        except MalformedRecordError:
            continue  # not an event; the verifier reports it
        if message.attributes["id"] == event_id:
            yield record, message  # type: ignore[misc]  # a damaged record has no value here


def find_positions(
    records: Iterable[RawRecord | DamagedRecord], event_id: str, *, policy: TrustPolicy
) -> list[tuple[str, str, int]]:
    """Return producer, source and sequence of each record that may be this event, the proven ones alone if there are any.

    Anyone may write records that claim to be the event, at any number of positions: they must not hide the one that was
    signed.

    Args:
        records: Records of every source, in any order.
        event_id: UUIDv7 of the event.
        policy: Who may sign what.
    """
    index, claims = ProofIndex(policy, _NoKeys()), dict[StreamPlace, None]()
    try:
        for raw, place in _places(records, index):
            if len(claims) < MAX_CLAIMS and next(find_event([raw], event_id), None) is not None:
                claims[place] = None
        proven = [place for place in claims if index.judge(place) is Proven.YES]
        trusted = [place for place in claims if index.is_trusted(place.producer)]
    finally:
        index.close()
    return list(dict.fromkeys(place[:3] for place in proven or trusted or claims))


def _places(records: Iterable[RawRecord | DamagedRecord], index: ProofIndex) -> Iterator[tuple[RawRecord, StreamPlace]]:
    for record in records:
        place = index.observe(record) if isinstance(record, RawRecord) else None
        if place is not None:
            yield record, place  # type: ignore[misc]  # only a raw record has a place


class _NoKeys:
    """Ignores the data keys that checkpoints list: nothing is opened here."""

    def list_keys(self, kids: Iterable[str]) -> None:
        """Do nothing."""
