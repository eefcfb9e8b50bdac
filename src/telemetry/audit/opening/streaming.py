"""Builds what divides a pipeline among streams: the process's own alone, or those of many services."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from telemetry.audit.accept.intake import Intake, RecordQueue, Refusals
from telemetry.audit.accept.intakes import Intakes
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.share import WaitingRoom
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.waiting_line import Patience, WaitingLine
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.opening.spooling import queue_bytes
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.send.dispatcher import BatchObserver
from telemetry.audit.streams.fair_batcher import FairBatcher
from telemetry.audit.streams.shared_room import SharedRoom
from telemetry.audit.streams.stream_builder import CommonParts, StreamBuilder, shared_line
from telemetry.audit.streams.stream_registry import StreamRegistry
from telemetry.audit.streams.stream_rounds import StreamRounds
from telemetry.config import TelemetryConfig

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog


class Accepting(NamedTuple):
    """What accepts the events of a process.

    Attributes:
        intake: That of the process's own stream.
        all: All intakes.
        registry: The streams of other services; None where it carries none.
    """

    intake: Intake
    all: Intakes
    registry: StreamRegistry | None


class Sharing:
    """What the streams of a process have in common; for a process without other services' streams, what its own one has.

    Args:
        config: The whole configuration.
        lock: The intakes' lock.

    Attributes:
        room: Room of accepted events.
        batcher: Collects the records for the sender.
        times: Gets the time that sealing takes.
    """

    room: Room
    batcher: AuditBatcher

    def __init__(self, config: TelemetryConfig, lock: threading.Lock) -> None:
        audit = config.audit_config
        self._config = config
        self._lock = lock
        self._timer = WaitingTimer(lock)
        self.times = SealTimes(lock)
        shared = audit.shared_streams
        bounds = {"max_events": audit.queue_max_events, "max_bytes": queue_bytes(audit)}
        size, delay = audit.batch_size_kb << 10, audit.batch_timeout_ms / 1_000
        if shared is None:
            self.room = Room(lock=lock, **bounds)
            self.batcher = AuditBatcher(lock=lock, max_bytes=size, max_delay=delay)
        else:
            self.room = SharedRoom(lock=lock, max_share=shared.max_share, **bounds)
            self.batcher = FairBatcher(lock=lock, max_bytes=size, max_delay=delay)

    def accepting(
        self,
        stream: ProducerStream,
        queue: RecordQueue,
        *,
        refusals: Refusals,
        keys: KeySupply | None,
        signer: CheckpointSigner | None,
        catalog: AuditCatalog | None,
    ) -> Accepting:
        """Return what accepts events.

        Args:
            stream: The process's own stream.
            queue: The next station of its records.
            refusals: Counts events that are refused after their call has returned.
            keys: The key service; None where events are not encrypted.
            signer: The signing key; None where nothing is signed.
            catalog: The declared types, if there is a catalogue.
        """
        room, batcher, shared = self.room, self.batcher, self._config.audit_config.shared_streams
        common = None
        if shared is not None and isinstance(room, SharedRoom) and isinstance(batcher, FairBatcher):
            audit = self._config.audit_config
            common = CommonParts(
                lock=self._lock,
                room=room,
                waiting=WaitingRoom(
                    max_events=audit.queue_max_events, max_bytes=audit.queue_max_bytes, max_share=shared.max_share
                ),
                batcher=batcher,
                refusals=refusals,
                timer=self._timer,
                times=self.times,
                keys=keys,
                signer=signer,
            )
        intake = Intake(
            stream,
            lock=self._lock,
            room=room,
            line=self._own_line() if common is None else shared_line(self._config, common.waiting),
            queue=queue,
            refusals=refusals,
            timer=self._timer,
            times=self.times,
            share=room.add_share(stream.producer) if isinstance(room, SharedRoom) else None,
        )
        if common is None or shared is None:
            return Accepting(intake, Intakes(intake, timer=self._timer), None)
        opener = StreamBuilder(self._config, common, catalog=catalog)
        registry = StreamRegistry(opener, max_streams=shared.max_streams)
        return Accepting(intake, Intakes(intake, timer=self._timer, others=registry), registry)

    def _own_line(self) -> WaitingLine:
        audit = self._config.audit_config
        return WaitingLine(
            max_events=audit.queue_max_events,
            max_bytes=audit.queue_max_bytes,
            patience=Patience(audit.queue_full_timeout_ms / 1_000, audit.data_key_wait_ms / 1_000),
        )


def checkpoints_of(
    config: TelemetryConfig,
    stream: ProducerStream,
    *,
    checkpointer: Checkpointer | None,
    registry: StreamRegistry | None,
) -> StreamRounds | Checkpointer | None:
    """Return the observer that signs the streams of a process; None where there is nothing to do.

    Args:
        config: The whole configuration.
        stream: The process's own stream.
        checkpointer: Signs that one; None where nothing is signed.
        registry: The streams of other services; None where it carries none.
    """
    shared = config.audit_config.shared_streams
    if registry is None or shared is None:
        return checkpointer
    return StreamRounds(registry, own=stream.producer, checkpointer=checkpointer, idle_seconds=shared.idle_seconds)


def observed(*observers: BatchObserver | None) -> list[BatchObserver]:
    """Return the observers that there are."""
    return [observer for observer in observers if observer is not None]
