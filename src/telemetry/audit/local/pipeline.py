"""Accepts events as a pipeline does, with the same checks, errors and receipts, and sends none of them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec
import uuid_utils

from telemetry.audit.accept.draft.adjuster import Unfit
from telemetry.audit.accept.draft.choice import factory_of
from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.relayed_event import RelayedEvent
from telemetry.audit.accept.event_pipeline import NO_SHARED_STREAMS, EventPipeline
from telemetry.audit.accept.outbox.outbox import clear_outbox
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.health import STOPPED, Health, StreamHealth
from telemetry.audit.local.captures import captures
from telemetry.audit.local.event_console import EventConsole
from telemetry.audit.local.event_memory import memory_of_process
from telemetry.audit.local.event_sink import EventSink, Nowhere
from telemetry.audit.receipt import ACCEPTED, LEVELS, Receipt, mark_delivered, mark_unsent
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.config import TelemetryConfig
from telemetry.config.local import LocalMode, local_problem
from telemetry.exceptions import BackpressureError, ConfigurationError, LifecycleError, TelemetryError
from telemetry.format.value.event import AuditEvent, decode_event
from telemetry.format.value.message import parse, source_of
from telemetry.format.value.open_record import open_clear_record
from telemetry.format.value.template import beginning_of

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog

logger = logging.getLogger("telemetry.audit")

_PARTITION = 0
_SHUT_DOWN = "telemetry is shut down; log before shutdown()"


class _Counts(msgspec.Struct):
    """What happened to the calls; the pipeline's lock is held where it changes."""

    logged: int = 0
    refused: int = 0
    lost: int = 0


class LocalPipeline:
    """A pipeline without threads, sockets, keys and files: an event is settled when ``log()`` returns.

    Args:
        config: The configuration; what concerns Kafka, keys and stores is not used.
        sink: Where the events go.
        topic: Topic that receipts name as the place of their events; None if they name no place.
        catalog: The declared types, if there is a catalogue.

    Attributes:
        pid: The process that this pipeline belongs to.
        default_level: What awaiting a receipt waits for, unless the call says otherwise.
    """

    # attributes: one pipeline, and what those of other services are built from
    def __init__(
        self,
        config: TelemetryConfig,
        *,
        sink: EventSink,
        topic: str | None = None,
        catalog: AuditCatalog | None = None,
    ) -> None:
        self.pid = os.getpid()
        self.default_level = LEVELS[config.audit_config.wait_for]
        self._config = config
        self._catalog = catalog
        self._others: dict[str, LocalPipeline] = {}
        self._factory = factory_of(config, catalog, is_sealed=False)
        self._outbox = clear_outbox(config.audit_config, source=source_of(config.environment, config.service_name))
        self._sink = sink
        self._topic = topic
        self._producer = str(uuid_utils.uuid7())
        self._beginning = beginning_of(self._producer)
        self._lock = threading.Lock()
        self._counts = _Counts()
        self._is_closed = False

    def offer(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit = "refuse",
        level: int = ACCEPTED,
    ) -> Receipt:
        """Check an event and put it into the sink; arguments and errors as :meth:`AuditService.log`."""
        try:
            draft = self._factory.draft(event_type, payload, user_id, fields, unfit)
            return self._accept(draft, level)
        except TelemetryError:
            with self._lock:
                self._counts.refused += 1
            raise

    def seal(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit = "refuse",
        *,
        may_block: bool,
    ) -> SealedEvent:
        """Check an event and return it as a row in the clear; arguments and errors as :meth:`AuditService.seal`."""
        draft = self._factory.draft(event_type, payload, user_id, fields, unfit)
        return self._outbox.sealer.seal(draft, may_block=may_block)

    def request_row_key(self, user_id: Any = None) -> Future[None]:
        """Return a future that has ended: no key is needed."""
        del user_id
        return self._outbox.sealer.request_key()

    def relay(self, data: bytes, level: int = ACCEPTED) -> Receipt:
        """Put the event of a row into the sink; arguments and errors as :meth:`AuditService.relay`."""
        try:
            return self._accept(self._outbox.reader.read(data), level)
        except TelemetryError:
            with self._lock:
                self._counts.refused += 1
            raise

    def on_behalf_of(self, service_name: str) -> EventPipeline:
        """Return the pipeline of another service, with the same sink; errors as :meth:`AuditService.on_behalf_of`."""
        shared = self._config.audit_config.shared_streams
        if shared is None:
            raise ConfigurationError(NO_SHARED_STREAMS)
        if service_name == self._config.service_name:
            return self
        with self._lock:
            other = self._others.get(service_name)
            if other is None and self._is_closed:
                raise LifecycleError(_SHUT_DOWN)
            if other is None and len(self._others) >= shared.max_streams:
                message = f"{shared.max_streams} services have an open stream, as many as may"
                raise BackpressureError(message)
            if other is None:
                config = self._config.model_copy(update={"service_name": service_name, "version": ""})
                other = LocalPipeline(config, sink=self._sink, topic=self._topic, catalog=self._catalog)
                self._others[service_name] = other
        return other

    def forgo(self, error: TelemetryError) -> None:
        """Count an event that could not be logged, and whose call goes on all the same."""
        del error
        with self._lock:
            self._counts.lost += 1

    def stats(self) -> AuditStats:
        """Return a snapshot of the counts."""
        with self._lock:
            logged, refused, lost = msgspec.structs.astuple(self._counts)
            others = [other.stats() for other in self._others.values()]
        logged += sum(other.logged for other in others)
        refused += sum(other.refused for other in others)
        lost += sum(other.lost for other in others)
        if self._topic is None:
            return AuditStats(logged=logged, unsent=logged, refused=refused, lost=lost)
        return AuditStats(logged=logged, delivered=logged, refused=refused, lost=lost)

    def gauges(self) -> dict[str, float]:
        """Return nothing: nothing is queued, and no key is in use."""
        return {}

    def health(self, *, is_ending: bool) -> Health:
        """Return whether events are accepted: nothing that they need can be away."""
        is_over = is_ending or self._is_closed
        return Health(
            state="stopped" if is_over else "running",
            reasons=(STOPPED,) if is_over else (),
            refused=self._counts.refused,
        )

    def stream_health(self) -> list[StreamHealth]:
        """Return the streams of other services: nothing waits in them."""
        with self._lock:
            names = list(self._others)
        return [
            StreamHealth(service_name=name, waiting=0, used_share=0.0, has_data_key=True, oldest_waiting_seconds=0.0)
            for name in names
        ]

    def shutdown(self, timeout: float) -> ShutdownReport:
        """Accept no further event.

        Args:
            timeout: Not used: nothing is on its way.

        Returns:
            How many events there were.
        """
        del timeout
        with self._lock:
            self._is_closed = True
            others = list(self._others.values())
        for other in others:
            other.shutdown(0.0)
        stats = self.stats()
        return ShutdownReport(delivered=stats.delivered, stored=0, unsent=stats.unsent)

    def _accept(self, draft: EventDraft | RelayedEvent, level: int) -> Receipt:
        # One lock for number and sink, so that the events are there in the order of their numbers.
        with self._lock:
            if self._is_closed:
                raise LifecycleError(_SHUT_DOWN)
            sequence = self._counts.logged
            event, size = self._event(draft, sequence)
            self._sink.add(event, size=size)
            self._counts.logged += 1
        receipt = Receipt(draft.id, self._producer, sequence, level)
        if self._topic is None:
            mark_unsent(receipt)
        else:
            mark_delivered(receipt, self._topic, _PARTITION, sequence)
        return receipt

    def _event(self, draft: EventDraft | RelayedEvent, sequence: int) -> tuple[AuditEvent, int]:
        """Return the event as a reader would see it, and the bytes of its JSON."""
        if isinstance(draft, RelayedEvent):
            value = draft.row.value(self._producer, sequence)
            message = parse(value)
            return open_clear_record(value, key=draft.row.key, message=message), len(message.data)
        # Decoded from the bytes that would be sealed.
        encoded = self._beginning % sequence + draft.json_after_sequence
        return decode_event(encoded), len(encoded)


