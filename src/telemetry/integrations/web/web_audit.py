"""Records the requests of one web application, whatever its framework."""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telemetry.exceptions import LifecycleError
from telemetry.integrations.recorder import Recorder
from telemetry.integrations.web.client_address import ClientAddress
from telemetry.integrations.web.correlation import correlation_id
from telemetry.integrations.web.policy import RequestPolicy
from telemetry.integrations.web.request_audit import RequestAudit, UserSource
from telemetry.integrations.web.rules import RequestRules
from telemetry.integrations.web.sampling import Sampling
from telemetry.integrations.web.settings import WebSettings

if TYPE_CHECKING:
    from telemetry import Telemetry, TelemetryConfig

Header = Callable[[str], str | None]

_SESSION_DIGITS = 32
_MAX_COOKIES = 4


class WebAudit:
    """What one application records of its requests, and what logs it.

    Args:
        hook: Name of the integration, for the counter of failures.
        settings: What is recorded.
        telemetry: What logs; None creates one.
        config: Configuration of the one that is created; None is the ``TELEMETRY_*`` variables.

    Raises:
        ConfigurationError: The settings or the configuration cannot work.
    """

    def __init__(
        self,
        hook: str,
        settings: WebSettings,
        *,
        telemetry: Telemetry | None = None,
        config: TelemetryConfig | str | Path | None = None,
    ) -> None:
        rules = RequestRules(methods=settings.methods, include=settings.include, exclude=settings.exclude)
        sampling = settings.sample if isinstance(settings.sample, Sampling) else Sampling(settings.sample)
        self._client = ClientAddress(settings.trusted_proxies, header=settings.proxy_header)
        self._hook = hook
        self._telemetry = telemetry
        self._config = config
        self._policy = RequestPolicy(settings, rules, sampling, self._new_recorder())
        self._lock = threading.Lock()
        self._process: int | None = None
        self._has_ended = False
        sampling.observe(self._announce)

    @property
    def recorder(self) -> Recorder:
        """What logs."""
        return self._policy.recorder

    @property
    def is_started(self) -> bool:
        """Whether this process has started what logs."""
        return self._process == os.getpid()

    def start(self) -> None:
        """Start what logs; it blocks, and ends with the process if :meth:`shutdown` is not called before.

        An application may start again after it has ended, as under a test client: with a pipeline of its own each time.

        Raises:
            TelemetryError: It cannot be started.
        """
        with self._lock:
            if self.is_started:
                return
            if self._has_ended:
                self._policy = dataclasses.replace(self._policy, recorder=self._new_recorder())
            self.recorder.start()
            if self.recorder.telemetry.health().state == "stopped":
                message = "the Telemetry of this application was shut down; give config= where it starts more than once"
                raise LifecycleError(message)
            self._process = os.getpid()
            atexit.register(self.shutdown)
        if self._policy.sampling.rate < 1:
            self._announce(self._policy.sampling.rate)

    async def astart(self) -> None:
        """Do the same without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - a WSGI server needs none

        await asyncio.to_thread(self.start)

    def shutdown(self) -> None:
        """End what :meth:`start` has started."""
        atexit.unregister(self.shutdown)
        self.recorder.shutdown()
        self._process, self._has_ended = None, True

    def _new_recorder(self) -> Recorder:
        return Recorder(self._hook, telemetry=self._telemetry, config=self._config)

    async def ashutdown(self) -> None:
        """Do the same without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - a WSGI server needs none

        await asyncio.to_thread(self.shutdown)

    def begin(
        self,
        source: Any,
        *,
        method: str,
        path: str,
        peer: str | None,
        header: Header,
        authenticated: UserSource | None = None,
    ) -> RequestAudit:
        """Return the audit of one request; it does not raise.

        Args:
            source: What the application's hooks are called with.
            method: Method of the request; ``WEBSOCKET`` for one.
            path: Its path, for the rules; it is not recorded.
            peer: Address of the connection; None for a Unix socket.
            header: Returns a header by its name in small letters, several lines joined by ``, ``; None if it is absent.
            authenticated: Returns the user that the framework has authenticated, or None. It is asked again whenever an event
                is logged, so it must be cheap; ``settings.actor`` goes before it.
        """
        fields: dict[str, Any] = {
            "correlation_id": correlation_id(header("x-request-id"), traceparent=header("traceparent")),
            "user_agent": header("user-agent"),
        }
        try:
            forwarded = header(self._client.header) if self._client.header is not None else None
            fields["ip_address"] = self._client.of(peer, forwarded=forwarded)
            fields["session_id"] = self._session_id(source, header)
        except Exception as exc:  # noqa: BLE001 - the application's hook; counted and logged
            self.recorder.failed(exc)
        return RequestAudit(
            self._policy, source=source, method=method, path=path, fields=fields, authenticated=authenticated
        )

    def _session_id(self, source: Any, header: Header) -> Any:
        if self._policy.settings.session is not None:
            return self._policy.settings.session(source)
        name = self._policy.settings.session_cookie
        values = _cookies(header("cookie"), name) if name is not None else ()
        # The value would open the session to anyone who reads it.
        digests = (hashlib.sha256(value.encode()).hexdigest()[:_SESSION_DIGITS] for value in values)
        return "+".join(digests) or None

    def _announce(self, rate: float) -> None:
        if self.is_started:
            payload = {"rate": rate, "methods": self._policy.rules.methods}
            self.recorder.record("http.sampling", payload, None, actor_type="system", outcome="success")


def _cookies(header: str | None, name: str) -> tuple[str, ...]:
    """Return the values of a cookie: a client may send several, and frameworks differ in which one they use."""
    pairs = (pair.strip().partition("=") for pair in (header or "").split(";"))
    values = {value.strip('"'): None for found, _, value in pairs if found == name and value}
    return tuple(values)[:_MAX_COOKIES]
