"""Serves the FastAPI application of the tests with the configuration of the environment."""

from __future__ import annotations

from telemetry import sync
from telemetry.integrations.fastapi import AuditMiddleware
from telemetry.types import TelemetryConfig
from tests.support.web.fastapi_shop import shop

telemetry = sync.Telemetry(TelemetryConfig.load())
app = shop(telemetry)
app.add_middleware(AuditMiddleware, telemetry=telemetry)
