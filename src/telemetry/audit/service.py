"""Offers ``log()`` to an application: ``telemetry.audit``, for asyncio and for blocking code."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, get_args

from telemetry.audit.accept.intake import Ticket
from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.receipt import DELIVERED, DURABLE, Receipt, wait_until
from telemetry.audit.reports import AuditStats
from telemetry.config.audit import WaitFor
from telemetry.exceptions import EventError

_LEVELS = get_args(WaitFor)


class PipelineOwner(Protocol):
    """Owns the pipeline of the present process, across forks; the runtime is one."""

    def pipeline(self) -> AuditPipeline:
        """Return the pipeline of this process.

        Raises:
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """


class AuditService:
    """Logs audit events without blocking the event loop.

    Args:
        owner: Owner of the pipeline.
    """

    def __init__(self, owner: PipelineOwner) -> None:
        self._owner = owner

    async def log(
        self, event_type: str, payload: Any, user_id: str, *, wait_for: WaitFor | None = None, **fields: Any
    ) -> Receipt:
        """Seal an event and accept it for delivery.

        It touches the event loop only when it must wait: for the first data key, for room in a full queue, or because
        of ``wait_for``. Events of one user stay in the order of the calls.

        Args:
            event_type: What happened, such as ``user_login``; 1 to 255 characters. ``telemetry.`` begins the library's own.
            payload: Any JSON-like value; dates, UUIDs, decimals, enums, bytes (as base64), dataclasses and pydantic
                models are converted to JSON.
            user_id: The user the event belongs to; 1 to 1,024 characters.
            wait_for: ``accepted`` (sealed and queued), ``durable`` (on disk in the spool; without a spool as
                ``delivered``) or ``delivered`` (acknowledged by Kafka or the fallback store); default: the
                configuration's.
            **fields: ``session_id``, ``actor_id``, ``entity``, ``entity_id``, ``action``, ``outcome``, ``source``,
                ``ip_address``, ``user_agent``, ``correlation_id``, ``sensitive``; any other goes to ``metadata``.

        Returns:
            The receipt.

        Raises:
            EventError: The event cannot be accepted; nothing was logged.
            BackpressureError: The queue stayed full for ``queue_full_timeout_ms``.
            EncryptionError: No data key could be obtained.
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """
        pipeline = self._owner.pipeline()
        level = _checked_level(wait_for) if wait_for else pipeline.default_wait
        accepted = pipeline.offer(event_type, payload, user_id, fields)
        if isinstance(accepted, Ticket):
            accepted = await self._wait(pipeline, accepted)
        if level != "accepted":
            # Without a coroutine in between: asyncio runs through each of them at every step of a task that waits.
            await wait_until(accepted, DURABLE if level == "durable" else DELIVERED)
        return accepted

    def get_audit_stats(self) -> AuditStats:
        """Return a snapshot of the counts of this process."""
        return self._owner.pipeline().stats()

    async def _wait(self, pipeline: AuditPipeline, ticket: Ticket) -> Receipt:
        future = asyncio.wrap_future(ticket.receipt)
        try:
            await asyncio.wait([future], timeout=pipeline.patience(ticket))
        except asyncio.CancelledError:
            pipeline.withdraw(ticket)
            future.cancel()  # nothing will look at its result
            raise
        # An event that was accepted at the last moment is accepted: the pipeline decides, under its lock.
        if not future.done() and pipeline.withdraw(ticket):
            future.cancel()
            raise pipeline.gave_up(ticket)
        return await future


class BlockingAuditService:
    """Logs audit events from blocking code; the same pipeline, the same promises as :class:`AuditService`."""

    def __init__(self, owner: PipelineOwner) -> None:
        self._owner = owner

    def log(
        self, event_type: str, payload: Any, user_id: str, *, wait_for: WaitFor | None = None, **fields: Any
    ) -> Receipt:
        """Seal an event and accept it for delivery; arguments, result and errors as :meth:`AuditService.log`.

        Wait on the receipt with ``wait_durable()`` and ``wait_delivered()``.
        """
        pipeline = self._owner.pipeline()
        level = _checked_level(wait_for) if wait_for else pipeline.default_wait
        accepted = pipeline.offer(event_type, payload, user_id, fields)
        if isinstance(accepted, Ticket):
            accepted = self._wait(pipeline, accepted)
        if level == "durable":
            accepted.wait_durable()
        elif level == "delivered":
            accepted.wait_delivered()
        return accepted

    def get_audit_stats(self) -> AuditStats:
        """Return a snapshot of the counts of this process."""
        return self._owner.pipeline().stats()

    def _wait(self, pipeline: AuditPipeline, ticket: Ticket) -> Receipt:
        try:
            return ticket.receipt.result(pipeline.patience(ticket))
        except TimeoutError:
            if pipeline.withdraw(ticket):
                raise pipeline.gave_up(ticket) from None
            return ticket.receipt.result()


def _checked_level(level: str) -> str:
    if level not in _LEVELS:
        message = 'wait_for must be "accepted", "durable" or "delivered"'
        raise EventError(message)
    return level
