"""Offers ``log()`` to an application: ``telemetry.audit``, for coroutines, threads and scripts."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, ParamSpec, Protocol, TypeVar

from telemetry.audit.accept.draft.adjuster import Unfit
from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.health import StreamHealth
from telemetry.audit.receipt import LEVELS, WAITING, Receipt
from telemetry.audit.reports import AuditStats
from telemetry.config.audit import WaitFor
from telemetry.config.telemetry import problem_of_service_name
from telemetry.context import FROM_CONTEXT
from telemetry.exceptions import EventError, Problem
from telemetry.format.value.event import ActorType, Outcome
from telemetry.system.loops.running import in_event_loop, in_trio_task, run_in_thread

OFFERED: Final = "offered"
"""What :meth:`AuditService.log` waits for where it must not wait at all."""


_NOT_A_NAME = Problem("", "is not a text", "give the name of the service")


class PipelineOwner(Protocol):
    """Owns the pipeline of the present process, across forks; the runtime is one."""

    def pipeline(self) -> EventPipeline:
        """Return the pipeline of this process.

        Raises:
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """


_P = ParamSpec("_P")
_R = TypeVar("_R")


def has_signature_of(model: Callable[_P, _R]) -> Callable[[Callable[..., _R]], Callable[_P, _R]]:
    """Return a decorator: type checkers, ``help()`` and ``inspect`` see the model's signature."""

    def decorate(function: Callable[..., _R]) -> Callable[_P, _R]:
        function.__signature__ = inspect.signature(model)  # type: ignore[attr-defined]
        return function

    return decorate


def _signature(  # noqa: PLR0913 - each field of an event has its name
    self: AuditService,
    event_type: str,
    payload: Any,
    user_id: Any = FROM_CONTEXT,
    *,
    session_id: Any = None,
    actor_id: Any = None,
    actor_type: ActorType | None = None,
    tenant_id: Any = None,
    entity: Any = None,
    entity_id: Any = None,
    targets: Iterable[Any] | None = None,
    action: Any = None,
    outcome: Outcome | None = None,
    reason: Any = None,
    changes: Mapping[str, Any] | None = None,
    source: Any = None,
    ip_address: Any = None,
    user_agent: Any = None,
    correlation_id: Any = None,
    occurred_at: datetime | str | float | None = None,
    idempotency_key: Any = None,
    adjusted: Iterable[str] | None = None,
    sensitive: bool | None = None,
    scrub: bool | None = None,
    unfit: Unfit = "refuse",
    wait_for: WaitFor | Literal["offered"] | None = None,
    **metadata: Any,
) -> Receipt:
    """Has the signature of :meth:`AuditService.log`, which takes the fields as one mapping: twenty defaults cost as much as the JSON."""
    raise NotImplementedError


def _seal_signature(  # noqa: PLR0913 - each field of an event has its name
    self: AuditService,
    event_type: str,
    payload: Any,
    user_id: Any = FROM_CONTEXT,
    *,
    session_id: Any = None,
    actor_id: Any = None,
    actor_type: ActorType | None = None,
    tenant_id: Any = None,
    entity: Any = None,
    entity_id: Any = None,
    targets: Iterable[Any] | None = None,
    action: Any = None,
    outcome: Outcome | None = None,
    reason: Any = None,
    changes: Mapping[str, Any] | None = None,
    source: Any = None,
    ip_address: Any = None,
    user_agent: Any = None,
    correlation_id: Any = None,
    occurred_at: datetime | str | float | None = None,
    idempotency_key: Any = None,
    adjusted: Iterable[str] | None = None,
    sensitive: bool | None = None,
    scrub: bool | None = None,
    unfit: Unfit = "refuse",
    **metadata: Any,
) -> SealedEvent:
    """Has the signature of :meth:`AuditService.seal`."""
    raise NotImplementedError


log_signature = has_signature_of(_signature)
"""Gives a function the signature of ``log()``."""


