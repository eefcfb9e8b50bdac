"""Keeps who acts, for whom and in which request, so that every event logged meanwhile says so.

The values belong to the present coroutine, task or thread (``contextvars``). Tasks, ``asyncio.to_thread`` and background tasks
inherit them; a pool of threads does not, see :func:`in_audit_context`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from telemetry.hook_failures import HookFailures

_P = ParamSpec("_P")
_R = TypeVar("_R")

FIELDS = (
    *("user_id", "actor_id", "actor_type", "tenant_id", "session_id", "ip_address", "user_agent", "correlation_id"),
    *("reason", "source", "claimed_by"),
)
"""What a context may say: the arguments of ``log()`` with these names, of which the last becomes metadata."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class _Absent:
    """Stands for an argument that was not given, since None has a meaning."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


UNSET: Final[Any] = _Absent("<unset>")
FROM_CONTEXT: Final[Any] = _Absent("<from the audit context>")
"""The default of ``log()``'s ``user_id``."""


class LateFields(Protocol):
    """Says more of the context whenever an event is logged."""

    def __call__(self) -> Mapping[str, Any]:
        """Return fields of the context; it must be cheap."""


class _Scope:
    """One ``with`` block: what it says, and the block around it.

    A copy of the context, as ``asyncio.to_thread`` makes it, shares the scope: so a dependency that runs in a thread can name
    the user of the whole request.
    """

    __slots__ = ("block", "fields", "late", "outer", "returns_to", "telemetry")

    def __init__(
        self,
        fields: Mapping[str, Any],
        outer: _Scope | None,
        late: LateFields | None = None,
        block: audit_context | None = None,
        telemetry: Any = None,
    ) -> None:
        # Replaced as a whole: another thread reads it without a lock.
        self.fields = fields
        self.outer = outer
        # What is current after this block: usually the one around it.
        self.returns_to: _Scope | None = None
        self.late = late
        self.block = block
        self.telemetry: Any = telemetry if telemetry is not None or outer is None else outer.telemetry

    def values(self) -> Mapping[str, Any]:
        """Return what this block and those around it say."""
        if self.outer is None and self.late is None:
            return self.fields
        outer = _NOTHING if self.outer is None else self.outer.values()
        if self.late is None:
            return {**outer, **self.fields}
        try:
            return {**outer, **self.late(), **self.fields}
        except Exception as exc:  # noqa: BLE001 - whatever the application's function raises, its event is logged
            _failures().add(exc)
        # Nobody is known then, unless another part of the context knows a user.
        return {"user_id": None, **outer, **self.fields}


_current: ContextVar[_Scope | None] = ContextVar("telemetry_audit_context", default=None)


@functools.cache
def _failures() -> HookFailures:
    from telemetry.hook_failures import HookFailures  # noqa: PLC0415 - loads metrics, which most contexts never need

    return HookFailures("audit_context")


