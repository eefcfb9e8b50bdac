"""Replays a fallback store once, outside a process that logs."""

from __future__ import annotations

from dataclasses import dataclass

import uuid_utils

from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics import AuditMetrics
from telemetry.audit.replay.worker import OnObjectDone, RetryWorker
from telemetry.audit.send.connector import KafkaConnector
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.storage import StorageProvider, StorageProviderFactory


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        replayed: Events that Kafka acknowledged.
        rejected: Events that Kafka will never take; they are under ``rejected/``.
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
        rejected: Put the records that Kafka refused back first.
        on_object: Told about each object that is done.

    Raises:
        TransportError: Kafka does not take the records; what is not acknowledged stays.
        StorageError: Another process replays now, or the store fails.
    """
    ledger = Ledger(topic=config.kafka_topic, metrics=AuditMetrics(topic=config.kafka_topic))
    with open_store(config) as store:
        RetryWorker(
            store,
            topic=config.kafka_topic,
            kafka=KafkaConnector(config),
            ledger=ledger,
            owner=str(uuid_utils.uuid7()),
            max_rate=config.replay_max_events_per_second,
            max_refusals=config.max_retries,
            on_object=on_object,
        ).drain(rejected=rejected)
    return ReplayReport(replayed=ledger.counts.replayed, rejected=ledger.counts.rejected)
