"""Builds the fallback of one process, and the part that brings its records back to Kafka."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from typing import NamedTuple

from telemetry.audit.fallback.backlog import listed
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.fallback.memory import MemoryFallback
from telemetry.audit.ledger import Ledger
from telemetry.audit.marks.keeper import keeper_of
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.send.connector import KafkaConnector
from telemetry.audit.send.diversion import Diversion
from telemetry.audit.send.fallback import DirectionListener
from telemetry.audit.spool.adoption import AdoptedSegment
from telemetry.config import TelemetryConfig
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import StorageError
from telemetry.format.objects.stored_name import SHELVES
from telemetry.format.proof.signed_note import Signer
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.audit")


class FallbackParts(NamedTuple):
    """The fallback, and the part that looks for the way back to Kafka.

    With a store these are its handler and the worker that replays its objects; without one, memory is both.
    """

    fallback: FallbackHandler | MemoryFallback
    returning: DirectionListener
    handler: FallbackHandler | None = None
    worker: RetryWorker | None = None


class StoreAccess(NamedTuple):
    """A process's way into its store.

    Attributes:
        store: The store.
        keys: Storage keys of the service.
        signer: Its signing key; None if it does not sign.
    """

    store: StorageProvider
    keys: StorageKeys
    signer: Signer | None


def memory_fallback(
    config: TelemetryConfig, opened: ExitStack, *, ledger: Ledger, kafka: KafkaConnector, diversion: Diversion
) -> FallbackParts:
    """Return the fallback of a process without a store.

    Args:
        config: The whole configuration.
        opened: Gets a callback that closes it.
        ledger: Settles records.
        kafka: Connector that is asked whether Kafka answers.
        diversion: Is notified when it does.
    """
    memory = MemoryFallback(
        ledger=ledger,
        patience=kafka.deadline if config.audit_config.spool_path is None else None,
        kafka=kafka,
        listener=diversion,
    )
    opened.callback(memory.close)
    return FallbackParts(memory, memory)


def store_fallback(
    config: TelemetryConfig,
    opened: ExitStack,
    access: StoreAccess,
    *,
    ledger: Ledger,
    owner: str,
    kafka: KafkaConnector,
    diversion: Diversion,
) -> FallbackParts:
    """Return the fallback of a process with a store.

    Args:
        config: The whole configuration.
        opened: Gets a callback that closes it.
        access: The store and the keys for it.
        ledger: Settles records.
        owner: Name of this process, for the operator who looks at the store's lock.
        kafka: Connector that opens the transports of the replay.
        diversion: Is notified when Kafka accepts records again.

    Raises:
        ConfigurationError: A sibling's public key is malformed.
    """
    audit = config.audit_config
    keeper = keeper_of(config, access.store, keys=access.keys, signer=access.signer)
    # The handler exists before the worker that it wakes.
    replay_wanted = threading.Event()
    handler = FallbackHandler(
        access.store,
        provider=access.store.config.provider,
        topic=audit.kafka_topic,
        ledger=ledger,
        max_object_bytes=audit.fallback_object_bytes,
        max_object_seconds=audit.fallback_object_seconds,
        form=keeper.form,
        replay_wanted=replay_wanted,
    )
    opened.callback(handler.close)
    worker = RetryWorker(
        access.store,
        topic=audit.kafka_topic,
        kafka=kafka,
        ledger=ledger,
        owner=owner,
        max_rate=audit.replay_max_events_per_second,
        max_refusals=audit.max_retries,
        handler=handler,
        listener=diversion,
        own=keeper.own,
        form=keeper.form,
        wanted=replay_wanted,
    )
    return FallbackParts(handler, worker, handler, worker)


def queue_after_backlog(
    adopted: list[AdoptedSegment], store: StorageProvider | None, handler: FallbackHandler | None, *, topic: str
) -> bool:
    """Queue adopted records after what their processes stored before them; return whether they stored anything.

    Where the store cannot say so, the segments are left to the next start: sent now, their records might overtake
    older ones of the same key.
    """
    producers = {segment.producer for segment in adopted}
    if handler is None or store is None or not producers:
        return False
    try:
        backlog = [
            waiting
            for shelf in SHELVES
            for waiting in listed(store, topic, shelf=shelf)
            if waiting.producer in producers
        ]
    except StorageError as exc:
        logger.error("spool segments of dead processes were not adopted, the next start retries: %s", exc)  # noqa: TRY400 - the cause is in the line
        for segment in adopted:
            segment.close()
        adopted.clear()
        return False
    handler.queue_after(backlog)
    return bool(backlog)
