"""A sealed event on its way through the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from telemetry.audit.receipt import Receipt
from telemetry.format.value.parts import value_of


class Segment(Protocol):
    """What keeps records on disk until they are settled."""

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store."""


class SealedRecord(msgspec.Struct, eq=False, gc=False):
    """One record: what is sent, and what became of it.

    It is its own delivery callback, so that sending makes no further object per event. What was just sealed is kept in
    its parts, as ``format.value.parts`` names them: the caller of ``log()`` need not wait for the value.

    Attributes:
        event_id: UUIDv7 of the event; of the checkpoint for a checkpoint.
        producer: The stream it belongs to.
        sequence: Its place there; None for a checkpoint.
        key: Kafka key.
        size: Bytes of key and value; an event that was just sealed may count up to 20 more.
        receipt: Who may wait for it; None where nobody can.
        value_head: First part of the value, which is constant for the data key.
        id_and_time_json: Id and time as JSON members, each after its comma.
        clear_tail: The clear part that follows them, up to the data.
        jwe_header: Protected header of the JWE, in base64url.
        iv: Initialization vector.
        ciphertext: With the tag; empty where the value is written out.
        error: Why Kafka did not take it, once reported.
        partition: Where Kafka stored it, once delivered.
        offset: Where Kafka stored it, once delivered.
        reported: Whether Kafka's client has reported on it.
        sink: Where the delivery report goes; None where no report is asked for.
        covers: Records for which this one's report speaks too; None where its partition was not known beforehand.
        segment: The spool segment that holds it, if one does.
    """

    event_id: str
    producer: str
    sequence: int | None
    key: bytes
    size: int
    receipt: Receipt | None = None
    value_head: bytes = b""
    id_and_time_json: bytes = b""
    clear_tail: bytes = b""
    jwe_header: bytes = b""
    iv: bytes = b""
    ciphertext: bytes = b""
    _value: bytes = b""
    reported: bool = False
    error: Any = None
    partition: int = -1
    offset: int = -1
    sink: Callable[[SealedRecord], None] | None = None
    covers: list[SealedRecord] | None = None
    segment: Segment | None = None

    @classmethod
    def written(cls, event_id: str, *, producer: str, sequence: int | None, key: bytes, value: bytes) -> SealedRecord:
        """Return a record whose value is there already."""
        return cls(event_id, producer, sequence, key, len(key) + len(value), _value=value)

    @property
    def value(self) -> bytes:
        """Kafka value; its bytes never change. Until :meth:`write`, it is written out each time it is asked for."""
        ciphertext = self.ciphertext
        return value_of(self, ciphertext) if ciphertext else self._value

    def write(self, value: bytes) -> None:
        """Keep the value that was written out, instead of the ciphertext."""
        self._value = value
        self.ciphertext = b""

    def __repr__(self) -> str:
        return f"SealedRecord(event_id={self.event_id!r}, producer={self.producer!r}, sequence={self.sequence})"

    def __call__(self, error: Any, message: Any) -> None:
        """Take the delivery report of Kafka's client; runs in the thread that polls it."""
        if error is None:
            self.partition = message.partition()
            self.offset = message.offset()
        self.error = error
        self.reported = True
        sink = self.sink
        if sink is not None:
            sink(self)

    def forget_report(self) -> None:
        """Make it ready to be sent again."""
        self.reported = False
        self.error = None
        self.sink = None
        self.covers = None
