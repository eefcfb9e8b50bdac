"""Builds the write side of one process, part by part, in the order in which a record passes them."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from telemetry.audit.accept.draft.choice import factory_of
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.outbox.outbox import outbox_of
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.subject.sealing import ServiceSubjects
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics, BatchMetrics
from telemetry.audit.opening.resources import Resources
from telemetry.audit.opening.spooling import adopted_records, open_spool
from telemetry.audit.opening.streaming import OwnStreaming, Streaming, observed
from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.replay.fallback_parts import (
    FallbackParts,
    StoreAccess,
    memory_fallback,
    queue_after_backlog,
    store_fallback,
)
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.self_audit import SelfAudit
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner, signer_of
from telemetry.audit.send.checkpoints.checkpointer import checkpointer_of
from telemetry.audit.send.connector import KafkaConnector
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.send.diversion import Diversion
from telemetry.audit.send.sender_link import SenderLink
from telemetry.audit.shutdown import KafkaTime, Shutdown
from telemetry.audit.watch.direction import DirectionWatch
from telemetry.audit.watch.examination import Examination
from telemetry.audit.watch.gauges import PipelineGauges
from telemetry.audit.watch.parts import WatchedParts
from telemetry.config import TelemetryConfig
from telemetry.storage import StorageProvider

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog

_UNDO_SECONDS = 1.0
_TRIES_BEFORE_LOSS = 4
"""Without a spool and a fallback, records are given up after the delivery time; they are tried this often before that."""
_FALLBACK_SHARE, _KAFKA_ONLY_SHARE = 0.6, 0.95
"""Parts of the time of a shutdown that Kafka gets with a fallback, which needs the rest, and without one."""


def assemble(config: TelemetryConfig, *, catalog: AuditCatalog | None = None, check: bool = True) -> AuditPipeline:
    """Build and start a pipeline.

    If a step fails, everything that was opened before it is closed: no thread, file or lock is left, because the next
    start may be in this process.

    Args:
        config: The whole configuration.
        catalog: The declared types, if there is a catalogue.
        check: Try the key, Kafka's settings and the store first; a forked child skips that.

    Raises:
        ConfigurationError: The configuration cannot work.
        EncryptionError: The key cannot be used.
        StorageError: The fallback store cannot be used.
        TransportError: Kafka cannot be reached and there is no fallback.
    """
    with ExitStack() as opened:
        pipeline = _Assembly(config, opened, check=check).build(catalog)
        opened.pop_all()
        return pipeline


class _Assembly:
    """Everything that several parts share while they are built; it is forgotten afterwards.

    Args:
        config: The whole configuration.
        opened: Gets a callback for each part that must be closed if a later step fails.
        check: Whether to try what can be tried.
    """

    def __init__(self, config: TelemetryConfig, opened: ExitStack, *, check: bool) -> None:
        self._config = config
        self._audit = config.audit_config
        self._opened = opened
        self._resources = Resources(config, check=check)
        opened.callback(self._resources.opened.close)
        self._check = check
        self._lock = threading.Lock()
        self._kafka = KafkaConnector(self._audit)
        storage = self._audit.storage_config if self._audit.fallback_enabled else None
        self._metrics = AuditMetrics(
            topic=self._audit.kafka_topic, provider=storage.provider if storage is not None else None
        )

    def build(self, catalog: AuditCatalog | None) -> AuditPipeline:
        """Return the pipeline; its threads are running.

        This is one function on purpose: the order of its lines is the order in which a record passes the parts.
        """
        audit, resources, source = self._audit, self._resources, self._resources.source
        # 1. The producer's stream, and everything that may refuse the start: signing key, data key, Kafka's settings,
        #    store. Only then are segments of dead processes adopted.
        factory = factory_of(self._config, catalog)
        signer = signer_of(audit, source=source)
        keys = resources.open_keys()
        subjects = resources.open_subjects(keys)
        if self._check:
            self._kafka.check()
        store = resources.open_store()
        storage_keys = resources.open_storage_keys(keys, signer)
        sealer, fetcher = resources.sealing(keys, subjects)
        stream = ProducerStream(sealer, keys=fetcher, signer=signer)
        # 2. The way of a record to the sender. The intake is built last, because it puts records into the others.
        streaming = self._streaming(keys, subjects, signer, catalog)
        room, batcher = streaming.room, streaming.batcher
        ledger = Ledger(topic=audit.kafka_topic, metrics=self._metrics, room=room)
        spooling = open_spool(
            self._config, self._opened, stream, storage_keys, lock=self._lock, batcher=batcher, room=room
        )
        spool, adopted = spooling.spool, spooling.adopted
        checkpointer = checkpointer_of(audit, stream, signer=signer, spool=spooling.own)
        accepting = streaming.accepting(stream, spooling, ledger=ledger, checkpointer=checkpointer)
        intake, intakes, checkpoints, _ = accepting
        # 3. The way of a record that Kafka does not accept, and back.
        diversion = self._diversion(batcher, store)
        access = None if store is None else StoreAccess(store, storage_keys, signer.key if signer is not None else None)
        fallbacks = self._open_fallback(access, ledger=ledger, owner=stream.producer, diversion=diversion)
        after_backlog = queue_after_backlog(adopted, store, fallbacks.handler, topic=audit.kafka_topic)
        # 4. The observers of the sender, and the sender. The checkpoint of a batch comes last, after events of our own.
        self_audit = SelfAudit(self._config, factory=factory, intake=intake, keys=keys)
        direction = DirectionWatch()
        dispatcher = Dispatcher(
            stream.producer,
            batcher=batcher,
            fallback=fallbacks.fallback,
            link=SenderLink(self._kafka, ledger=ledger, batcher=batcher, intake=intakes),
            diversion=diversion,
            observers=observed(self_audit, BatchMetrics(self._metrics, timer=streaming.times), checkpoints),
            listeners=[direction, fallbacks.returning, self_audit],
            adopted=adopted_records(adopted, signer, ledger),
        )
        # 5. The parts that read, end and run all of this.
        parts = WatchedParts(
            room=room,
            intake=intake,
            intakes=intakes,
            batcher=batcher,
            dispatcher=dispatcher,
            keyring=keys.keyring if keys is not None else None,
            spool=spool,
            fallback=fallbacks.fallback,
            handler=fallbacks.handler,
            worker=fallbacks.worker,
            subjects=subjects,
        )
        gauges = PipelineGauges(parts)
        spool_bound = audit.spool_max_bytes if spool is not None else None
        ending = Shutdown(
            intake=intakes,
            ledger=ledger,
            self_audit=self_audit,
            replay=fallbacks.worker,
            spool=spool,
            adopted=adopted,
            checkpointer=checkpoints,
            dispatcher=dispatcher,
            kafka_time=KafkaTime(
                seconds=self._kafka.deadline,
                share=_FALLBACK_SHARE if audit.fallback_enabled else _KAFKA_ONLY_SHARE,
            ),
            resources=resources.opened,
        )
        pipeline = AuditPipeline(
            audit,
            factory=factory,
            outbox=outbox_of(
                audit, source=source, keys=keys, subjects=subjects.of(source) if subjects is not None else None
            ),
            accepting=accepting,
            ledger=ledger,
            dispatcher=dispatcher,
            gauges=gauges,
            examination=Examination(parts, ledger=ledger, direction=direction, spool_max_bytes=spool_bound),
            ending=ending,
        )
        # 6. Start. The first events are the process's own; no step that may fail comes after them.
        self._start(dispatcher, fallbacks.worker, after_backlog=after_backlog)
        self._metrics.observe(gauges)
        resources.opened.callback(self._metrics.forget, gauges)
        self_audit.started()
        for segment in adopted:
            self_audit.recovered(segment.producer)
        return pipeline

    def _streaming(
        self,
        keys: KeySupply | None,
        subjects: ServiceSubjects | None,
        signer: CheckpointSigner | None,
        catalog: AuditCatalog | None,
    ) -> Streaming:
        shared = self._audit.shared_streams
        if shared is None:
            return OwnStreaming(self._config, self._lock)
        # A process that logs under its own name alone does not load this.
        from telemetry.audit.opening.shared_streaming import SharedStreaming  # noqa: PLC0415

        return SharedStreaming(
            self._config, shared, self._lock, keys=keys, subjects=subjects, signer=signer, catalog=catalog
        )

    def _diversion(self, batcher: AuditBatcher, store: StorageProvider | None) -> Diversion:
        if store is not None or self._audit.spool_path is not None:
            return Diversion(batcher)
        # Records that are given up after a while must be tried again a few times before that.
        return Diversion(batcher, longest_pause=self._kafka.deadline / _TRIES_BEFORE_LOSS)

    def _open_fallback(
        self, access: StoreAccess | None, *, ledger: Ledger, owner: str, diversion: Diversion
    ) -> FallbackParts:
        kafka = self._kafka
        if access is None:
            return memory_fallback(self._config, self._opened, ledger=ledger, kafka=kafka, diversion=diversion)
        return store_fallback(
            self._config, self._opened, access, ledger=ledger, owner=owner, kafka=kafka, diversion=diversion
        )

    def _start(self, dispatcher: Dispatcher, worker: RetryWorker | None, *, after_backlog: bool) -> None:
        if self._check and not self._audit.fallback_enabled:
            self._kafka.require()
        dispatcher.start(after_backlog=after_backlog)
        # Nothing was accepted yet, so there is nothing to wait for.
        self._opened.callback(dispatcher.drain, kafka_seconds=0.0, total_seconds=_UNDO_SECONDS)
        if worker is not None:
            worker.start()
            self._opened.callback(worker.close, _UNDO_SECONDS)