class AuditService:
    """Logs audit events, from coroutines and from any thread: the order of one user's events holds across them.

    Args:
        owner: Owner of the pipeline.
    """

    def __init__(self, owner: PipelineOwner) -> None:
        self._owner = owner

    @log_signature
    def log(
        self,
        event_type: str,
        payload: Any,
        user_id: Any = FROM_CONTEXT,
        *,
        unfit: Unfit = "refuse",
        wait_for: WaitFor | Literal["offered"] | None = None,
        **fields: Any,
    ) -> Receipt:
        """Seal an event and log it; it is logged whether or not the result is awaited.

        In a thread with a running event loop this never blocks: ``await`` the receipt to wait until the event is accepted,
        or as safe as ``wait_for`` says. In any other thread it blocks until then. Events of one user stay in the order of the
        calls.

        A field that is not given, or is None, is what :class:`telemetry.context.audit_context` says it is.

        What an outsider can influence never refuses an event: a text of the context that is too long, empty or holds control
        characters is cut and escaped, and the event names it in ``adjusted``. Texts may be given as integers, UUIDs and IP
        addresses too.

        Args:
            event_type: What happened, such as ``user_login``; 1 to 255 characters. ``telemetry.`` begins the library's own.
            payload: Any JSON-like value; dates, UUIDs, decimals, enums, bytes (as base64), dataclasses and pydantic
                models are converted to JSON.
            user_id: The user whose event it is, at most 1,024 characters: its events stay in order. None if nobody is known:
                the event then has the user ``anonymous`` and that actor type. For a failed login give the name that was
                tried. It may be left out inside an ``audit_context`` that names the user.
            session_id: Session of the user.
            actor_id: Who acted, if it was not the user: an administrator, a service, a batch job.
            actor_type: ``user``, ``service``, ``system`` or ``anonymous``: the kind of who acted.
            tenant_id: Tenant, customer or organization that it concerns.
            entity: Kind of the thing acted upon, such as ``order``.
            entity_id: Id of that thing.
            targets: Several things acted upon: ``(entity, entity_id)`` each.
            action: What was done to it.
            outcome: ``success``, ``failure`` or ``denied``.
            reason: Why it was done, such as a ticket.
            changes: What changed, by name of the attribute: ``(old, new)``, or a mapping with ``old``, ``new`` or both.
            source: Part of the application.
            ip_address: Address from which the request came.
            user_agent: Program that sent the request.
            correlation_id: Common to all events of one request.
            occurred_at: When it happened, if not now: a ``datetime`` with a time zone, RFC 3339, or a number since 1970
                (seconds; from 10^11 on milliseconds, from 10^14 microseconds, from 10^17 nanoseconds). A text or number
                that is no time goes to the metadata.
            idempotency_key: The same in each repeat of one call, at most 256 characters: readers show repeats once.
            adjusted: Names of members of which the caller itself has replaced or cut something, such as ``payload``.
            sensitive: Keep payload, changes and metadata off the screens of people who did not ask for them.
            scrub: Replace secrets, by the names of their keys, and payment card numbers by ``[scrubbed]``; default: the
                configuration's.
            unfit: What happens to values that are no JSON and to an event that is too large. ``refuse`` raises; with
                ``repr`` a text stands for what does not fit, and ``adjusted`` names it.
            wait_for: ``accepted`` (sealed and queued), ``durable`` (on disk in the spool; without a spool as
                ``delivered``) or ``delivered`` (acknowledged by Kafka or the fallback store); default: the
                configuration's. With ``offered`` no thread ever waits: an event that finds no room or no data key waits
                for it alone, and counts as lost if it gets none; ``receipt.wait_accepted()`` can wait with a limit.
            **fields: The fields above; any other name and value become metadata.

        Returns:
            The receipt. ``event_id`` is known at once, ``producer`` and ``sequence`` when the event is accepted.

        Raises:
            EventError: The call is wrong; nothing was logged.
            BackpressureError: The queue is full, and as many events wait for room as may.
            EncryptionError: No data key could be obtained; in a thread without an event loop.
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """
        pipeline = self._owner.pipeline()
        level = pipeline.default_level if wait_for is None else level_of(wait_for, default=pipeline.default_level)
        receipt = pipeline.offer(event_type, payload, user_id, fields, unfit, level)
        if not receipt.is_at_least(level) and not in_event_loop():
            receipt.wait()
        return receipt

    @has_signature_of(_seal_signature)
    def seal(
        self,
        event_type: str,
        payload: Any,
        user_id: Any = FROM_CONTEXT,
        *,
        unfit: Unfit = "refuse",
        **fields: Any,
    ) -> SealedEvent:
        """Seal an event that is to be written into a database, in the transaction of what it is about.

        Nothing is sent or counted: :meth:`relay` does both, in this process or another one, after the commit. What
        happened is that of :meth:`log`, and so are the checks and the audit context.

        In a thread without an event loop this blocks while there is no data key. With one it never blocks:
        ``await key_ready()`` before it.

        Args:
            event_type: As for :meth:`log`.
            payload: As for :meth:`log`.
            user_id: As for :meth:`log`.
            unfit: As for :meth:`log`.
            **fields: As for :meth:`log`, without ``wait_for``.

        Returns:
            The sealed event; keep its ``data``.

        Raises:
            EventError: The call is wrong.
            EncryptionError: There is no data key; in a thread with an event loop, also none yet.
            LifecycleError: Before ``start()``, after ``shutdown()``, or ``relay_only`` is set.
        """
        if "wait_for" in fields:
            message = "seal() takes no wait_for: a row is as safe as its transaction; wait for the receipt of relay()"
            raise EventError(message)
        may_block = not in_event_loop()
        return self._owner.pipeline().seal(event_type, payload, user_id, fields, unfit, may_block=may_block)

    async def key_ready(self, user_id: Any = FROM_CONTEXT) -> None:
        """Wait until :meth:`seal` has its keys; returns at once while it has them.

        Args:
            user_id: User whose event is to be sealed. It matters where subjects have keys (``subject_keys``) alone.

        Raises:
            EncryptionError: They could not be obtained within ``data_key_wait_ms``.
            LifecycleError: Before ``start()``, after ``shutdown()``, or ``relay_only`` is set.
        """
        requested = self._owner.pipeline().request_row_key(user_id)
        if requested.done():
            return requested.result()
        if in_trio_task():
            return await run_in_thread(requested.result)
        return await asyncio.wrap_future(requested)

    def relay(self, data: bytes, *, wait_for: WaitFor | None = None) -> Receipt:
        """Send an event that :meth:`seal` returned, as :meth:`log` sends one; blocks and waits as it does.

        It gets the next number of this process's stream. A row that is relayed twice becomes two records, of which readers
        show one: delete it when it is delivered, not before.

        Args:
            data: The row, as the database gives it back. No key is needed; nothing in it is believed.
            wait_for: As for :meth:`log`.

        Returns:
            The receipt.

        Raises:
            EventError: It is no row of this service; it never will be, so keep it apart and go on with the next one.
            BackpressureError: The queue is full, and as many events wait for room as may.
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """
        pipeline = self._owner.pipeline()
        level = pipeline.default_level if wait_for is None else level_of(wait_for, default=pipeline.default_level)
        receipt = pipeline.relay(data, level)
        if not receipt.is_at_least(level) and not in_event_loop():
            receipt.wait()
        return receipt

    def on_behalf_of(self, service_name: str) -> AuditService:
        """Return the object that logs for another service; cheap enough to call for each request.

        Its events have that service's name, source and encryption context, and a stream of their own, which begins with the
        first event and ends with a final checkpoint once it is idle (``shared_streams``). ``seal()`` and ``relay()`` are
        refused there.

        Args:
            service_name: The service: 1 to 200 characters without control characters and colons. Who may log under it is
                for the caller to check.

        Raises:
            ConfigurationError: ``shared_streams`` is not configured.
            EventError: No service can have this name.
            BackpressureError: The service has no open stream, and as many are open as may (``max_streams``).
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """
        problem = problem_of_service_name(service_name) if isinstance(service_name, str) else _NOT_A_NAME
        if problem is not None:
            message = f"service_name {problem.reason}; {problem.remedy}"
            raise EventError(message)
        return self._with(_ServiceOwner(self._owner, service_name))

    def stream_health(self) -> list[StreamHealth]:
        """Return how the open streams of other services are, in the order in which they were opened.

        Raises:
            LifecycleError: Before ``start()`` or after ``shutdown()``.
        """
        return self._owner.pipeline().stream_health()

    def _with(self, owner: PipelineOwner) -> AuditService:
        return AuditService(owner)

    def emit(self, event: Any, user_id: Any = FROM_CONTEXT, **fields: Any) -> Receipt:
        """Log a typed event: an object of a class that the catalogue declares.

        Args:
            event: The event; its class says the type, and what is sealed of it.
            user_id: As for :meth:`log`.
            **fields: The other arguments of :meth:`log`.

        Returns:
            The receipt.

        Raises:
            EventError: There is no catalogue, it does not declare the class, or the event does not fit its class; else as
                :meth:`log`.
        """
        del event, user_id, fields
        message = "emit() needs the catalogue that declares the event: Telemetry(config, catalog=catalog)"
        raise EventError(message)

    def get_audit_stats(self) -> AuditStats:
        """Return a snapshot of the counts of this process."""
        return self._owner.pipeline().stats()


class _ServiceOwner:
    """Finds the pipeline of one service in the pipeline of the present process.

    Args:
        owner: Owner of the process's pipeline.
        service_name: The service.
    """

    def __init__(self, owner: PipelineOwner, service_name: str) -> None:
        self._owner = owner
        self._service_name = service_name
        whole = owner.pipeline()
        # Together, so that threads find either the old pair or the new one: after a fork the process has another pipeline.
        self._found = whole, whole.on_behalf_of(service_name)

    def pipeline(self) -> EventPipeline:
        """Return the pipeline of the service; errors as :meth:`PipelineOwner.pipeline`."""
        whole = self._owner.pipeline()
        known, found = self._found
        if known is not whole:
            found = whole.on_behalf_of(self._service_name)
            self._found = whole, found
        return found


def level_of(wait_for: object, *, default: int) -> int:
    """Return the number of a level; the default one for an empty text.

    Raises:
        EventError: There is no such level.
    """
    if wait_for == "":
        return default
    level = LEVELS.get(wait_for) if isinstance(wait_for, str) else None
    if level is None and wait_for == OFFERED:
        return WAITING
    if level is None:
        message = 'wait_for must be "accepted", "durable" or "delivered"'
        raise EventError(message)
    return level
