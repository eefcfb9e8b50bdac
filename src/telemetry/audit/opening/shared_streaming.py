"""Builds what accepts the events of a process that logs on behalf of other services, each with a stream of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.intakes import Intakes
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.share import SharedLine, WaitingRoom
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.subject.sealing import ServiceSubjects
from telemetry.audit.accept.waiting_line import waiting_line_of
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.ledger import Ledger
from telemetry.audit.opening.descriptors import most_streams
from telemetry.audit.opening.spooling import Spooling, queue_bytes
from telemetry.audit.opening.streaming import Accepting
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.streams.fair_batcher import FairBatcher
from telemetry.audit.streams.service_pipelines import ServicePipelines
from telemetry.audit.streams.shared_room import SharedRoom
from telemetry.audit.streams.stream_builder import CommonParts, StreamBuilder
from telemetry.audit.streams.stream_registry import StreamRegistry
from telemetry.audit.streams.stream_rounds import StreamRounds
from telemetry.config import TelemetryConfig
from telemetry.config.gateway.shared_streams import SharedStreamsConfig

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog


class SharedStreaming:
    """Builds the parts that all streams of a process share, and what opens the streams.

    Args:
        config: The whole configuration.
        shared: Its section about other services.
        lock: The intakes' lock.
        keys: The key service; None where events are not encrypted.
        signer: The signing key; None where nothing is signed.
        catalog: The declared types, if there is a catalogue.
        subjects: The keys of subjects; None where events have none.

    Attributes:
        room: Room of accepted events.
        batcher: Collects the records for the sender.
        times: Gets the time that sealing takes.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        shared: SharedStreamsConfig,
        lock: threading.Lock,
        *,
        keys: KeySupply | None,
        signer: CheckpointSigner | None,
        catalog: AuditCatalog | None,
        subjects: ServiceSubjects | None = None,
    ) -> None:
        audit = config.audit_config
        self._config = config
        self._shared = shared
        self._keys = keys
        self._subjects = subjects
        self._signer = signer
        self._catalog = catalog
        self._lock = lock
        self._timer = WaitingTimer(lock)
        self.times = SealTimes(lock)
        self.room = SharedRoom(
            lock=lock,
            max_events=audit.queue_max_events,
            max_bytes=queue_bytes(audit),
            max_share=shared.max_share,
        )
        self.batcher = FairBatcher(
            lock=lock, max_bytes=audit.batch_size_kb << 10, max_delay=audit.batch_timeout_ms / 1_000
        )

    def accepting(
        self,
        stream: ProducerStream,
        spooling: Spooling,
        *,
        ledger: Ledger,
        checkpointer: Checkpointer | None,
    ) -> Accepting:
        """Return what accepts events.

        Args:
            stream: The process's own stream.
            spooling: The next station of its records, where there is a spool.
            ledger: Counts events that are refused after their call has returned.
            checkpointer: Signs the process's own stream; None where nothing is signed.
        """
        audit, shared = self._config.audit_config, self._shared
        common = CommonParts(
            lock=self._lock,
            room=self.room,
            waiting=WaitingRoom(
                max_events=audit.queue_max_events, max_bytes=audit.queue_max_bytes, max_share=shared.max_share
            ),
            batcher=self.batcher,
            refusals=ledger,
            timer=self._timer,
            times=self.times,
            keys=self._keys,
            subjects=self._subjects,
            signer=self._signer,
            spool=spooling.spool,
            segments=spooling.segments,
        )
        intake = Intake(
            stream,
            lock=self._lock,
            room=self.room,
            line=waiting_line_of(audit, common=SharedLine(common.waiting)),
            queue=spooling.own or self.batcher,
            refusals=ledger,
            timer=self._timer,
            times=self.times,
            share=self.room.add_share(stream.producer),
        )
        opener = StreamBuilder(self._config, common, catalog=self._catalog)
        # Each stream has a file of its own in the spool.
        most = shared.max_streams if spooling.spool is None else most_streams(shared.max_streams)
        registry = StreamRegistry(opener, max_streams=most)
        rounds = StreamRounds(
            registry, own=stream.producer, checkpointer=checkpointer, idle_seconds=shared.idle_seconds
        )
        others = ServicePipelines(registry, ledger=ledger, own_name=self._config.service_name)
        return Accepting(intake, Intakes(intake, timer=self._timer, others=registry), rounds, others)
