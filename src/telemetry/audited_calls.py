"""Offers ``@audited``: an event for each call of a function, with its outcome."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from telemetry.context import FROM_CONTEXT, context_values
from telemetry.current import current_telemetry
from telemetry.exceptions import EventError
from telemetry.hook_failures import HookFailures
from telemetry.outcome import outcome_of

if TYPE_CHECKING:
    from telemetry.audit.receipt import Receipt
    from telemetry.client import Telemetry

_P = ParamSpec("_P")
_R = TypeVar("_R")

FromCall = Callable[["AuditedCall"], Any]
"""Computes a part of the event from the call."""

INTENT = ".intent"
"""End of the type of an event that is logged before the act."""

_active: ContextVar[AuditedCall | None] = ContextVar("telemetry_audited_call", default=None)
_failures: HookFailures | None = None


class AuditedCall:
    """A call of an audited function, for callables that compute a part of its event.

    Attributes:
        arguments: Arguments by name, defaults included.
        result: What it returned; None before, and after an exception.
        error: The exception that it raised, or None.
        fields: Fields of the event; :func:`update_audited_call` adds to them.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = arguments
        self.result: Any = None
        self.error: BaseException | None = None
        self.fields: dict[str, Any] = {}

    def __repr__(self) -> str:
        return "AuditedCall()"


def update_audited_call(**fields: Any) -> None:
    """Add fields to the event of the audited function that is running: ``changes``, ``outcome``, ``entity_id``, metadata ...

    Args:
        **fields: As to ``log()``, and ``payload``.

    Raises:
        LookupError: No audited function is running here.
    """
    call = _active.get()
    if call is None:
        message = "no audited function is running here; decorate one with @audited(...)"
        raise LookupError(message)
    call.fields.update(fields)


