"""Puts the parts of the write side together for one process, and takes them apart again."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from telemetry.audit.accept.draft import EventFactory
from telemetry.audit.accept.encryptor import AuditEncryptor, ClearEncoder
from telemetry.audit.accept.intake import Intake, Ticket
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.detour import DetourParts
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics import AuditMetrics
from telemetry.audit.producer import TreeState
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.audit.self_audit import USER_ID, SelfAudit
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.checkpointer import Checkpointer
from telemetry.audit.send.connector import KafkaConnector
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.spool.adoption import AdoptedSegment, adopt_segments
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.spool import Spool, open_folder
from telemetry.config import TelemetryConfig
from telemetry.exceptions import (
    BackpressureError,
    ConfigurationError,
    LifecycleError,
    Problem,
    SpoolError,
    StorageError,
    TelemetryError,
    UndeliveredError,
)
from telemetry.format.value.message import context_of, source_of

logger = logging.getLogger("telemetry.audit")

_SPOOL_PARTS = 2
"""A segment has two tables, and each may have to hold all that is not settled."""


class AuditPipeline:
    """Everything that belongs to one process id: keys, stream, queue, threads, clients.

    Args:
        config: The whole configuration.
    """

    def __init__(self, config: TelemetryConfig) -> None:
        audit = config.audit_config
        self._config = audit
        self.pid = os.getpid()
        """The process that this pipeline belongs to."""
        self._kafka = KafkaConnector(audit)
        self.default_wait = audit.wait_for
        self._source = source_of(config.environment, config.service_name)
        secret = audit.key_hmac_secret.get_secret_value().encode() if audit.key_hmac_secret else None
        self._factory = EventFactory(
            service_name=config.service_name,
            environment=config.environment,
            version=config.version,
            max_event_bytes=audit.max_event_bytes,
            hmac_secret=secret if audit.key_mode == "hmac" else None,
            clear_fields=audit.clear_fields,
        )
        self._lock = threading.Lock()
        self._batcher = AuditBatcher(
            lock=self._lock, max_bytes=audit.batch_size_kb << 10, max_delay=audit.batch_timeout_ms / 1_000
        )
        self._queue_bytes = audit.queue_max_bytes
        if audit.spool_path is not None:
            self._queue_bytes = min(audit.queue_max_bytes, audit.spool_max_bytes // _SPOOL_PARTS)
        self._self_audit = SelfAudit(config, self._log_own)
        self._keys = self._make_keys()
        self._checkpointer = Checkpointer(audit.signing_config, source=self._source) if audit.signing_config else None
        self._stream = ProducerStream(
            AuditEncryptor(self._keys.keyring, source=self._source)
            if self._keys
            else ClearEncoder(source=self._source),
            keys=self._keys,
            signer=self._checkpointer,
        )
        self._room = Room(lock=self._lock, max_events=audit.queue_max_events, max_bytes=self._queue_bytes)
        self._metrics = AuditMetrics(topic=audit.kafka_topic)
        self._ledger = Ledger(topic=audit.kafka_topic, metrics=self._metrics, room=self._room)
        self._spool: Spool | None = None
        self._adopted: list[AdoptedSegment] = []
        self._detour = DetourParts(
            audit,
            kafka=self._kafka,
            ledger=self._ledger,
            owner=self._stream.producer,
            listener=self,
        )
        self._dispatcher: Dispatcher | None = None
        self._closing = False
        self._is_sealed_off = False
        self._ending = threading.Lock()
        self._report: ShutdownReport | None = None
        self._lost: UndeliveredError | None = None

    def start(self, *, check: bool = True) -> None:
        """Check key and store, then begin.

        Args:
            check: Make the trial wrap and the trial write; a forked child skips them.

        Raises:
            ConfigurationError: The configuration cannot work.
            EncryptionError: The key cannot be used.
            StorageError: The fallback store cannot be used.
            TransportError: Kafka cannot be reached and there is no fallback.
        """
        try:
            if self._keys is not None and check:
                self._keys.check()
            if check:
                self._kafka.check()
            self._detour.open_store(check=check)
            self._open_spool()
            self._intake = self._make_intake()
            detour = self._detour.make()
            self._dispatcher = Dispatcher(
                sender=self._stream.producer,
                batcher=self._batcher,
                ledger=self._ledger,
                detour=detour,
                make_transport=self._kafka.open,
                on_diverted=self._note_diverted,
                on_batch=self._note_batch,
                certificates=self._kafka.certificates,
                explain=self._kafka.explain,
                longest_pause=self._detour.longest_pause,
            )
            if check and not self._config.fallback_enabled:
                self._kafka.require()
            behind_backlog = self._wait_for_backlog()
            self._dispatcher.start(
                (chunk for segment in self._adopted for chunk in segment.records(self._closing_checkpoint)),
                behind_backlog=behind_backlog,
            )
        except BaseException:
            self._undo_start()
            raise
        self._detour.start_replay()
        self._metrics.observe(self)
        self._self_audit.started()
        for segment in self._adopted:
            self._self_audit.recovered(segment.producer)

    def offer(self, event_type: str, payload: Any, user_id: str, fields: Mapping[str, Any]) -> Receipt | Ticket:
        """Check, seal and accept an event, or return the ticket with which it waits."""
        try:
            return self._intake.offer(self._factory.draft(event_type, payload, user_id, fields))
        except TelemetryError as exc:
            self._ledger.refused(exc)
            raise

    def patience(self, ticket: Ticket) -> float:
        """How many seconds a ticket may wait."""
        wait = self._config.data_key_wait_ms if ticket.waits_for_key else self._config.queue_full_timeout_ms
        return wait / 1_000

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a ticket back; False when its event was accepted or refused meanwhile."""
        return self._intake.withdraw(ticket)

    def gave_up(self, ticket: Ticket) -> TelemetryError:
        """Return the error for a ticket whose patience is over."""
        error: TelemetryError
        if ticket.waits_for_key and self._keys is not None:
            error = self._keys.missing()
        else:
            error = BackpressureError(
                f"the queue stayed full for {self._config.queue_full_timeout_ms} ms; the event was not logged; "
                "Kafka and the fallback do not keep up"
            )
        self._ledger.refused(error)
        return error

    def stats(self) -> AuditStats:
        """Return a snapshot of the counts."""
        ledger = self._ledger
        with self._lock:
            logged = self._intake.accepted
            settled = ledger.counts.delivered, ledger.counts.stored, ledger.counts.failed
        return AuditStats(
            logged=logged,
            delivered=settled[0],
            stored=settled[1],
            failed=settled[2],
            queued=max(logged - sum(settled), 0),
            refused=ledger.counts.refused,
            replayed=ledger.counts.replayed,
            rejected=ledger.counts.rejected,
            recovered=ledger.counts.recovered,
            send_errors=ledger.counts.send_errors,
            diverted=self._dispatcher is not None and self._dispatcher.is_diverted,
        )

    def gauges(self) -> dict[str, float]:
        """Return what can be read at any moment, by metric name."""
        events, size = self._room.used
        diverted = self._dispatcher is not None and self._dispatcher.is_diverted
        values: dict[str, float] = {
            "audit.queue.events": events,
            "audit.queue.bytes": size,
            "audit.queue.waiting_calls": self._intake.waiting,
            "audit.kafka.diverted": int(diverted),
            "audit.oldest_undelivered_age_seconds": self._oldest_age(),
        }
        if self._keys is not None:
            keyring = self._keys.keyring
            values |= {
                "audit.data_key.uses_left": keyring.uses_left,
                "audit.data_key.age_seconds": keyring.age,
                "audit.kms.last_call_ms": keyring.last_fetch_seconds * 1_000,
            }
        if self._spool is not None:
            values["audit.spool.bytes"] = self._spool.size
        return values | self._detour.gauges()

    def _oldest_age(self) -> float:
        waiting = (self._batcher.oldest, self._dispatcher.oldest if self._dispatcher else None)
        oldest = min((moment for moment in waiting if moment is not None), default=None)
        return max(time.monotonic() - oldest, 0.0) if oldest is not None else 0.0

    def shutdown(self, timeout: float) -> ShutdownReport:
        """Drain to Kafka, then to the fallback, and end.

        Args:
            timeout: Seconds for all of it.

        Returns:
            What was delivered, stored and left; the same report when called again.

        Raises:
            UndeliveredError: Accepted events could be kept nowhere.
        """
        with self._ending:
            if self._report is None:
                self._report = self._end(timeout)
            if self._lost is not None:
                raise self._lost
            return self._report

    def _end(self, timeout: float) -> ShutdownReport:
        counts = self.stats()
        self._closing = True
        self._note_rotations()
        self._self_audit.stopped({"logged": counts.logged, "refused": counts.refused})
        error = LifecycleError("telemetry is shut down; the event was not logged")
        self._intake.close(error)
        drained = self._drain(timeout)
        self._ledger.close()
        rest = [record for record in drained if record.receipt is not None and not record.receipt.is_settled]
        if self._spool is not None:
            self._spool.save([record for record in rest if record.segment is None])
        self._close_spool()
        kept: list[SealedRecord] = []
        lost: list[SealedRecord] = []
        for record in rest:
            (lost if record.segment is None else kept).append(record)
        self._ledger.kept(kept)
        stats = self.stats()
        self._close_resources()
        if lost:
            self._lost = self._give_up(lost)
        return ShutdownReport(delivered=stats.delivered, stored=stats.stored, spooled=len(kept), failed=stats.failed)

    def _drain(self, timeout: float) -> list[SealedRecord]:
        if self._dispatcher is None:
            return []
        give_up = time.monotonic() + timeout
        share = 0.6 if self._config.fallback_enabled else 0.95
        self._detour.stop_replay(min(timeout * 0.2, 5.0))
        if self._spool is not None:
            self._spool.stop(timeout * 0.3)
        self._is_sealed_off = True
        left = max(give_up - time.monotonic(), 0.1)
        return self._dispatcher.drain(kafka_seconds=min(self._kafka.deadline, left * share), total_seconds=left)

    def _give_up(self, rest: list[SealedRecord]) -> UndeliveredError:
        ids = [record.event_id for record in rest]
        error = UndeliveredError(
            f"{len(ids)} accepted events could be kept nowhere: neither Kafka nor a fallback took them",
            count=len(ids),
            event_ids=ids,
        )
        self._ledger.failed(rest, error)
        logger.error("%s", error)
        return error

    def _make_intake(self) -> Intake:
        return Intake(
            self._stream,
            lock=self._lock,
            room=self._room,
            queue=self._spool or self._batcher,
            refusals=self._ledger,
        )

    def _make_keys(self) -> KeySupply | None:
        if not self._config.encryption_enabled:
            logger.warning("encryption is off: events are readable for whoever reads the topic or the fallback store")
            return None
        return KeySupply(self._config, context=context_of(self._source))

    def _open_spool(self) -> None:
        folder = self._config.spool_path
        if folder is None:
            return
        part = self._config.spool_max_bytes // _SPOOL_PARTS
        try:
            open_folder(folder)
            self._adopted = adopt_segments(folder, topic=self._config.kafka_topic)
            segment = SpoolSegment.create(
                folder,
                producer=self._stream.producer,
                topic=self._config.kafka_topic,
                source=self._source,
                flip_bytes=part // _SPOOL_PARTS,
            )
        except SpoolError as exc:
            raise ConfigurationError(Problem("spool_path", str(exc))) from exc
        self._spool = Spool(
            segment,
            lock=self._lock,
            queue=self._batcher,
            tree=self._stream.tree,
            room=self._room,
            max_kept_bytes=part - self._queue_bytes,
        )

    def _close_spool(self) -> None:
        """Close all segments."""
        for segment in self._adopted:
            segment.close()
        if self._spool is not None:
            self._spool.close()

    def _closing_checkpoint(self, segment: AdoptedSegment) -> SealedRecord | None:
        tree = segment.tree
        if self._checkpointer is None or tree is None:
            return None
        return self._checkpointer.closing(tree, source=segment.source)

    def _wait_for_backlog(self) -> bool:
        """Keep the adopted records behind what their processes stored before; return whether there is such a thing."""
        try:
            return self._detour.wait_for({segment.producer for segment in self._adopted})
        except StorageError as exc:
            logger.error("the spool of dead processes is left to the next start: %s", exc)  # noqa: TRY400 - the cause is in the line
            for segment in self._adopted:
                segment.close()
            self._adopted = []
            return False

    def kafka_is_ready(self) -> None:
        """Let the sender look whether it may send to Kafka directly again; called in a thread of the fallback."""
        if self._dispatcher is not None:
            self._dispatcher.kafka_is_ready()

    def _log_own(self, event_type: str, payload: dict[str, Any]) -> None:
        # A thread may still have something to tell when the shutdown has closed the intake; it must not fail for that.
        with contextlib.suppress(LifecycleError):
            self._intake.offer(self._factory.draft(event_type, payload, USER_ID, {}))

    def _note_diverted(self, diverted: bool, reason: str) -> None:
        self._detour.divert(diverted=diverted)
        if self._closing:
            return
        if diverted:
            self._self_audit.fallback_entered(reason)
        else:
            self._self_audit.fallback_left()

    def _note_rotations(self) -> None:
        if self._keys is not None:
            for kid, key_uri in self._keys.take_rotations():
                self._self_audit.key_rotated(kid, key_uri)

    def _note_batch(self, records: list[SealedRecord]) -> Iterable[SealedRecord]:
        tree = self._stream.tree.absorb(records) if self._spool is None else self._stream.tree.state()
        self._note_rotations()
        if records:
            seconds, sealed = self._intake.take_seal_time()
            self._metrics.batch(len(records), seconds, sealed)
        checkpoint = self._due_checkpoint(tree)
        if checkpoint is None:
            return ()
        if self._spool is not None:
            self._spool.keep_open_for(checkpoint)
        return (checkpoint,)

    def _due_checkpoint(self, tree: TreeState | None) -> SealedRecord | None:
        if self._checkpointer is None or tree is None:
            return None
        if self._is_sealed_off and tree.size == self._stream.next_sequence:
            self._is_sealed_off = False
            return self._checkpointer.final(tree)
        return self._checkpointer.due(tree)

    def _undo_start(self) -> None:
        """Leave no thread, file or lock of a start that failed: the next one may be in this process."""
        self._detour.abandon()
        self._close_spool()
        self._close_resources()

    def _close_resources(self) -> None:
        if self._keys is not None:
            self._keys.close()
        self._detour.close()
