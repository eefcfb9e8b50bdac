"""Builds the write side of one process, part by part, in the order in which a record passes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from telemetry.audit.accept.draft.choice import factory_of
from telemetry.audit.accept.encryptor import AuditEncryptor, ClearEncoder, NoSealer
from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.outbox.outbox import outbox_of
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.waiting_line import Patience, WaitingLine
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics, BatchMetrics
from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.record import SealedRecord
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
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.audit.send.connector import KafkaConnector
from telemetry.audit.send.dispatcher import BatchObserver, Dispatcher
from telemetry.audit.send.diversion import Diversion
from telemetry.audit.send.sender_link import SenderLink
from telemetry.audit.shutdown import KafkaTime, Shutdown
from telemetry.audit.spool.adoption import AdoptedSegment, adopt_segments
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.own_files import open_folder
from telemetry.audit.spool.owner import owner_of
from telemetry.audit.spool.sealing import SEALED_VERSION, SPOOL_PURPOSE
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.spool import Spool
from telemetry.audit.watch.direction import DirectionWatch
from telemetry.audit.watch.examination import Examination
from telemetry.audit.watch.gauges import PipelineGauges
from telemetry.audit.watch.parts import WatchedParts
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption.storage_keys import StorageKeys, storage_keys_of
from telemetry.exceptions import ConfigurationError, Problem, SpoolError, StorageError
from telemetry.format.value.message import context_of, source_of
from telemetry.storage import StorageProvider, StorageProviderFactory

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog

logger = logging.getLogger("telemetry.audit")

_SPOOL_PARTS = 2
"""A segment has two tables, and each may have to hold everything that is not settled."""
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


class _Spooling(NamedTuple):
    """The spool of this process, where there is one, and the segments of dead ones."""

    spool: Spool | None
    adopted: list[AdoptedSegment]


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
        # Keys and store, which everything else uses: a shutdown closes them last, and so does a start that fails.
        self._resources = ExitStack()
        opened.callback(self._resources.close)
        self._check = check
        self._source = source_of(config.environment, config.service_name)
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
        audit = self._audit
        # 1. The producer's stream, and everything that may refuse the start: signing key, data key, Kafka's settings,
        #    store. Only then are segments of dead processes adopted.
        factory = factory_of(self._config, catalog)
        signer = signer_of(audit, source=self._source)
        keys = self._open_keys()
        if self._check:
            self._kafka.check()
        store = self._open_store()
        storage_keys = self._open_storage_keys(keys, signer)
        stream = ProducerStream(self._sealer(keys), keys=keys, signer=signer)
        # 2. The way of a record to the sender. The intake is built last, because it puts records into the others.
        room = Room(lock=self._lock, max_events=audit.queue_max_events, max_bytes=_queue_bytes(audit))
        ledger = Ledger(topic=audit.kafka_topic, metrics=self._metrics, room=room)
        batcher = AuditBatcher(
            lock=self._lock, max_bytes=audit.batch_size_kb << 10, max_delay=audit.batch_timeout_ms / 1_000
        )
        spool, adopted = self._open_spool(stream, storage_keys, batcher=batcher, room=room)
        line = WaitingLine(
            max_events=audit.queue_max_events,
            max_bytes=audit.queue_max_bytes,
            patience=Patience(audit.queue_full_timeout_ms / 1_000, audit.data_key_wait_ms / 1_000),
        )
        intake = Intake(stream, lock=self._lock, room=room, line=line, queue=spool or batcher, refusals=ledger)
        # 3. The way of a record that Kafka does not accept, and back.
        diversion = self._diversion(batcher, store)
        access = None if store is None else StoreAccess(store, storage_keys, signer.key if signer is not None else None)
        fallbacks = self._open_fallback(access, ledger=ledger, owner=stream.producer, diversion=diversion)
        after_backlog = queue_after_backlog(adopted, store, fallbacks.handler, topic=audit.kafka_topic)
        # 4. The observers of the sender, and the sender. The checkpoint of a batch comes last, after events of our own.
        self_audit = SelfAudit(self._config, factory=factory, intake=intake, keys=keys)
        checkpointer = self._checkpointer(stream, signer, spool)
        observers: list[BatchObserver] = [self_audit, BatchMetrics(self._metrics, timer=intake)]
        if checkpointer is not None:
            observers.append(checkpointer)
        direction = DirectionWatch()
        dispatcher = Dispatcher(
            stream.producer,
            batcher=batcher,
            fallback=fallbacks.fallback,
            link=SenderLink(self._kafka, ledger=ledger, batcher=batcher, intake=intake),
            diversion=diversion,
            observers=observers,
            listeners=[direction, fallbacks.returning, self_audit],
            adopted=_adopted_records(adopted, signer, ledger),
        )
        # 5. The parts that read, end and run all of this.
        parts = WatchedParts(
            room=room,
            intake=intake,
            batcher=batcher,
            dispatcher=dispatcher,
            keyring=keys.keyring if keys is not None else None,
            spool=spool,
            fallback=fallbacks.fallback,
            handler=fallbacks.handler,
            worker=fallbacks.worker,
        )
        spool_bound = audit.spool_max_bytes if spool is not None else None
        gauges = PipelineGauges(parts, spool_max_bytes=spool_bound)
        ending = Shutdown(
            intake=intake,
            ledger=ledger,
            self_audit=self_audit,
            replay=fallbacks.worker,
            spool=spool,
            adopted=adopted,
            checkpointer=checkpointer,
            dispatcher=dispatcher,
            kafka_time=KafkaTime(
                seconds=self._kafka.deadline,
                share=_FALLBACK_SHARE if audit.fallback_enabled else _KAFKA_ONLY_SHARE,
            ),
            resources=self._resources,
        )
        pipeline = AuditPipeline(
            audit,
            factory=factory,
            outbox=outbox_of(audit, source=self._source, keys=keys),
            intake=intake,
            ledger=ledger,
            dispatcher=dispatcher,
            gauges=gauges,
            examination=Examination(parts, ledger=ledger, direction=direction, spool_max_bytes=spool_bound),
            ending=ending,
        )
        # 6. Start. The first events are the process's own; no step that may fail comes after them.
        self._start(dispatcher, fallbacks.worker, after_backlog=after_backlog)
        self._metrics.observe(gauges)
        self._resources.callback(self._metrics.forget, gauges)
        self_audit.started()
        for segment in adopted:
            self_audit.recovered(segment.producer)
        return pipeline

    def _open_keys(self) -> KeySupply | None:
        if self._audit.relay_only:
            return None
        if not self._audit.encryption_enabled:
            logger.warning("encryption is off: anyone who reads the topic or the fallback store can read the events")
            return None
        keys = KeySupply(self._audit, context=context_of(self._source))
        self._resources.callback(keys.close)
        if self._check:
            keys.check()
        return keys

    def _open_storage_keys(self, keys: KeySupply | None, signer: CheckpointSigner | None) -> StorageKeys:
        storage_keys = storage_keys_of(
            self._config,
            provider=keys.provider if keys is not None else None,
            signing_key=signer.key if signer is not None else None,
        )
        if self._audit.storage_config is not None or self._audit.spool_path is not None:
            if self._check:
                storage_keys.require()
            storage_keys.fetch_in_background()
        return storage_keys

    def _sealer(self, keys: KeySupply | None) -> AuditEncryptor | ClearEncoder | NoSealer:
        if self._audit.relay_only:
            return NoSealer()
        if keys is None:
            return ClearEncoder(source=self._source)
        return AuditEncryptor(keys.keyring, source=self._source)

    def _open_store(self) -> StorageProvider | None:
        if not self._audit.fallback_enabled or self._audit.storage_config is None:
            return None
        store = StorageProviderFactory.create(self._audit.storage_config)
        self._resources.callback(store.close)
        if not self._check:
            return store
        try:
            store.check()
        except StorageError as exc:
            if exc.retriable:
                raise
            raise ConfigurationError(Problem("storage_config", str(exc))) from exc
        return store

    def _open_spool(
        self, stream: ProducerStream, storage_keys: StorageKeys, *, batcher: AuditBatcher, room: Room
    ) -> _Spooling:
        folder = self._audit.spool_path
        if folder is None:
            return _Spooling(None, [])
        try:
            return self._spool_in(folder, stream, storage_keys, batcher=batcher, room=room)
        except SpoolError as exc:
            raise ConfigurationError(Problem("spool_path", str(exc))) from exc

    def _spool_in(
        self,
        folder: Path,
        stream: ProducerStream,
        storage_keys: StorageKeys,
        *,
        batcher: AuditBatcher,
        room: Room,
    ) -> _Spooling:
        audit, part = self._audit, self._audit.spool_max_bytes // _SPOOL_PARTS
        open_folder(folder)
        keys = storage_keys if storage_keys.can_create else None
        state = None if keys is None else FolderState(folder, keys.secrets, until=audit.accept_unmarked_until)
        owner = owner_of(self._config, storage_keys)
        adopted = adopt_segments(folder, owner, state=state)
        for segment in adopted:
            self._opened.callback(segment.close)
        own = SpoolSegment.create(
            folder,
            producer=stream.producer,
            topic=audit.kafka_topic,
            source=self._source,
            key=keys.create(SPOOL_PURPOSE) if keys is not None and audit.spool_format == SEALED_VERSION else None,
            flip_bytes=part // _SPOOL_PARTS,
        )
        with ExitStack() as without_owner:
            without_owner.callback(own.remove)
            spool = Spool(
                own,
                lock=self._lock,
                queue=batcher,
                tree=stream.tree,
                room=room,
                max_kept_bytes=part - _queue_bytes(self._audit),
                state=state,
            )
            # From here on the spool removes its file, if nothing is left in it.
            without_owner.pop_all()
        self._opened.callback(spool.close)
        return _Spooling(spool, adopted)

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

    def _checkpointer(
        self, stream: ProducerStream, signer: CheckpointSigner | None, spool: Spool | None
    ) -> Checkpointer | None:
        signing = self._audit.signing_config
        if signer is None or signing is None:
            return None
        return Checkpointer(
            stream,
            signer=signer,
            every_events=signing.every_events,
            every_seconds=signing.every_seconds,
            heartbeat_seconds=self._audit.checkpoint_heartbeat_seconds,
            spool=spool,
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


def _queue_bytes(audit: AuditConfig) -> int:
    """Return the bound of accepted events in bytes: what is not settled must fit into a table of the spool."""
    if audit.spool_path is None:
        return audit.queue_max_bytes
    return min(audit.queue_max_bytes, audit.spool_max_bytes // _SPOOL_PARTS)


def _adopted_records(
    adopted: Iterable[AdoptedSegment], signer: CheckpointSigner | None, ledger: Ledger
) -> Iterator[list[SealedRecord]]:
    """Yield the records of dead processes, oldest process first; each stream of our own ends with a closing checkpoint."""
    for segment in adopted:
        yield from segment.records(partial(_closing_checkpoints, signer))
        if not segment.is_marked:
            ledger.unmarked(segment.read_count)


def _closing_checkpoints(signer: CheckpointSigner | None, segment: AdoptedSegment) -> list[SealedRecord]:
    tree, later = segment.tree, segment.later_end
    if signer is None or tree is None or not tree.size:
        return []
    if later is not None:
        # The end that is known, never an earlier one: a cut-off trail would be complete up to there.
        return signer.sign_recovered(later, source=segment.source, old_copy=tree.size)
    return signer.sign_recovered(tree, source=segment.source)