def audited(
    event_type: str,
    *,
    entity: str | None = None,
    entity_id: str | FromCall | None = None,
    user_id: str | FromCall | None = None,
    payload: Iterable[str] | FromCall = (),
    changes: FromCall | None = None,
    intent: bool = False,
    wait_for: Literal["accepted", "durable", "delivered"] | None = None,
    telemetry: Telemetry | None = None,
    **metadata: Any,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Log an event for each call of a function or coroutine function, when it has ended.

    The outcome is ``success`` when it returns, ``denied`` after a ``PermissionError`` or an error of a framework that means
    401 or 403, else ``failure``. The payload names the class of the error, never its text.

    That the event could not be logged does not change what the function returns: it is counted
    (``audit.hooks.failed_total``) and said in the log. A part that cannot be computed is left out of the event, which names
    it in ``adjusted``, and is counted too. Where nothing may happen that is not recorded, use ``intent``.

    >>> @audited("order.refunded", entity="order", entity_id="order_id", payload=["amount"])
    ... def refund(order_id: int, amount: str) -> None: ...

    Args:
        event_type: What the function does.
        entity: Kind of the thing acted upon.
        entity_id: Its id: name of an argument, with dots for attributes of it (``order.id``), or a function of the call.
        user_id: The user, in the same way; else the context names the user.
        payload: Names of arguments that become the payload, or a function of the call.
        changes: Function of the call that returns the changes; the function itself may rather call
            :func:`update_audited_call`.
        intent: Log an event of type ``EVENT_TYPE.intent`` first and go on only when it is durable; an error of that is
            raised, and the function is not called. The later event names it in ``metadata.intent``; there is none if a
            coroutine is cancelled while it waits for its intent. A plain function called in an event loop blocks it meanwhile.
        wait_for: Level that the event must reach before the caller gets the result; a plain function called in an event loop
            does not wait for it.
        telemetry: What logs; the one that is started in this process by default.
        **metadata: Constant fields of the event.

    Raises:
        TypeError: The function is a generator.
    """
    parts = _Parts(event_type, entity, entity_id, user_id, payload, changes, metadata)

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            message = "a generator cannot be audited: it has not ended when it returns; log in its body"
            raise TypeError(message)
        signature = _signature_of(function)
        log = _CallLog(parts, signature, intent=intent, wait_for=wait_for, telemetry=telemetry)
        wrapper: Any = _async(function, log) if inspect.iscoroutinefunction(function) else _blocking(function, log)
        wrapper.__signature__ = signature
        return wrapper  # type: ignore[no-any-return]  # the function's own type

    return decorate


def _signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return a signature whose annotations are objects: FastAPI before 0.123 looks texts up in the module of the wrapper."""
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # noqa: BLE001 - a name that only type checkers know, or that is defined later
        return inspect.signature(function)


def _blocking(function: Callable[_P, _R], log: _CallLog) -> Callable[_P, _R]:
    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        call = log.begin(args, kwargs)
        log.require_intent(call)
        outer = _active.get()
        _active.set(call)
        try:
            call.result = function(*args, **kwargs)
        except BaseException as exc:
            call.error = exc
            raise
        finally:
            _leave(call, outer)
            # Another decorator, or an object, may hide that this is a coroutine function: then nothing has happened yet.
            if not inspect.iscoroutine(call.result):
                log.end(call)
        if inspect.iscoroutine(call.result):
            coroutine, call.result = call.result, None
            return _awaited(lambda: coroutine, call, log)  # type: ignore[return-value]  # what stands for the coroutine
        return call.result  # type: ignore[no-any-return]  # what the function returned

    return run


def _async(function: Callable[_P, Any], log: _CallLog) -> Callable[_P, Any]:
    @functools.wraps(function)
    async def run(*args: _P.args, **kwargs: _P.kwargs) -> Any:
        call = log.begin(args, kwargs)
        await log.await_intent(call)
        return await _awaited(lambda: function(*args, **kwargs), call, log)

    return run


async def _awaited(coroutine: Callable[[], Awaitable[Any]], call: AuditedCall, log: _CallLog) -> Any:
    outer = _active.get()
    _active.set(call)
    try:
        call.result = await coroutine()
    except BaseException as exc:
        call.error = exc
        raise
    finally:
        _leave(call, outer)
        receipt = log.end(call)
    await log.await_level(receipt)
    return call.result


def _leave(call: AuditedCall, outer: AuditedCall | None) -> None:
    # A coroutine that is thrown away ends in another context, which is not ours to change.
    if _active.get() is call:
        _active.set(outer)


class _Parts:
    """What ``@audited`` was told about the event."""

    def __init__(
        self,
        event_type: str,
        entity: str | None,
        entity_id: str | FromCall | None,
        user_id: str | FromCall | None,
        payload: Iterable[str] | FromCall,
        changes: FromCall | None,
        metadata: Mapping[str, Any],
    ) -> None:
        self.event_type = event_type
        self._entity = entity
        self._entity_id = entity_id
        self._user_id = user_id
        self._payload = payload if callable(payload) else tuple(payload)
        self._changes = changes
        self._metadata = dict(metadata)

    def user_id(self, call: AuditedCall) -> Any:
        return FROM_CONTEXT if self._user_id is None else _found(self._user_id, call)

    def payload(self, call: AuditedCall) -> Any:
        if callable(self._payload):
            return self._payload(call)
        return {name: _found(name, call) for name in self._payload} | error_of(call)

    def entity(self) -> dict[str, Any]:
        return {**self._metadata, "entity": self._entity}

    def entity_id(self, call: AuditedCall) -> Any:
        return None if self._entity_id is None else _found(self._entity_id, call)

    def changes(self, call: AuditedCall) -> Any:
        return None if self._changes is None or call.error is not None else self._changes(call)


def error_of(call: AuditedCall) -> dict[str, Any]:
    """Return what the payload says of the call's exception: its class, never its text."""
    return {} if call.error is None else {"error": type(call.error).__name__}


def _found(part: str | FromCall, call: AuditedCall) -> Any:
    """Return an argument by its name, an attribute of one, or what a function makes of the call."""
    if callable(part):
        return part(call)
    name, *attributes = part.split(".")
    value = call.arguments.get(name)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return value


class _CallLog:
    """Logs the calls of one function."""

    def __init__(
        self,
        parts: _Parts,
        signature: inspect.Signature,
        *,
        intent: bool,
        wait_for: Literal["accepted", "durable", "delivered"] | None,
        telemetry: Telemetry | None,
    ) -> None:
        self._parts = parts
        self._signature = signature
        self._has_intent = intent
        self._wait_for = wait_for
        self._telemetry = telemetry

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AuditedCall:
        """Return the call; one that the function itself will refuse has no arguments."""
        _count(None)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            return AuditedCall({})
        bound.apply_defaults()
        return AuditedCall(bound.arguments)

    def require_intent(self, call: AuditedCall) -> None:
        """Log the intent and wait until it is durable; an error of that is the caller's."""
        if self._has_intent:
            receipt = self._log_intent(call)
            receipt.wait_durable()
            call.fields["intent"] = receipt.event_id

    async def await_intent(self, call: AuditedCall) -> None:
        """Do the same in a coroutine."""
        if self._has_intent:
            receipt = await self._log_intent(call)
            call.fields["intent"] = receipt.event_id

    def end(self, call: AuditedCall) -> Receipt | None:
        """Log the event; None, and a failure is counted, if that cannot be done.

        A part that cannot be computed, such as an attribute of a row that is deleted, is left out, counted, and named in
        ``adjusted``. Where the parts are refused together, the event says at least that the function was called.
        """
        parts, missing = self._parts, _Missing()
        try:
            outcome = missing.computed(None, lambda: outcome_of(call.error), default="failure")
            known = FROM_CONTEXT if "user_id" in context_values() else None
            user_id = missing.computed("user_id", lambda: parts.user_id(call), default=known)
            fields = {
                "outcome": outcome,
                **parts.entity(),
                "payload": missing.computed("payload", lambda: parts.payload(call), default=error_of(call)),
                "entity_id": missing.computed("entity_id", lambda: parts.entity_id(call)),
                "changes": missing.computed("changes", lambda: parts.changes(call)),
                "adjusted": missing.names,
                "user_id": user_id,
                **call.fields,
            }
            try:
                return self._log(parts.event_type, **fields, wait_for=self._wait_for)
            except (EventError, TypeError) as exc:
                least = {"payload": error_of(call), "user_id": user_id, "outcome": outcome, "adjusted": ["payload"]}
                receipt = self._log(parts.event_type, **least, wait_for=self._wait_for)
                _count(exc)
                return receipt
        except Exception as exc:  # noqa: BLE001 - the application must not learn of it; counted
            _count(exc)
            return None

    async def await_level(self, receipt: Receipt | None) -> None:
        """Wait for the level that was asked for; a failure is counted."""
        if receipt is None or self._wait_for is None:
            return
        try:
            await receipt
        except Exception as exc:  # noqa: BLE001 - the application must not learn of it; counted
            _count(exc)

    def _log_intent(self, call: AuditedCall) -> Receipt:
        parts = self._parts
        fields = {**parts.entity(), "entity_id": parts.entity_id(call), "payload": parts.payload(call)}
        return self._log(parts.event_type + INTENT, **fields, user_id=parts.user_id(call), wait_for="durable")

    def _log(self, event_type: str, *, payload: Any, user_id: Any, **fields: Any) -> Receipt:
        telemetry = self._telemetry or current_telemetry()
        return telemetry.audit.log(event_type, payload, user_id, unfit="repr", **fields)


class _Missing:
    """Remembers which parts of an event could not be computed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def computed(self, name: str | None, part: Callable[[], Any], *, default: Any = None) -> Any:
        try:
            return part()
        except Exception as exc:  # noqa: BLE001 - the application's code; counted
            _count(exc)
            if name is not None:
                self.names.append(name)
            return default


def _count(error: Exception | None) -> None:
    """Count a failure; None begins the count with 0."""
    global _failures  # noqa: PLW0603 - created with the first call: an application sets its meters up after the import
    if _failures is None:
        _failures = HookFailures("audited")
    if error is not None:
        _failures.add(error)
