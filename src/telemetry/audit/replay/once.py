"""Replays a fallback store once, outside a process that logs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import uuid_utils

from telemetry.audit.ledger import Ledger
from telemetry.audit.marks.keeper import open_keeper
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.replay.outcomes import ObjectOutcomes, OnObjectDone
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.audit.replay.turn import NeverStopping, Turn, take_turn
from telemetry.audit.send.connector import KafkaConnector
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem, StorageError, TransportError
from telemetry.format.objects.stored_name import SHELVES, Shelf
from telemetry.storage import StorageProvider, StorageProviderFactory


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        replayed: Events that Kafka acknowledged.
        rejected: Events that Kafka will never accept; they are under ``rejected/``.
        unmarked: Events among the replayed ones that an earlier version stored, without a mark of the service.
    """

    replayed: int
    rejected: int
    unmarked: int = 0


def open_store(config: AuditConfig) -> StorageProvider:
    """Open the fallback store of a configuration.

    Raises:
        ConfigurationError: There is none, or it cannot be used.
    """
    if config.storage_config is None:
        raise ConfigurationError(Problem("storage_config", "is missing", "name the fallback store"))
    return StorageProviderFactory.create(config.storage_config)


def replay_now(
    config: TelemetryConfig, *, rejected: bool = False, on_object: OnObjectDone | None = None
) -> ReplayReport:
    """Bring every stored object of the configured service and topic to Kafka, and delete it once it is acknowledged.

    Args:
        config: Service, Kafka, fallback store and keys.
        rejected: First put the records that Kafka refused back among those that wait.
        on_object: Called for each object that is done.

    Raises:
        ConfigurationError: The store, or a key, cannot be used.
        TransportError: Kafka does not accept the records; what is not acknowledged stays in the store.
        StorageError: Another process replays now, or the store fails.
    """
    audit = config.audit_config
    ledger = Ledger(topic=audit.kafka_topic, metrics=AuditMetrics(topic=audit.kafka_topic))
    with ExitStack() as opened:
        store = opened.enter_context(open_store(audit))
        keeper = open_keeper(config, store, opened)
        keeper.own.begin()
        replayer = Replayer(
            store,
            topic=audit.kafka_topic,
            kafka=KafkaConnector(audit),
            outcomes=ObjectOutcomes(ledger, on_object=on_object),
            own=keeper.own,
            max_rate=audit.replay_max_events_per_second,
            max_refusals=None,
            form=keeper.form,
        )
        drain_store(store, replayer, topic=audit.kafka_topic, owner=str(uuid_utils.uuid7()), rejected=rejected)
    return ReplayReport(
        replayed=ledger.counts.replayed, rejected=ledger.counts.rejected, unmarked=ledger.counts.unmarked
    )


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
    try:
        # In their order: what an earlier version stored is older than what this one stored after it.
        for shelf in SHELVES:
            with take_turn(store, topic=topic, owner=owner, stop=NeverStopping(), shelf=shelf) as turn:
                if turn is None:
                    message = f"another process replays the objects of topic {topic!r} now; wait until it has finished"
                    raise StorageError(message)
                # Under the lock, so that no other process replays them while they are half restored.
                if rejected:
                    replayer.quarantine.restore(shelf)
                _run_passes(replayer, turn, shelf)
        replayer.require_all_readable()
    finally:
        replayer.link.drop()


def _run_passes(replayer: Replayer, turn: Turn, shelf: Shelf) -> None:
    link = replayer.link
    while True:
        if link.connect() is None:
            raise link.error or TransportError("Kafka cannot be reached; check that the brokers are up")
        result = replayer.run_pass(turn, shelf)
        # An empty pass is the end only if nothing was left unread.
        if result is PassResult.EMPTY:
            return
        if result is PassResult.OUTAGE and link.error is not None:
            raise link.error
        # After a refused record, or objects that were stored meanwhile, there is another pass.
        if not turn.has_lock:
            message = "the lock on the store was lost, what is left stays there; run the command again"
            raise StorageError(message)
