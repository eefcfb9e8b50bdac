"""Reads the pipeline's gauges: values that can be asked for at any moment."""

from __future__ import annotations

import time

from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.room import Room
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.spool.spool import Spool
from telemetry.encryption.data_key import DataKeyring


class PipelineGauges:
    """The gauges of one pipeline, read in the thread of the application's metric reader.

    Args:
        room: Bounds of accepted events.
        intake: Calls that wait.
        batcher: Records that wait to be sent.
        dispatcher: Direction, and the records on their way to Kafka.
        keyring: The data keys; None where events are not encrypted.
        spool: The spool; None where there is none.
        handler: Stored objects that wait for replay; None where there is no store.
        worker: Replays them; None where there is no store.
    """

    def __init__(
        self,
        *,
        room: Room,
        intake: Intake,
        batcher: AuditBatcher,
        dispatcher: Dispatcher,
        keyring: DataKeyring | None,
        spool: Spool | None,
        handler: FallbackHandler | None,
        worker: RetryWorker | None = None,
    ) -> None:
        self._room = room
        self._intake = intake
        self._batcher = batcher
        self._dispatcher = dispatcher
        self._keyring = keyring
        self._spool = spool
        self._handler = handler
        self._worker = worker

    def gauges(self) -> dict[str, float]:
        """Return the values by metric name; a part that is not configured has none."""
        events, size = self._room.used
        values: dict[str, float] = {
            "audit.queue.events": events,
            "audit.queue.bytes": size,
            "audit.queue.waiting_calls": self._intake.waiting,
            "audit.kafka.diverted": int(self._dispatcher.is_diverted),
            "audit.oldest_undelivered_age_seconds": self._oldest_age(),
        }
        if self._keyring is not None:
            values |= {
                "audit.data_key.uses_left": self._keyring.uses_left,
                "audit.data_key.age_seconds": self._keyring.age,
                "audit.kms.last_call_ms": self._keyring.last_fetch_seconds * 1_000,
            }
        if self._spool is not None:
            values["audit.spool.bytes"] = self._spool.size
        if self._handler is not None:
            names = ("backlog_objects", "backlog_events", "backlog_bytes", "oldest_age_seconds")
            backlog = zip(names, self._handler.backlog(), strict=True)
            values |= {f"audit.fallback.{name}": value for name, value in backlog}
        if self._worker is not None:
            values["audit.fallback.lock_waiting_seconds"] = self._worker.lock_waiting_seconds
        return values

    def _oldest_age(self) -> float:
        moments = (self._batcher.oldest, self._dispatcher.oldest)
        oldest = min((moment for moment in moments if moment is not None), default=None)
        return max(time.monotonic() - oldest, 0.0) if oldest is not None else 0.0
