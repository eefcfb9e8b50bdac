"""Reads outbox rows for a relay, and refuses those that its own service cannot have sealed."""

from __future__ import annotations

from telemetry.audit.accept.draft.relayed_event import RelayedEvent
from telemetry.exceptions import EventError
from telemetry.format.objects.outbox_row import OutboxRow, most_bytes, parse_row


class RowReader:
    """Reads the rows of one service; a database is input from outside.

    Args:
        source: CloudEvents source of the service.
        sealed: Whether its events are sealed.
        max_event_bytes: Limit of an event as JSON.
    """

    def __init__(self, *, source: str, sealed: bool, max_event_bytes: int) -> None:
        self._source = source
        self._sealed = sealed
        self._max_bytes = most_bytes(max_event_bytes)

    def read(self, data: bytes) -> RelayedEvent:
        """Return the event of a row.

        Raises:
            EventError: The row is damaged, of another service, or in the clear where events are sealed.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            message = f"an outbox row must be bytes, not {type(data).__name__}"
            raise EventError(message)
        row = parse_row(bytes(data), max_bytes=self._max_bytes)
        if row.source != self._source:
            message = (
                "the outbox row is of another service or environment; a relay has the service_name and environment "
                "of the application that sealed it"
            )
            raise EventError(message)
        if row.is_sealed is not self._sealed:
            raise EventError(_why(row))
        return RelayedEvent(row.event_id, row.after_sequence, row)


def _why(row: OutboxRow) -> str:
    if row.is_sealed:
        return "the outbox row is sealed, and this relay has encryption_enabled=False; set it as in the application"
    return "the outbox row is in the clear, and events of this service are sealed: the application did not write it so"
