"""Where the records of a process go while Kafka does not take them, and who brings them back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from telemetry.audit.fallback.backlog import listed
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.fallback.memory import MemoryFallback
from telemetry.audit.fallback.readiness import ReadyListener
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.send.connector import KafkaConnector
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem, StorageError
from telemetry.storage import StorageProvider, StorageProviderFactory

_LONGEST_PAUSE_SECONDS = 60.0


class Detour(Protocol):
    """Where records go while Kafka does not take them."""

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Take records over, in order."""

    def take_back(self) -> list[SealedRecord] | None:
        """Return the records it has, in order; None while some must be replayed first."""

    def flush(self, timeout: float) -> bool:
        """Make everything safe; return whether nothing is left."""

    def close(self) -> list[SealedRecord]:
        """End; return what is not safe."""

    def __len__(self) -> int:
        """How many records are in memory."""


class DetourParts:
    """A process's detour and what belongs to it.

    With a fallback store these are the store, the handler that writes to it and the worker that replays from it; without
    one, the records are held in memory.

    Args:
        config: Kafka topic and fallback store.
        kafka: Opens transports, and asks whether Kafka answers.
        ledger: Settles records.
        owner: UUIDv7 of this process's stream.
        listener: Notified when Kafka answers and nothing of this process is left in the store.
    """

    def __init__(
        self, config: AuditConfig, *, kafka: KafkaConnector, ledger: Ledger, owner: str, listener: ReadyListener
    ) -> None:
        self._config = config
        self._kafka = kafka
        self._ledger = ledger
        self._owner = owner
        self._listener = listener
        self._store: StorageProvider | None = None
        self._handler: FallbackHandler | None = None
        self._worker: RetryWorker | None = None
        self._held: MemoryFallback | None = None

    def open_store(self, *, check: bool) -> None:
        """Open the fallback store, if there is one.

        Args:
            check: Make a trial write.

        Raises:
            ConfigurationError: It cannot work as configured.
            StorageError: It cannot be used now.
        """
        if not self._config.fallback_enabled or self._config.storage_config is None:
            return
        self._store = StorageProviderFactory.create(self._config.storage_config)
        if not check:
            return
        try:
            self._store.check()
        except StorageError as exc:
            if exc.retriable:
                raise
            raise ConfigurationError(Problem("storage_config", str(exc))) from exc

    def make(self) -> Detour:
        """Return the detour; its threads run from now on."""
        config = self._config
        if self._store is None or config.storage_config is None:
            self._held = MemoryFallback(
                ledger=self._ledger,
                patience=self._kafka.deadline if config.spool_path is None else None,
                kafka=self._kafka,
                listener=self._listener,
            )
            return self._held
        self._handler = FallbackHandler(
            self._store,
            provider=config.storage_config.provider,
            topic=config.kafka_topic,
            ledger=self._ledger,
            max_object_bytes=config.fallback_object_bytes,
            max_object_seconds=config.fallback_object_seconds,
        )
        self._worker = RetryWorker(
            self._store,
            topic=config.kafka_topic,
            kafka=self._kafka,
            ledger=self._ledger,
            owner=self._owner,
            max_rate=config.replay_max_events_per_second,
            max_refusals=config.max_retries,
            handler=self._handler,
            listener=self._listener,
        )
        return self._handler

    @property
    def longest_pause(self) -> float:
        """Seconds for which a Kafka that answers and yet took no record is left alone, at most."""
        if self._held is None or self._config.spool_path is not None:
            return _LONGEST_PAUSE_SECONDS
        # Records that are given up after a while must be tried again a few times before that.
        return self._kafka.deadline / 4

    def wait_for(self, producers: Collection[str]) -> bool:
        """Keep what comes behind what these producers stored before; return whether there is such a thing.

        Raises:
            StorageError: The store cannot be listed.
        """
        if self._handler is None or self._store is None or not producers:
            return False
        found = [waiting for waiting in listed(self._store, self._config.kafka_topic) if waiting.producer in producers]
        self._handler.queue_after(found)
        return bool(found)

    def start_replay(self) -> None:
        """Begin to replay what is stored."""
        if self._worker is not None:
            self._worker.start()

    def stop_replay(self, timeout: float) -> None:
        """End it, in so many seconds at most."""
        if self._worker is not None:
            self._worker.close(timeout)

    def divert(self, *, diverted: bool) -> None:
        """Tell whoever brings records back whether they are sent on the detour now."""
        if self._worker is not None:
            self._worker.divert(diverted=diverted)
        if self._held is not None:
            self._held.divert(diverted=diverted)

    def gauges(self) -> dict[str, float]:
        """Return what is stored and not replayed yet, by metric name."""
        if self._handler is None:
            return {}
        names = ("backlog_objects", "backlog_events", "backlog_bytes", "oldest_age_seconds")
        return {f"audit.fallback.{name}": value for name, value in zip(names, self._handler.backlog(), strict=True)}

    def abandon(self) -> None:
        """End the detour of a start that failed: nothing is in it."""
        for detour in (self._handler, self._held):
            if detour is not None:
                detour.close()

    def close(self) -> None:
        """Close the store."""
        # The worker was given its time before; a store that hangs must not take as much again.
        self.stop_replay(0.0)
        if self._store is not None:
            self._store.close()
