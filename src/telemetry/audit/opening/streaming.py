"""Builds what accepts the events of a process that logs under its own name."""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.intakes import Intakes
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.waiting_line import waiting_line_of
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.health import StreamHealth
from telemetry.audit.ledger import Ledger
from telemetry.audit.opening.spooling import Spooling, queue_bytes
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.send.dispatcher import BatchObserver
from telemetry.audit.shutdown import FinalCheckpoints
from telemetry.config import TelemetryConfig


class Checkpoints(BatchObserver, FinalCheckpoints, Protocol):
    """Signs the streams of a process while they are sent."""


class OtherServices(Protocol):
    """Offers the pipeline of a process to other services."""

    def pipeline_of(self, service_name: str, whole: EventPipeline) -> EventPipeline:
        """Return the pipeline of a service; ``whole`` is that of the process."""

    def health(self) -> list[StreamHealth]:
        """Return how the open streams are."""

    def open_streams(self) -> int:
        """Return how many streams are open."""


class Accepting(NamedTuple):
    """What accepts the events of a process.

    Attributes:
        intake: That of the process's own stream.
        all: All intakes.
        checkpoints: Signs the streams; None where nothing is signed and no stream ends before the process does.
        others: The other services that it logs for; None where it logs for none.
    """

    intake: Intake
    all: Intakes
    checkpoints: Checkpoints | None
    others: OtherServices | None = None


class OwnStreaming:
    """Builds the parts of a process with one stream.

    Args:
        config: The whole configuration.
        lock: The intake's lock.

    Attributes:
        room: Room of accepted events.
        batcher: Collects the records for the sender.
        times: Gets the time that sealing takes.
    """

    def __init__(self, config: TelemetryConfig, lock: threading.Lock) -> None:
        self._audit = config.audit_config
        self._lock = lock
        self._timer = WaitingTimer(lock)
        self.times = SealTimes(lock)
        self.room = Room(lock=lock, max_events=self._audit.queue_max_events, max_bytes=queue_bytes(self._audit))
        self.batcher = AuditBatcher(
            lock=lock, max_bytes=self._audit.batch_size_kb << 10, max_delay=self._audit.batch_timeout_ms / 1_000
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
            stream: The process's stream.
            spooling: The next station of its records, where there is a spool.
            ledger: Counts events that are refused after their call has returned.
            checkpointer: Signs the stream; None where nothing is signed.
        """
        intake = Intake(
            stream,
            lock=self._lock,
            room=self.room,
            line=waiting_line_of(self._audit),
            queue=spooling.own or self.batcher,
            refusals=ledger,
            timer=self._timer,
            times=self.times,
        )
        return Accepting(intake, Intakes(intake, timer=self._timer), checkpointer)


class Streaming(Protocol):
    """Builds what accepts the events of a process; see :class:`OwnStreaming`."""

    @property
    def room(self) -> Room:
        """Room of accepted events."""

    @property
    def batcher(self) -> AuditBatcher:
        """Collects the records for the sender."""

    @property
    def times(self) -> SealTimes:
        """Gets the time that sealing takes."""

    def accepting(
        self,
        stream: ProducerStream,
        spooling: Spooling,
        *,
        ledger: Ledger,
        checkpointer: Checkpointer | None,
    ) -> Accepting:
        """Return what accepts events."""


def observed(*observers: BatchObserver | None) -> list[BatchObserver]:
    """Return the observers that there are."""
    return [observer for observer in observers if observer is not None]
