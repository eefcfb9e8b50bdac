"""Defines a sealed event on its way through the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from telemetry.audit.receipt import Receipt
from telemetry.format.value.parts import value_of


class Segment(Protocol):
    """A spool file that keeps records until they are settled."""

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store."""


# No lock protects a record. It is in one place at a time, and only the thread of that place writes to it:
#
#   field                          | written by                                   | when
#   -------------------------------+----------------------------------------------+------------------------------
#   event_id ... size              | caller of log(), under the intake's lock     | sealing; never again
#   value_head ... iv              | caller of log(), under the intake's lock     | sealing; never again
#   is_relayed                     | caller of relay(), under that lock           | with the sequence number
#   leaves                         | sender, where it creates the checkpoint      | never again
#   receipt                        | caller of log(), under the intake's lock     | with the sequence number
#   ciphertext, _value (write)     | spool thread; sender where there is no spool | once, before the record is sent
#   segment                        | spool thread; sender for a checkpoint        | when the record is committed
#   on_report, also_confirms       | sender or replay thread                      | just before each send
#   partition, offset              | polling thread of the transport              | with the delivery report
#   error, reported                | polling thread of the transport              | with the delivery report
#   reset by forget_report        | sender or replay thread                      | after that transport has ended
#
# A shutdown that does not get an answer from the sender reads records without writing to them.
class SealedRecord(msgspec.Struct, eq=False, gc=False):
    """One record: what is sent, and what happened to it.

    It is its own delivery callback, so that sending creates no further object per event. An event that was just sealed
    is kept in the parts of its value, so that the caller of ``log()`` does not wait until the value is written out.

    Attributes:
        event_id: UUIDv7 of the event; of the checkpoint for a checkpoint.
        producer: The stream it belongs to.
        sequence: Its place there; None for a checkpoint.
        key: Kafka key.
        size: Bytes of key, value and leaves; an event that was just sealed may count up to 20 more.
        receipt: The receipt that ``log()`` returned; None where ``log()`` did not create the record.
        value_head: First part of the value, which is constant for the data key.
        id_and_time_json: Id and time as JSON members, each after its comma.
        clear_tail: The clear part that follows them, up to the data.
        jwe_header: Protected header of the JWE, in base64url.
        iv: Initialization vector.
        is_relayed: Another process has sealed it, and it came from an outbox.
        leaves: What a checkpoint's record carries in its leaves header; empty for an event.
        ciphertext: Ciphertext with its tag; empty once the value is written out.
        error: Why Kafka refused it, once reported.
        partition: Partition of the topic, once delivered.
        offset: Offset in the partition, once delivered.
        reported: Whether Kafka's client has reported on it.
        on_report: Called with the record when its delivery report arrives; None where no report is asked for.
        also_confirms: Records that this one's report confirms as well; None where its partition was not known before.
        segment: The spool segment that keeps it, if one does.
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
    leaves: bytes = b""
    _value: bytes = b""
    reported: bool = False
    error: Any = None
    partition: int = -1
    offset: int = -1
    on_report: Callable[[SealedRecord], None] | None = None
    also_confirms: list[SealedRecord] | None = None
    segment: Segment | None = None
    is_relayed: bool = False

    @classmethod
    def written(
        cls, event_id: str, *, producer: str, sequence: int | None, key: bytes, value: bytes, leaves: bytes = b""
    ) -> SealedRecord:
        """Return a record whose value is already written out."""
        size = len(key) + len(value) + len(leaves)
        return cls(
            event_id=event_id, producer=producer, sequence=sequence, key=key, size=size, leaves=leaves, _value=value
        )

    @property
    def value(self) -> bytes:
        """Kafka value; its bytes never change. Until :meth:`write` each read writes it out anew."""
        ciphertext = self.ciphertext
        return value_of(self, ciphertext) if ciphertext else self._value

    def write(self, value: bytes) -> None:
        """Keep the value that was written out, instead of the ciphertext."""
        # In this order: a thread that reads `value` meanwhile finds either the ciphertext or the finished value.
        self._value = value
        self.ciphertext = b""

    def __repr__(self) -> str:
        return f"SealedRecord(event_id={self.event_id!r}, producer={self.producer!r}, sequence={self.sequence})"

    def __call__(self, error: Any, message: Any) -> None:
        """Store the delivery report of Kafka's client; runs in the thread that polls it."""
        if error is None:
            self.partition = message.partition()
            self.offset = message.offset()
        self.error = error
        self.reported = True
        on_report = self.on_report
        if on_report is not None:
            on_report(self)

    def forget_report(self) -> None:
        """Prepare it to be sent again."""
        self.reported = False
        self.error = None
        self.on_report = None
        self.also_confirms = None
