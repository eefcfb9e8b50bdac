from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import override_settings

from telemetry.integrations.django.middleware import AuditMiddleware
from telemetry.integrations.django.process import process
from telemetry.integrations.web.actor import Actor
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Customer
from tests.support.django_shop.site import TELEMETRY

ALL = override_settings(TELEMETRY={**TELEMETRY, "methods": "all"})


def _user(name: str = "ada", password: str = "very secret 1") -> User:
    user = User(username=name)
    user.set_password(password)
    user.save()
    return user


def test_writes_are_logged_with_their_route(events: CapturedEvents) -> None:
    client = Client(headers={"user-agent": "browser", "x-request-id": "abc-123"})

    client.get("/orders/1/?card=4111")
    client.post("/orders/77/?card=4111")

    event = events.one("http.request", user_agent="browser", ip_address="127.0.0.1", correlation_id="abc-123")
    assert (event.payload["method"], event.payload["route"], event.payload["status"]) == (
        "POST",
        "/orders/<str:number>/",
        200,
    )
    assert (event.user_id, event.actor_type, event.outcome) == ("anonymous", "anonymous", "success")
    assert "4111" not in str(event)


def test_change_names_who_is_logged_in(events: CapturedEvents) -> None:
    user = _user()
    client = Client()
    client.force_login(user)
    events.clear()

    client.post("/visits/")

    created, request = events
    assert (created.event_type, created.user_id) == ("customer.created", str(user.pk))
    assert (request.event_type, request.user_id) == ("http.request", str(user.pk))
    assert created.correlation_id == request.correlation_id
    assert created.ip_address == "127.0.0.1"


def test_view_that_authenticates_is_believed(events: CapturedEvents) -> None:
    user = _user()
    events.clear()

    Client(headers={"authorization": "ada"}).post("/token/")

    assert {event.user_id for event in events} == {str(user.pk)}


def test_rest_framework_names_who_it_authenticates(events: CapturedEvents) -> None:
    user = _user()
    events.clear()

    assert Client(headers={"authorization": "ada"}).post("/api/").status_code == 200
    assert Client(headers={"authorization": "eve"}).post("/api/").status_code == 401

    assert [(event.event_type, event.user_id, event.outcome) for event in events] == [
        ("customer.created", str(user.pk), "success"),
        ("http.request", str(user.pk), "success"),
        ("http.request", "anonymous", "denied"),
    ]


def test_login_and_logout_name_the_user(events: CapturedEvents) -> None:
    user = _user()
    client = Client()
    events.clear()

    client.post("/login/", {"username": "ada", "password": "very secret 1"})
    client.post("/logout/")

    assert [event.event_type for event in events] == ["user.login", "http.request", "user.logout", "http.request"]
    assert {event.user_id for event in events} == {str(user.pk)}
    assert "very secret" not in "".join(map(str, events))


def test_own_log_call_names_the_user(events: CapturedEvents) -> None:
    user = _user()
    client = Client()
    client.force_login(user)

    client.get("/mail/")

    assert events.one("mail.sent").user_id == str(user.pk)


@ALL
def test_denied_and_failed_requests_say_so(events: CapturedEvents) -> None:
    client = Client(raise_request_exception=False)

    for path in ("/forbidden/", "/broken/", "/nowhere/"):
        client.get(path)

    found = [(event.outcome, event.payload["status"], event.payload["route"]) for event in events]
    assert found == [
        ("denied", 403, "/forbidden/"),
        ("failure", 500, "/broken/"),
        ("failure", 404, None),
    ]
    assert events[1].payload["error"] == "ZeroDivisionError"


@ALL
def test_streams_are_logged_at_their_end(events: CapturedEvents) -> None:
    client = Client(raise_request_exception=False)

    response: Any = client.get("/stream/")
    assert list(events) == []
    assert b"".join(response.streaming_content) == b"ab"
    inside, whole = events
    assert inside.correlation_id == whole.correlation_id
    response.close()
    assert len(events) == 2

    broken: Any = client.get("/stream-broken/")
    with pytest.raises(ZeroDivisionError):
        list(broken.streaming_content)
    assert (events[2].outcome, events[2].payload["error"]) == ("failure", "ZeroDivisionError")

    left: Any = client.get("/stream/")
    next(left.streaming_content)
    left.close()
    assert (events[3].outcome, events[3].payload["disconnected"]) == ("failure", True)

    file: Any = client.get("/file/")
    file.close()
    assert events[4].payload["route"] == "/file/"


