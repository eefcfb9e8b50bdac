"""Finds the records of one event in a trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.message import Message, parse
from telemetry.reader.entry import DamagedRecord, RawRecord


def find_event(records: Iterable[RawRecord | DamagedRecord], event_id: str) -> Iterator[tuple[RawRecord, Message]]:
    """Yield every record that says it is this event: copies, replays, and what pretends to be one.

    Args:
        records: Of any source; those that cannot be parsed are passed over.
        event_id: UUIDv7 of the event.
    """
    needle = b'"id":"%b"' % event_id.encode()
    for record in records:
        value = None if isinstance(record, DamagedRecord) else record.value
        if value is None or needle not in value:
            continue
        try:
            message = parse(value)
        except MalformedRecordError:
            continue  # it is no event; the verifier tells of it
        if message.attributes["id"] == event_id:
            yield record, message  # type: ignore[misc]  # a damaged record has no value here
