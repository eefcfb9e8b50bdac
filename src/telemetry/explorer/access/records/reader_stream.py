"""Writes events into the stream of readers, for as long as the explorer runs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.audit.receipt import Receipt
from telemetry.audit.runtime import Runtime
from telemetry.audit.service import AuditService
from telemetry.config import TelemetryConfig
from telemetry.exceptions import BackpressureError, TelemetryError, TransportError
from telemetry.reader.trust.policy import READER_SERVICE
from telemetry.system.clock import Clock
from telemetry.system.deadline import Deadline

logger = logging.getLogger("telemetry.explorer")

_KAFKA_SHARE = 0.4
"""Part of the time for an event after which Kafka counts as away, if there is a store that takes the event then."""
_PAUSE_SECONDS = 5.0
"""After a failed start nothing is tried for so long: each try asks the key service."""
_CLOSE_SECONDS = 5.0
_QUEUE_EVENTS = 10_000


class ReaderStream:
    """Logs under the name of readers, signed by the reader's own key.

    It begins with Kafka alone. Once Kafka has not acknowledged an event in time, a stream with the fallback store replaces it
    for good, if there is one: the reader needs no right there before that.

    Args:
        config: Configuration of the trail.
        seconds: How long an event may take until it is durable.
        clock: Monotonic seconds.
    """

    def __init__(self, config: TelemetryConfig, *, seconds: float, clock: Clock = time.monotonic) -> None:
        self._config = config
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None
        self._has_fallback = False
        self._failed: tuple[float, TelemetryError] | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Check the keys and Kafka.

        Raises:
            TelemetryError: Nothing can be written now; the next event tries again.
        """
        await asyncio.to_thread(self._started)

    @property
    def has_begun(self) -> bool:
        """Whether events can be offered."""
        return self._runtime is not None

    async def write(self, event_type: str, payload: Mapping[str, Any], user_id: str, **fields: Any) -> Receipt:
        """Write an event and wait until Kafka or the fallback store has it.

        Args:
            event_type: Its type, one of the library's own.
            payload: What is sealed.
            user_id: Who looks.
            **fields: Further fields of the event.

        Raises:
            TelemetryError: It could not be written.
            TimeoutError: It is not known to be written in time.
        """
        deadline = Deadline(self._seconds, clock=self._clock)
        event = OwnEventType(event_type), payload, user_id
        if not self._may_take_fallback:
            return await self._write(event, fields, deadline.remaining)
        try:
            return await self._write(event, fields, deadline.remaining * _KAFKA_SHARE)
        except (TransportError, TimeoutError):
            # The second attempt is another event: the first may arrive as well.
            if not await asyncio.to_thread(self._take_fallback):
                raise
        return await self._write(event, fields, deadline.remaining)

    def offer(self, event_type: str, payload: Mapping[str, Any], user_id: str, **fields: Any) -> None:
        """Write an event without waiting for anything; nothing is written where the stream has not begun.

        Raises:
            TelemetryError: It could not be accepted.
        """
        runtime = self._runtime
        if runtime is None:
            message = "the stream of readers has not begun"
            raise BackpressureError(message)
        AuditService(runtime).log(
            OwnEventType(event_type), payload, user_id, unfit="repr", wait_for="offered", **fields
        )

    async def close(self) -> None:
        """Deliver what was accepted, and end the stream."""
        await asyncio.to_thread(self._close)

    async def _write(
        self, event: tuple[str, Mapping[str, Any], str], fields: Mapping[str, Any], seconds: float
    ) -> Receipt:
        async with asyncio.timeout(seconds):
            known = self._runtime
            runtime = known if known is not None else await asyncio.to_thread(self._started)
            # In a thread with a loop it waits for nothing; what does not fit becomes a text.
            receipt = AuditService(runtime).log(*event, unfit="repr", wait_for="durable", **fields)
            await receipt.durable()
            return receipt

    def _started(self) -> Runtime:
        with self._lock:
            if self._runtime is not None:
                return self._runtime
            self._require_pause()
            try:
                self._runtime = self._begun()
            except TelemetryError as exc:
                self._failed = self._clock(), exc
                raise
            return self._runtime

    def _begun(self) -> Runtime:
        try:
            return _started_runtime(self._writer())
        except TransportError:
            if not self._may_take_fallback:
                raise
            self._has_fallback = True
            return _started_runtime(self._writer())

    def _require_pause(self) -> None:
        if self._is_closed:
            message = "the explorer is being stopped"
            raise BackpressureError(message)
        if self._failed is not None and self._clock() - self._failed[0] < _PAUSE_SECONDS:
            raise self._failed[1].with_traceback(None)

    @property
    def _may_take_fallback(self) -> bool:
        return not self._has_fallback and self._config.audit_config.storage_config is not None

    def _take_fallback(self) -> bool:
        """Replace the stream by one with the fallback store; return whether that is the present one now."""
        with self._lock:
            if self._is_closed or not self._may_take_fallback:
                return self._has_fallback and not self._is_closed
            self._has_fallback = True
            former, self._runtime, self._failed = self._runtime, None, None
        logger.warning("Kafka does not acknowledge who looks; it is stored in the fallback store from now on")
        if former is not None:
            threading.Thread(target=_end, args=(former,), name="telemetry-looks-end", daemon=True).start()
        return True

    def _close(self) -> None:
        with self._lock:
            runtime, self._runtime, self._is_closed = self._runtime, None, True
        if runtime is not None:
            _end(runtime)

    def _writer(self) -> TelemetryConfig:
        """Return the configuration of the stream: the reader's own, without what is a service's."""
        audit = self._config.audit_config
        changes: dict[str, Any] = {
            "fallback_enabled": self._has_fallback,
            "spool_path": None,
            "self_audit": False,
            # The library's own events have no subject, so a reader needs no right to write to the store of their keys.
            "subject_keys": None,
            "shared_streams": None,
            "clear_fields": (),
            "event_policies": (),
            "queue_max_events": min(audit.queue_max_events, _QUEUE_EVENTS),
            "batch_timeout_ms": 1,
            "fallback_object_seconds": 0.05,
        }
        return self._config.model_copy(
            update={"service_name": READER_SERVICE, "audit_config": audit.model_copy(update=changes)}
        )


def _started_runtime(config: TelemetryConfig) -> Runtime:
    runtime = Runtime(config, for_reading=True)
    runtime.start()
    return runtime


def _end(runtime: Runtime) -> None:
    try:
        runtime.shutdown(_CLOSE_SECONDS)
    except TelemetryError as exc:
        logger.error("the stream of readers did not end in order: %s", exc)  # noqa: TRY400 - the message says all