async def test_async_requests_are_logged(events: CapturedEvents) -> None:
    user = await asyncio.to_thread(_user)
    client = AsyncClient(raise_request_exception=False)
    await client.aforce_login(user)
    events.clear()

    await client.post("/later/7/")
    await client.post("/broken-later/")
    answer = await client.post("/stream-later/")
    assert [part async for part in answer.streaming_content] == [b"a", b"b"]

    created, *requests = events
    assert (created.event_type, created.user_id) == ("customer.created", str(user.pk))
    assert [event.payload["route"] for event in requests] == [
        "/later/<str:number>/",
        "/broken-later/",
        "/stream-later/",
    ]
    assert [event.outcome for event in requests] == ["success", "failure", "success"]
    assert {event.user_id for event in requests} == {str(user.pk)}


async def test_disconnected_client_is_logged(events: CapturedEvents) -> None:
    async def answer(_: HttpRequest) -> HttpResponse:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    began = asyncio.Event()
    request = HttpRequest()
    request.method, request.path_info = "POST", "/slow/"
    task = asyncio.ensure_future(AuditMiddleware(answer)(request))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    event = events.one("http.request", outcome="failure")
    assert event.payload["disconnected"] is True


async def test_many_users_are_never_mixed(events: CapturedEvents) -> None:
    users = [await asyncio.to_thread(_user, f"user{number}") for number in range(20)]
    clients = [AsyncClient() for _ in users]
    for user, client in zip(users, clients, strict=True):
        await client.aforce_login(user)
    events.clear()

    await asyncio.gather(*(client.post(f"/later/{user.pk}/") for user, client in zip(users, clients, strict=True)))

    made = events.all("customer.created")
    assert len(made) == len(users)
    assert all(event.changes["name"].new == event.user_id for event in made)


def _impersonated(request: HttpRequest) -> Actor | None:
    user = request.user
    return Actor(user.pk, actor_id="root") if user.is_authenticated else None


def _failing(request: HttpRequest) -> Actor | None:
    raise ZeroDivisionError


def test_impersonation_names_both(events: CapturedEvents) -> None:
    user = _user()
    client = Client()
    client.force_login(user)
    events.clear()

    with override_settings(TELEMETRY={**TELEMETRY, "actor": _impersonated}):
        process.reset()
        client.post("/visits/")

    assert {(event.user_id, event.actor_id) for event in events} == {(str(user.pk), "root")}


def test_failing_hook_is_counted(events: CapturedEvents) -> None:
    with override_settings(TELEMETRY={**TELEMETRY, "actor": _failing}):
        process.reset()
        answer = Client().post("/visits/")

    assert answer.status_code == 200
    assert process.recorder.failures > 0
    assert events.one("http.request").user_id == "anonymous"


def test_audit_leaves_answers_cacheable(events: CapturedEvents) -> None:
    user = _user()
    client = Client()
    client.force_login(user)

    answer = client.post("/visits/")

    assert events.one("http.request").user_id == str(user.pk)
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_requests_may_be_left_out(events: CapturedEvents) -> None:
    with override_settings(TELEMETRY={**TELEMETRY, "requests": False}):
        process.reset()
        Client(headers={"x-request-id": "abc"}).post("/visits/")

    assert [event.event_type for event in events] == ["customer.created"]
    assert events[0].correlation_id == "abc"


def test_answer_waits_where_asked(events: CapturedEvents) -> None:
    with override_settings(TELEMETRY={**TELEMETRY, "before_response": "durable"}):
        process.reset()
        assert Client().post("/visits/").status_code == 200

    assert events.one("http.request")


def test_middleware_needs_its_app() -> None:
    with override_settings(INSTALLED_APPS=[]), pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        AuditMiddleware(lambda _: HttpResponse())


def test_hostile_headers_lose_no_event(events: CapturedEvents) -> None:
    for text in ("x" * 5_000, "\u0085", "a\x00b", "", "é" * 2_000):
        headers = {"user-agent": text, "x-request-id": text, "x-forwarded-for": text, "traceparent": text}
        assert Client(headers=headers).post("/visits/").status_code == 200

    assert len(events.all("http.request")) == 5
    assert Customer.objects.count() == 5
