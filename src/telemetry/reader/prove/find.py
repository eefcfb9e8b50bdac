"""Finds the records of one event in a trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.message import Message, parse
from telemetry.reader.entry import DamagedRecord, RawRecord


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