class audit_context:  # noqa: N801 - a function to its user, as contextlib.suppress is
    """Says who acts and in which request, for every event that is logged inside; a ``with`` block or a decorator.

    Blocks nest: an inner one adds to the outer one and may say something else. An argument of ``log()`` goes before the
    context. Where a call names another user than the context and no actor, the context's user is the actor.

    >>> with audit_context(user_id="ada", reason="ticket 4711"):
    ...     telemetry.audit.log("order.refunded", {"amount": "9.90"})  # doctest: +SKIP

    Args:
        user_id: The user whose events these are; None if nobody is known.
        actor_id: Who acts, if it is not the user.
        actor_type: ``user``, ``service``, ``system`` or ``anonymous``.
        tenant_id: Tenant, customer or organization that it concerns.
        session_id: Session of the user.
        ip_address: Address from which the request came.
        user_agent: Program that sent the request.
        correlation_id: Common to all events of one request.
        reason: Why it is done, such as a ticket.
        source: Part of the application.
        claimed_by: What named the user, if nothing proves that it was right: the header of a message, say.
        late: Returns more such fields, asked whenever an event is logged: for a user who is known only later. It must be
            cheap; what the block or an update says goes before it. If it raises, the event is logged without what it would
            have said, as one of nobody if no other part of the context names a user.
        telemetry: The ``Telemetry`` that ``@audited`` and integrations use inside, where they were not given one.
    """

    def __init__(  # noqa: PLR0913 - each field of an event has its name
        self,
        *,
        user_id: Any = UNSET,
        actor_id: Any = UNSET,
        actor_type: Any = UNSET,
        tenant_id: Any = UNSET,
        session_id: Any = UNSET,
        ip_address: Any = UNSET,
        user_agent: Any = UNSET,
        correlation_id: Any = UNSET,
        reason: Any = UNSET,
        source: Any = UNSET,
        claimed_by: Any = UNSET,
        late: LateFields | None = None,
        telemetry: Any = None,
    ) -> None:
        given = locals()
        self._late = late
        self._telemetry = telemetry
        self._fields: Mapping[str, Any] = {name: given[name] for name in FIELDS if given[name] is not UNSET}

    def __enter__(self) -> Self:
        _enter(_Scope(self._fields, _current.get(), self._late, self, self._telemetry))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The block may have been entered in several threads and tasks at once: what ends is the one of this context.
        scope = _current.get()
        while scope is not None and scope.block is not self:
            scope = scope.returns_to
        if scope is not None:
            _leave(scope)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return a function, or a coroutine function, that runs in this context.

        Raises:
            TypeError: It is a generator, whose body runs in the context of the caller of each step.
        """
        return _running_in(
            lambda: _Scope(self._fields, _current.get(), self._late, telemetry=self._telemetry), function
        )


def update_audit_context(
    *,
    user_id: Any = UNSET,
    actor_id: Any = UNSET,
    actor_type: Any = UNSET,
    tenant_id: Any = UNSET,
    session_id: Any = UNSET,
    ip_address: Any = UNSET,
    user_agent: Any = UNSET,
    correlation_id: Any = UNSET,
    reason: Any = UNSET,
    source: Any = UNSET,
    claimed_by: Any = UNSET,
) -> None:
    """Change what the innermost ``audit_context`` says, until it ends; arguments as there.

    All that run in it see the change, in whichever thread it is made: a dependency that authenticates the user of a request
    calls this.

    Raises:
        LookupError: There is no ``audit_context`` here.
    """
    given = locals()
    scope = _current.get()
    if scope is None:
        message = "there is no audit context here; open one with `with audit_context(...):`"
        raise LookupError(message)
    scope.fields = {**scope.fields, **{name: given[name] for name in FIELDS if given[name] is not UNSET}}


def current_audit_context() -> dict[str, Any]:
    """Return what the present context says; a copy, empty where there is none."""
    return dict(context_values())


def in_audit_context(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a function that runs with a copy of the present values, in whatever thread or pool it is called.

    >>> pool.submit(in_audit_context(send_mail), address)  # doctest: +SKIP
    """
    values, telemetry = current_audit_context(), telemetry_of_context()
    return _running_in(lambda: _Scope(values, None, telemetry=telemetry), function)


def telemetry_of_context() -> Any:
    """Return what is logged to in the present context; None if it does not say."""
    scope = _current.get()
    return None if scope is None else scope.telemetry


def context_values() -> Mapping[str, Any]:
    """Return what the present context says, not to be changed; empty where there is none."""
    scope = _current.get()
    return _NOTHING if scope is None else scope.values()


def _running_in(scope: Callable[[], _Scope], function: Callable[_P, _R]) -> Callable[_P, _R]:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        message = "a generator cannot be decorated with an audit context; use `with audit_context(...):` in its body"
        raise TypeError(message)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            return await _awaited_in(scope(), function(*args, **kwargs))

        return run_async  # type: ignore[return-value]  # as the function that it wraps

    @functools.wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        entered = scope()
        _enter(entered)
        try:
            result = function(*args, **kwargs)
        finally:
            _leave(entered)
        # Another decorator may hide that the function is a coroutine function.
        return _awaited_in(entered, result) if inspect.iscoroutine(result) else result  # type: ignore[return-value]

    return run


async def _awaited_in(scope: _Scope, coroutine: Coroutine[Any, Any, Any]) -> Any:
    _enter(scope)
    try:
        return await coroutine
    finally:
        _leave(scope)


def _enter(scope: _Scope) -> None:
    scope.returns_to = _current.get()
    _current.set(scope)


def _leave(ended: _Scope) -> None:
    """End a block of this context; one that was entered in another copy of the context, as frameworks do, is not there."""
    scope = _current.get()
    if scope is ended:
        _current.set(ended.returns_to)
        return
    while scope is not None:
        if scope.returns_to is ended:
            # Generators that take turns: the block that began inside and is still open must not bring this one back.
            scope.returns_to = ended.returns_to
            return
        scope = scope.returns_to
