"""Combines the parts that one stream has for itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.key_supply import ReadyKeys
from telemetry.audit.accept.share import Share
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.health import StreamHealth
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.spool.stream.spooled_stream import SpooledStream


@dataclass(slots=True, kw_only=True, eq=False)
class OpenStream:
    """One producer's stream among several, from its first event until it is idle.

    Attributes:
        service_name: The service whose events it has.
        stream: Numbers, tree and keys of the producer.
        factory: Checks and writes its events.
        intake: Accepts its events.
        share: What it uses of the room.
        keys: Its data keys; None where events are not encrypted.
        spooled: Its part of the spool; None where there is none.
        checkpointer: Signs its tree; None where nothing is signed.
        seen_at: When the sender last had an event of it, in monotonic seconds; the sender alone changes it.
    """

    service_name: str
    stream: ProducerStream
    factory: EventFactory
    intake: Intake
    share: Share
    keys: ReadyKeys | None
    spooled: SpooledStream | None
    checkpointer: Checkpointer | None
    seen_at: float = field(default_factory=time.monotonic)

    @property
    def producer(self) -> str:
        """UUIDv7 of the stream."""
        return self.stream.producer

    @property
    def health(self) -> StreamHealth:
        """How it is; may be asked in any thread."""
        return StreamHealth(
            service_name=self.service_name,
            waiting=self.intake.waiting,
            used_share=self.share.fill,
            has_data_key=self.keys is None or self.keys.keyring.has_usable_key,
            oldest_waiting_seconds=self.intake.oldest_waiting_seconds,
        )

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Return the checkpoints that are due; called by the sender with the stream's records of a batch."""
        # A stream that has no event yet has nothing to be verified, so it shows no sign of life either.
        if self.checkpointer is None or not self.stream.next_sequence:
            return ()
        return self.checkpointer.before_send(records)

    def expect_end(self) -> None:
        """Sign the final checkpoint as soon as the tree has every event; no more are accepted."""
        if self.checkpointer is not None:
            self.checkpointer.expect_end()
