"""A sealed event on its way through the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from telemetry.audit.receipt import Receipt


class Segment(Protocol):
    """What keeps records on disk until they are settled."""

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store."""


class SealedRecord:
    """One record: what is sent, and what became of it.

    It is its own delivery callback, so that sending makes no further object per event.

    Attributes:
        event_id: UUIDv7 of the event; of the checkpoint for a checkpoint.
        producer: The stream it belongs to.
        sequence: Its place there; None for a checkpoint.
        key: Kafka key.
        value: Kafka value; its bytes never change.
        size: Bytes of key and value.
        receipt: Who may wait for it; None where nobody can.
        error: Why Kafka did not take it, once reported.
        partition: Where Kafka stored it, once delivered.
        offset: Where Kafka stored it, once delivered.
        reported: Whether Kafka's client has reported on it.
        sink: Where the delivery report goes.
        segment: The spool segment that holds it, if one does.
    """

    __slots__ = (
        "error",
        "event_id",
        "key",
        "offset",
        "partition",
        "producer",
        "receipt",
        "reported",
        "segment",
        "sequence",
        "sink",
        "size",
        "value",
    )

    def __init__(
        self,
        *,
        event_id: str,
        producer: str,
        sequence: int | None,
        key: bytes,
        value: bytes,
        receipt: Receipt | None = None,
    ) -> None:
        self.event_id = event_id
        self.producer = producer
        self.sequence = sequence
        self.key = key
        self.value = value
        self.size = len(key) + len(value)
        self.receipt = receipt
        self.reported = False
        self.error: Any = None
        self.partition = -1
        self.offset = -1
        self.sink: Callable[[SealedRecord], None] | None = None
        self.segment: Segment | None = None

    def __repr__(self) -> str:
        return f"SealedRecord(event_id={self.event_id!r}, producer={self.producer!r}, sequence={self.sequence})"

    def __call__(self, error: Any, message: Any) -> None:
        """Take the delivery report of Kafka's client; runs in the thread that polls it."""
        if error is None:
            self.partition = message.partition()
            self.offset = message.offset()
        self.error = error
        self.reported = True
        if self.sink is not None:
            self.sink(self)

    def forget_report(self) -> None:
        """Make it ready to be sent again."""
        self.reported = False
        self.error = None
        self.sink = None
