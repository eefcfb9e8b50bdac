"""Replays a fallback store once, outside a process that logs."""

from __future__ import annotations

from dataclasses import dataclass

import uuid_utils

from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics import AuditMetrics
from telemetry.audit.replay.outcomes import ObjectOutcomes, OnObjectDone
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.audit.replay.turn import NeverStopping, Turn, take_turn
from telemetry.audit.send.connector import KafkaConnector
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem, StorageError, TransportError
from telemetry.storage import StorageProvider, StorageProviderFactory


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        replayed: Events that Kafka acknowledged.
        rejected: Events that Kafka will never accept; they are under ``rejected/``.
    """

    replayed: int
    rejected: int


def open_store(config: AuditConfig) -> StorageProvider:
    """Open the fallback store of a configuration.

    Raises:
        ConfigurationError: There is none, or it cannot be used.
    """
    if config.storage_config is None:
        raise ConfigurationError(Problem("storage_config", "is missing", "name the fallback store"))
    return StorageProviderFactory.create(config.storage_config)


def replay_now(config: AuditConfig, *, rejected: bool = False, on_object: OnObjectDone | None = None) -> ReplayReport:
    """Bring every stored object of the configured topic to Kafka, and delete it once it is acknowledged.

    Args:
        config: Kafka and fallback store.
        rejected: First put the records that Kafka refused back among those that wait.
        on_object: Called for each object that is done.

    Raises:
        TransportError: Kafka does not accept the records; what is not acknowledged stays in the store.
        StorageError: Another process replays now, or the store fails.
    """
    ledger = Ledger(topic=config.kafka_topic, metrics=AuditMetrics(topic=config.kafka_topic))
    with open_store(config) as store:
        replayer = Replayer(
            store,
            topic=config.kafka_topic,
            kafka=KafkaConnector(config),
            outcomes=ObjectOutcomes(ledger, on_object=on_object),
            max_rate=config.replay_max_events_per_second,
            max_refusals=None,
        )
        drain_store(store, replayer, topic=config.kafka_topic, owner=str(uuid_utils.uuid7()), rejected=rejected)
    return ReplayReport(replayed=ledger.counts.replayed, rejected=ledger.counts.rejected)


def drain_store(store: StorageProvider, replayer: Replayer, *, topic: str, owner: str, rejected: bool = False) -> None:
    """Replay until nothing waits in the store.

    Args:
        store: Store of the objects.
        replayer: Replays them.
        topic: Topic of the objects.
        owner: Name of this process, for the operator who looks at the store's lock.
        rejected: First put rejected objects back among those that wait.

    Raises:
        TransportError: Kafka does not accept the records; what is not acknowledged stays in the store.
        StorageError: Another process replays now, the lock was lost, or the store fails.
    """
    with take_turn(store, topic=topic, owner=owner, stop=NeverStopping()) as turn:
        if turn is None:
            message = f"another process replays the objects of topic {topic!r} now; wait until it has finished"
            raise StorageError(message)
        # Under the lock, so that no other process replays them while they are half restored.
        if rejected:
            replayer.quarantine.restore()
        try:
            _run_passes(replayer, turn)
        finally:
            replayer.link.drop()


def _run_passes(replayer: Replayer, turn: Turn) -> None:
    link = replayer.link
    while True:
        if link.connect() is None:
            raise link.error or TransportError("Kafka cannot be reached; check that the brokers are up")
        result = replayer.run_pass(turn)
        # An empty pass is the end only if nothing was left unread.
        if result is PassResult.EMPTY:
            replayer.require_all_readable()
            return
        if result is PassResult.OUTAGE and link.error is not None:
            raise link.error
        # After a refused record, or objects that were stored meanwhile, there is another pass.
        if not turn.has_lock:
            message = "the lock on the store was lost, what is left stays there; run the command again"
            raise StorageError(message)
