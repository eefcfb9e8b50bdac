from __future__ import annotations

import asyncio
from typing import Any

from django.core.asgi import get_asgi_application
from django.test.utils import override_settings

from telemetry.integrations.django import AuditLifespan
from telemetry.integrations.django.process import process
from telemetry.testing.captured.captured_events import CapturedEvents


async def _answers() -> list[str]:
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[str] = []
    for name in ("startup", "shutdown"):
        received.put_nowait({"type": f"lifespan.{name}"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await get_asgi_application()({"type": "lifespan"}, received.get, send)  # type: ignore[arg-type]
    return sent


async def test_server_starts_and_ends_the_audit(events: CapturedEvents) -> None:
    assert await _answers() == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert process.recorder.telemetry.health().state == "stopped"


async def test_wrong_configuration_fails_the_startup(events: CapturedEvents) -> None:
    with override_settings(TELEMETRY={"config": "/nowhere/telemetry.toml"}):
        process.reset()
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": "lifespan.startup"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await AuditLifespan()({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.failed"]
