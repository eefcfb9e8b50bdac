"""Defines an event that another process has sealed and that only lacks its place in the producer's sequence."""

from __future__ import annotations

from typing import final

import msgspec

from telemetry.audit.record import SealedRecord
from telemetry.format.objects.outbox_row import OutboxRow


@final
class RelayedEvent(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An event from an outbox, which takes the way of an ``EventDraft``.

    Attributes:
        id: UUIDv7.
        json_after_sequence: What takes most of its bytes; only its length is used.
        row: All of it.
    """

    id: str
    json_after_sequence: bytes
    row: OutboxRow

    def __repr__(self) -> str:
        return f"RelayedEvent(id={self.id!r})"

    def in_place(self, producer: str, sequence: int) -> SealedRecord:
        """Return the record that has this place."""
        row = self.row
        record = SealedRecord.written(
            self.id, producer=producer, sequence=sequence, key=row.key, value=row.value(producer, sequence)
        )
        record.jwe_header, record.is_relayed = row.jwe_header, True
        return record
