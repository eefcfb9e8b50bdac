from __future__ import annotations

import asyncio
from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.test import AsyncClient

from telemetry.integrations.django import AuditChannels
from telemetry.integrations.django.process import process
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Customer


class Visits(AsyncWebsocketConsumer):
    async def receive(self, text_data: str | None = None, **_: object) -> None:
        await database_sync_to_async(Customer.objects.create)(name=text_data)
        await self.send("done")


async def test_websocket_names_who_is_logged_in(events: CapturedEvents) -> None:
    user = await asyncio.to_thread(User.objects.create_user, "ada", password="very secret 1")
    client = AsyncClient()
    await client.aforce_login(user)
    await process.atry_to_start()
    events.clear()
    cookie = client.cookies["sessionid"].value.encode()
    application: Any = AuthMiddlewareStack(AuditChannels(Visits.as_asgi()))

    scope = {"type": "websocket", "path": "/visits/", "headers": [(b"cookie", b"sessionid=" + cookie)]}
    socket: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
    for message, answer in (
        ({"type": "websocket.connect"}, "websocket.accept"),
        ({"type": "websocket.receive", "text": "Eve"}, "websocket.send"),
    ):
        await socket.send_input(message)
        assert (await socket.receive_output(timeout=60))["type"] == answer
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(timeout=60)

    assert [event.event_type for event in events] == ["websocket.connect", "customer.created", "websocket.disconnect"]
    assert {event.user_id for event in events} == {str(user.pk)}
    assert len({event.correlation_id for event in events}) == 1
