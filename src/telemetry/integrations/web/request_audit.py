"""Follows one request: opens its audit context, finds out who acts, and records how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from threading import get_ident
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from telemetry.context import audit_context
from telemetry.integrations.web.actor import Actor, actor_of
from telemetry.outcome import Outcome, outcome_of_status

if TYPE_CHECKING:
    from telemetry.integrations.web.policy import RequestPolicy
    from telemetry.types import Receipt

EVENT_TYPE = "http.request"
INTERRUPTED = "http.interrupted"
"""Type of the event for an answer that broke off after its request had been recorded."""

UNKEPT = b"the audit record of this request could not be kept\n"
"""Body of the answer that takes the place of one whose event was not kept in time."""

_NOBODY: Mapping[str, Any] = MappingProxyType({"user_id": None})
_MAX_METHOD = 32


class UserSource(Protocol):
    """Asks a framework who is logged in."""

    def __call__(self) -> Any:
        """Return the user that the framework has authenticated, or None; it must be cheap."""


class RequestAudit:
    """One request, from its headers to its answer; created by :meth:`WebAudit.begin`.

    A block ``with`` it is the request: every event that is logged inside has its correlation id, address and user, also in
    threads and tasks that inherit the context. Nothing here raises because an event, or a hook of the application, failed.

    Args:
        policy: What decides about it, and what logs.
        source: What the application's hooks are called with.
        method: Method of the request.
        path: Its path, for the rules; never recorded.
        fields: What is known of it at the beginning, for the context.
        authenticated: Returns the user that the framework has authenticated, or None.
    """

    __slots__ = (
        *("_asking", "_authenticated", "_began", "_context", "_has_failed", "_is_over", "_is_recorded", "_method"),
        *("_path", "_seen", "_source", "_policy"),
    )

    def __init__(
        self,
        policy: RequestPolicy,
        *,
        source: Any,
        method: str,
        path: str,
        fields: dict[str, Any],
        authenticated: UserSource | None,
    ) -> None:
        self._policy = policy
        self._source = source
        self._method = method
        self._path = path
        self._authenticated = authenticated
        self._context = audit_context(**fields, late=self._actor_fields, telemetry=policy.recorder.own_telemetry)
        self._began = time.perf_counter()
        self._seen: Actor | None = None
        self._asking: set[int] = set()
        self._is_recorded = False
        self._is_over = False
        self._has_failed = False

    def __enter__(self) -> Self:
        self._context.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.__exit__(kind, error, trace)

    @property
    def must_wait(self) -> bool:
        """Whether the answer waits for its event."""
        return self._policy.settings.before_response is not None

    def user_seen(self, user: Any) -> None:
        """Remember a user who is known now, for the end of a request in which they log out.

        Args:
            user: Anything that ``actor_of`` takes.
        """
        try:
            self._seen = actor_of(user) or self._seen
        except Exception as exc:  # noqa: BLE001 - the application's user object; counted and logged
            self._policy.recorder.failed(exc)

    def finish(
        self,
        *,
        status: int | None,
        route: str | None = None,
        error: BaseException | None = None,
        disconnected: bool = False,
        complete: bool = True,
    ) -> Receipt | None:
        """Record the request, if that is wanted; called again, it does nothing.

        Args:
            status: Status of the answer; None if none was sent.
            route: Template of the route that matched.
            error: Exception that nobody handled.
            disconnected: The client was gone before it had the answer.
            complete: All of the answer was sent.

        Returns:
            The receipt; None if nothing was recorded.
        """
        if self._is_over:
            return None
        self._is_over = True
        payload: dict[str, Any] = {"status": status, "duration_ms": self.elapsed_ms()}
        if error is not None:
            payload["error"] = type(error).__name__
        if disconnected:
            payload["disconnected"] = True
        if not complete and status is not None and error is None:
            payload["incomplete"] = True
        has_failed = error is not None or not complete
        if self._is_recorded:
            return self.record(INTERRUPTED, payload, outcome="failure", route=route) if has_failed else None
        outcome: Outcome = "failure" if status is None or has_failed else outcome_of_status(status)
        return self.record(EVENT_TYPE, payload, outcome=outcome, route=route)

    def before_answer(self, status: int, *, route: str | None) -> Receipt | None:
        """Record the request before its answer is sent; :meth:`finish` then records only that the answer broke off.

        Args:
            status: Status that will be sent.
            route: Template of the route.

        Returns:
            The receipt to wait for; None if nothing was recorded.
        """
        payload = {"status": status, "duration_ms": self.elapsed_ms()}
        return self.record(EVENT_TYPE, payload, outcome=outcome_of_status(status), route=route)

    def replaced(self, status: int, *, route: str | None) -> None:
        """Record, if that is possible, that the client got another answer because the event was not kept in time."""
        self._is_over = True
        self.record(INTERRUPTED, {"status": status, "replaced": True}, outcome="failure", route=route)

    def record(
        self,
        event_type: str,
        payload: dict[str, Any],
        *,
        outcome: Outcome,
        route: str | None,
        sampled: bool = True,
    ) -> Receipt | None:
        """Record what happened to the request, if the rules and the sampling want it.

        Args:
            event_type: What happened.
            payload: Its details; method and route are added.
            outcome: How it ended.
            route: Template of the route.
            sampled: Leave out successes, as the sampling says; False for what follows an event that was recorded.

        Returns:
            The receipt; None if nothing was recorded.
        """
        self._is_recorded = True
        policy = self._policy
        if not policy.rules.wants(self._method, route=route, path=self._path, outcome=outcome):
            return None
        if outcome == "success" and sampled:
            if not policy.sampling.keeps():
                return None
            if policy.sampling.rate < 1:
                payload["sample_rate"] = policy.sampling.rate
        details = {"method": self._method[:_MAX_METHOD], "route": route, **payload}
        receipt = policy.recorder.record(event_type, details, outcome=outcome)
        self._has_failed = receipt is None
        return receipt

    def record_more(self, event_type: str, payload: dict[str, Any], *, outcome: Outcome, **fields: Any) -> None:
        """Record something else that happened in the request, such as a login; no rule leaves it out."""
        self._policy.recorder.record(event_type, payload, outcome=outcome, **fields)

    def would_record(self, status: int, *, route: str | None) -> bool:
        """Return whether the rules want a request with this answer."""
        outcome = outcome_of_status(status)
        return self._policy.rules.wants(self._method, route=route, path=self._path, outcome=outcome)

    def ask_who_acts(self) -> None:
        """Ask now, because the answer is gone when the request is recorded."""
        self._actor_fields()

    def elapsed_ms(self) -> float:
        """Return milliseconds since it began."""
        return round((time.perf_counter() - self._began) * 1_000, 3)

    def wait(self, receipt: Receipt | None) -> bool:
        """Block until the event is as safe as the settings ask; return whether it is, or nothing was wanted."""
        settings = self._policy.settings
        if receipt is None:
            return not self._has_failed
        try:
            if settings.before_response == "delivered":
                receipt.wait_delivered(settings.before_response_timeout)
            else:
                receipt.wait_durable(settings.before_response_timeout)
        except Exception as exc:  # noqa: BLE001 - the caller answers that it failed; counted and logged
            self._policy.recorder.failed(exc)
            return False
        return True

    async def wait_async(self, receipt: Receipt | None) -> bool:
        """Do the same as :meth:`wait` without blocking the event loop."""
        settings = self._policy.settings
        if receipt is None:
            return not self._has_failed
        level = receipt.delivered() if settings.before_response == "delivered" else receipt.durable()
        try:
            await asyncio.wait_for(level, settings.before_response_timeout)
        except Exception as exc:  # noqa: BLE001 - the caller answers that it failed; counted and logged
            self._policy.recorder.failed(exc)
            return False
        return True

    def _actor_fields(self) -> Mapping[str, Any]:
        """Return who acts now, or did before a logout; asked whenever an event is logged in the request."""
        thread = get_ident()
        if thread not in self._asking:  # the hook itself may log an event; another thread gets its own answer
            self._asking.add(thread)
            try:
                self._seen = self._ask() or self._seen
            except Exception as exc:  # noqa: BLE001 - the application's hook; counted and logged
                self._policy.recorder.failed(exc)
            finally:
                self._asking.discard(thread)
        return _NOBODY if self._seen is None else self._seen.fields()

    def _ask(self) -> Actor | None:
        hook = self._policy.settings.actor
        actor = actor_of(hook(self._source)) if hook is not None else None
        if actor is None and self._authenticated is not None:
            actor = actor_of(self._authenticated())
        return actor
