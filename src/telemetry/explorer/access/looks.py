"""Records in the trail who looks at what, before it is shown."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from telemetry.config import TelemetryConfig
from telemetry.config.explorer.serving import ExplorerConfig
from telemetry.exceptions import ConfigurationError, ReadNotRecordedError, TelemetryError
from telemetry.explorer.access.records.denials import Denials
from telemetry.explorer.access.records.reader_stream import ReaderStream
from telemetry.explorer.access.session import Session
from telemetry.system.core_dumps import disable_core_dumps

logger = logging.getLogger("telemetry.explorer")

READ: Final = "telemetry.read"
SEARCHED: Final = "telemetry.searched"
VIEWED: Final = "telemetry.viewed"
EXPORTED: Final = "telemetry.exported"
_PROGRAM = "telemetry explore"
_TICK_SECONDS = 1.0
_RETRY_TICKS = 60


class Looks:
    """Writes an event for each look, and waits until it is durable.

    All of them are events of one stream, ``/ENVIRONMENT/telemetry-reader``, which lives as long as the explorer.

    Args:
        config: Configuration of the trail; its ``read_audit`` says what happens if an event cannot be written.
        sources: Descriptions of what is read, for ``telemetry.read``.
        shows_content: Whether somebody may see content at all; then a configuration that cannot work stops the start.

    Attributes:
        with_text: Whether what was searched for may be written down: the trail is sealed.
        denials: Records refusals, counted.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        *,
        sources: Sequence[Mapping[str, Any]] = (),
        shows_content: bool = True,
    ) -> None:
        seconds = (config.explorer_config or ExplorerConfig()).record_seconds
        self._audit = config.audit_config
        self._sources = [dict(source) for source in sources]
        self._shows_content = shows_content
        self._stream = ReaderStream(config, seconds=seconds)
        self._ticking: asyncio.Task[None] | None = None
        self.with_text = config.audit_config.encryption_enabled
        self.denials = Denials(self._stream if self._is_on else None)

    async def opened(self, session: Session, reason: str) -> None:
        """Record that a person opens the content of the trail (``telemetry.read``), once a session.

        Args:
            session: Whose.
            reason: Why, such as the number of a ticket.

        Raises:
            ReadNotRecordedError: It could not be recorded, and ``read_audit`` is ``required``.
        """
        process = {"program": _PROGRAM, "host": socket.gethostname(), "pid": os.getpid()}
        payload = {"reason": reason, "sources": self._sources, "filters": {}, **process}
        await self._record(READ, session, payload, reason=reason)

    async def searched(self, session: Session, description: Mapping[str, Any], found: int) -> None:
        """Record a search (``telemetry.searched``).

        Args:
            session: Who searches.
            description: The conditions, as ``EventFilter.describe(with_text=looks.with_text)`` says them.
            found: How many events were found.

        Raises:
            ReadNotRecordedError: It could not be recorded, ``read_audit`` is ``required``, and the person reads content.
        """
        payload = {"filters": dict(description), "found": found}
        await self._record(SEARCHED, session, payload)

    async def viewed(self, session: Session, event_id: str) -> None:
        """Record that an event was opened on the screen (``telemetry.viewed``); errors as :meth:`searched`.

        Args:
            session: Who opens it.
            event_id: The event's id.
        """
        await self._record(VIEWED, session, {}, entity="audit_event", entity_id=event_id)

    async def exported(self, session: Session, description: Mapping[str, Any], events: int) -> None:
        """Record that content leaves the explorer (``telemetry.exported``); errors as :meth:`searched`.

        Args:
            session: Who takes it.
            description: What was taken, and in which form.
            events: How many events.
        """
        payload = {"description": dict(description), "events": events}
        await self._record(EXPORTED, session, payload)

    async def __aenter__(self) -> Self:
        # The process of an explorer has keys and events in its memory.
        if self._audit.disable_core_dumps:
            disable_core_dumps()
        if self._is_on:
            await self._start(is_first=True)
            self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        self.denials.flush()
        await self._stream.close()

    @property
    def _is_on(self) -> bool:
        return self._audit.read_audit != "off"

    async def _start(self, *, is_first: bool) -> None:
        try:
            await self._stream.start()
        except TelemetryError as exc:
            is_needed = is_first and self._shows_content and self._audit.read_audit == "required"
            if is_needed and isinstance(exc, ConfigurationError):
                raise  # it says what to correct; no page with content could ever be shown
            logger.error("who looks cannot be recorded now: %s; it is tried again", exc)  # noqa: TRY400 - the message says all

    async def _record(self, event_type: str, session: Session, payload: Mapping[str, Any], **fields: Any) -> None:
        if not self._is_on:
            return
        person = session.person
        by = {"name": person.name, "right": person.right.value, "signed_in": person.how}
        about: dict[str, Any] = {
            "entity": "audit_trail",
            "entity_id": self._audit.kafka_topic,
            "reason": session.reason,
        }
        known: dict[str, Any] = {
            "action": "read",
            "session_id": session.id,
            "ip_address": session.address,
            "outcome": "success",
        }
        whole = {**about, **known, **fields}
        # A person who sees no content waits for no record, and one without rights to write may still verify.
        shows_content = session.is_open or event_type == READ
        try:
            if shows_content:
                await self._stream.write(event_type, {**payload, **by}, person.subject, **whole)
            else:
                self._stream.offer(event_type, {**payload, **by}, person.subject, **whole)
        except (TelemetryError, TimeoutError) as exc:
            self._not_recorded(event_type, exc, shows_content=shows_content)

    def _not_recorded(self, event_type: str, error: TelemetryError | TimeoutError, *, shows_content: bool) -> None:
        why = str(error) or "Kafka did not acknowledge it in time, and nothing else took it"
        if shows_content and self._audit.read_audit == "required":
            raise ReadNotRecordedError(_explain(event_type, why, self._audit.kafka_topic)) from error
        logger.error("continuing although %s could not be recorded in the trail: %s", event_type, why)

    async def _tick(self) -> None:
        for second in itertools.count(1):
            await asyncio.sleep(_TICK_SECONDS)
            self.denials.tick()
            if second % _RETRY_TICKS == 0 and not self._stream.has_begun:
                await self._start(is_first=False)


def _explain(event_type: str, why: str, topic: str) -> str:
    return (
        f"nothing was shown, because the {event_type} event that records it could not be written: {why}. Allow the explorer "
        f"to write to topic {topic!r} and to use the key, or give it a storage_config for the event, or set read_audit to "
        '"attempt" or "off" (docs/reading.md)'
    )