def captured_pipeline(config: TelemetryConfig, catalog: AuditCatalog | None = None) -> LocalPipeline:
    """Return a pipeline for a test: receipts say that Kafka has the events."""
    return LocalPipeline(config, sink=captures, topic=config.audit_config.kafka_topic, catalog=catalog)


def local_pipeline(
    config: TelemetryConfig, mode: LocalMode, *, catalog: AuditCatalog | None = None, is_start: bool = True
) -> LocalPipeline:
    """Return the pipeline of a configuration that sends nothing.

    Args:
        config: The configuration.
        mode: What it does with the events.
        catalog: The declared types, if there is a catalogue.
        is_start: Log that nothing is sent; a forked child does not say it again.

    Raises:
        ConfigurationError: The environment is production.
    """
    # A copy of a configuration with other values is not checked when it is created.
    problem = local_problem(mode, config.environment)
    if problem is not None:
        raise ConfigurationError(problem)
    if is_start:
        _say_so(mode, config.environment)
    return LocalPipeline(config, sink=_sink_of(mode), catalog=catalog)


def _sink_of(mode: LocalMode) -> EventSink:
    if mode == "memory":
        return memory_of_process()
    return EventConsole() if mode == "console" else Nowhere()


def _say_so(mode: LocalMode, environment: str) -> None:
    if mode == "off":
        logger.warning("audit logging is switched off (enabled=false, environment %r): no event is kept", environment)
        return
    what = "stay in the memory of this process" if mode == "memory" else "are only printed"
    logger.error(
        "NOTHING IS SENT: kafka_brokers is %s: and environment %r, so audit events %s, in the clear, and are gone with it; "
        "name the brokers of Kafka to keep them",
        mode,
        environment,
        what,
    )
