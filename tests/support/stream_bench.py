"""Opens streams of other services and what they share, without a sender: the test draws and settles."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.share import WaitingRoom
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.producer import TreeState
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.spool.own_files import open_folder
from telemetry.audit.spool.spool import Spool
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.streams.fair_batcher import FairBatcher
from telemetry.audit.streams.open_stream import OpenStream
from telemetry.audit.streams.shared_room import SharedRoom
from telemetry.audit.streams.stream_builder import CommonParts, StreamBuilder
from telemetry.exceptions import TelemetryError
from telemetry.format.proof.checkpoint import Checkpoint, open_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.value.message import context_of
from tests.support.gateway_site import SOURCE, GatewaySite
from tests.support.until import until

ROOM = 8
"""Of which one stream may have a quarter: two events."""


class _Refused:
    """Nothing is refused after its call has returned."""

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        raise AssertionError(error, calls)

    def lost(self, error: TelemetryError, *, events: int) -> None:
        raise AssertionError(error, events)


class FailingSigner(CheckpointSigner):
    """Signs, except for the sources in ``failing``."""

    failing: frozenset[str] = frozenset()

    def sign(self, part: TreeState, *, at: int, final: bool = False, source: str | None = None) -> SealedRecord:
        """Return a checkpoint, or fail."""
        if source in self.failing:
            message = "no memory to sign with"
            raise MemoryError(message)
        return super().sign(part, at=at, final=final, source=source)


class StreamBench:
    """A builder of streams and what they share, without a sender: the test draws and settles."""

    def __init__(
        self, folder: Path, opened: ExitStack, *, has_spool: bool = False, has_keys: bool = False, **changes: Any
    ) -> None:
        self.site = GatewaySite("127.0.0.1:1", folder)
        config = self.site.config(queue_full_timeout_ms=3_600_000, **changes)
        audit = config.audit_config
        self.lock = threading.Lock()
        self.room = SharedRoom(lock=self.lock, max_events=ROOM, max_bytes=1 << 20, max_share=0.25)
        self.batcher = FairBatcher(lock=self.lock, max_bytes=1 << 20, max_delay=600.0)
        self.folder = folder / "spool"
        spool = segments = None
        if has_spool:
            open_folder(self.folder)
            spool = Spool(lock=self.lock, room=self.room, is_shared=True)
            opened.callback(spool.close)
            segments = Segments(folder=self.folder, topic=audit.kafka_topic, source=SOURCE)
        keys = None
        if has_keys:
            keys = KeySupply(audit, context=context_of(SOURCE))
            opened.callback(keys.close)
        timer = WaitingTimer(self.lock)
        opened.callback(timer.stop)
        self.signer = None
        if audit.signing_config is not None:
            self.signer = FailingSigner(audit.signing_config, source=SOURCE, topic=audit.kafka_topic)
        self.common = CommonParts(
            lock=self.lock,
            room=self.room,
            waiting=WaitingRoom(max_events=100, max_bytes=1 << 20, max_share=1.0),
            batcher=self.batcher,
            refusals=_Refused(),
            timer=timer,
            times=SealTimes(self.lock),
            keys=keys,
            signer=self.signer,
            spool=spool,
            segments=segments,
        )
        self.builder = StreamBuilder(config, self.common)

    def drawn(self, count: int) -> list[SealedRecord]:
        """Return so many records, which the spool may have to commit first."""
        batch: list[SealedRecord] = []

        def draw() -> bool:
            batch.extend(self.batcher.take_all())
            return len(batch) >= count

        until(draw, what=f"{count} records")
        assert len(batch) == count
        return batch

    def settle(self, records: Sequence[SealedRecord]) -> None:
        """Settle records as the ledger does."""
        for record in records:
            if record.segment is not None:
                record.segment.acknowledge([record])
        own = [record for record in records if record.receipt is not None]
        self.room.give_back(len(own), sum(record.size for record in own), records)

    def signed(self, stream: OpenStream, records: Sequence[SealedRecord] = ()) -> list[Checkpoint]:
        """Return the checkpoints that are due after these records, whose signature the gateway's key confirms."""
        return [self.verified(record) for record in stream.before_send(records)]

    def verified(self, record: SealedRecord) -> Checkpoint:
        message = decode_checkpoint_message(record.value)
        assert message is not None
        return open_checkpoint(message.data, [self.site.public_key])


def log(stream: OpenStream, count: int = 1) -> list[Receipt]:
    """Offer so many events to a stream."""
    return [stream.intake.offer(stream.factory.draft("step", {"n": n}, "ada", {})) for n in range(count)]


def pass_seconds(stream: OpenStream, seconds: float) -> None:
    """Let time pass, from the point of view of the stream's checkpointer."""
    assert stream.checkpointer is not None
    stream.checkpointer._opened_at -= seconds
    stream.checkpointer._signed_at -= seconds
