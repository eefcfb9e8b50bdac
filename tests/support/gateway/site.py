"""Runs the gateway's application in the test's process, for one caller, over a pipeline that keeps its events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from telemetry import Telemetry
from telemetry.audit.health import Health, StreamHealth
from telemetry.audit.service import AuditService
from telemetry.config.gateway.limits import GatewayLimits
from telemetry.gateway.caller import Caller
from telemetry.gateway.gateway import Gateway, SharedStreams
from telemetry.gateway.routes import ROUTES
from telemetry.types import AuditConfig, TelemetryConfig

CALLER = Caller(identity="payments.example", service="payments", channel="mtls")


class OneStream:
    """A pipeline with one stream, whatever the caller's name.

    Args:
        audit: Logs for all callers.
    """

    def __init__(self, audit: Any) -> None:
        self._audit = audit

    @property
    def audit(self) -> SharedStreams:
        return self

    def on_behalf_of(self, service_name: str) -> AuditService:
        assert service_name == CALLER.service
        return cast("AuditService", self._audit)

    def stream_health(self) -> list[StreamHealth]:
        return []

    def health(self) -> Health:
        raise NotImplementedError


class ReportingGateway(Gateway):
    """A gateway that lists what it is told of refused calls.

    Attributes:
        reports: Words of the refused calls.
        quota: Seconds that the next request has to wait for.
    """

    def __init__(self, pipeline: OneStream, limits: GatewayLimits) -> None:
        super().__init__(pipeline, limits)
        self.reports: list[str] = []
        self.quota = 0.0

    def wait_for_quota(self, caller: Caller, events: int) -> float:
        assert (caller, events >= 0) == (CALLER, True)
        return self.quota

    def refused(self, caller: Caller | None, request: Request, reason: str, *, who: str = "") -> None:  # noqa: ARG002 - the base class's
        assert (caller, request.method) == (CALLER, "POST")
        self.reports.append(reason)


class _Authenticated:
    """Says who calls, as the server does."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"caller": CALLER}
        await self._app(scope, receive, send)


class Site:
    """The application and a client of it.

    Args:
        audit: Logs the events.
        **limits: Bounds.

    Attributes:
        gateway: The gateway.
        client: The client.
    """

    def __init__(self, audit: Any, **limits: Any) -> None:
        self.gateway = ReportingGateway(OneStream(audit), GatewayLimits(**limits))
        app = Starlette(routes=list(ROUTES))
        app.state.gateway = self.gateway
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(_Authenticated(app)), base_url="http://gateway.example"
        )

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Send a body: bytes and text as they are, anything else as JSON; underscores of header names become hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes | str):
            return await self.client.post(path, content=body, headers=named)
        return await self.client.post(path, json=body, headers=named)


@asynccontextmanager
async def local_site(**limits: Any) -> AsyncIterator[Site]:
    """Run a site over a pipeline that keeps its events in memory; use it with the fixture ``captured_events``."""
    config = TelemetryConfig(
        service_name="gateway", environment="test", audit_config=AuditConfig(kafka_brokers="memory:")
    )
    async with Telemetry(config) as telemetry:
        site = Site(telemetry.audit, **limits)
        async with site.client:
            yield site
