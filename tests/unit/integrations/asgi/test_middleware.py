from __future__ import annotations

import asyncio
import random
import re
import secrets
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from telemetry import audited, sync
from telemetry.integrations.asgi import Actor, AuditMiddleware, Sampling
from telemetry.outcome import Outcome
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.until import until
from tests.support.web.asgi_client import Exchange, call, http_scope
from tests.support.web.fastapi_shop import shop

REQUEST = "http.request"
MEMORY = AuditConfig(kafka_brokers="memory:")


@pytest.fixture
def app(telemetry: sync.Telemetry) -> FastAPI:
    app = shop(telemetry)
    app.add_middleware(AuditMiddleware, telemetry=telemetry)
    return app


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("how", "status", "outcome"),
    [
        ("ok", 200, "success"),
        ("401", 401, "denied"),
        ("403", 403, "denied"),
        ("404", 404, "failure"),
        ("422", 422, "failure"),
        ("503", 503, "failure"),
    ],
)
async def test_each_answer_is_one_event(
    app: FastAPI, captured_events: CapturedEvents, kind: str, how: str, status: int, outcome: Outcome
) -> None:
    answer = await call(app, "POST", f"/{kind}/{how}", [("Authorization", "ada"), ("X-Request-ID", "r-7")])

    assert answer.status == status
    event = captured_events.one(REQUEST, user_id="ada", outcome=outcome, correlation_id="r-7", ip_address="192.0.2.7")
    assert event.payload.pop("duration_ms") > 0
    assert event.payload == {"method": "POST", "route": f"/{kind}/{{how}}", "status": status}
    captured_events.one(
        "order.refunded", user_id="ada", outcome=outcome, entity="order", entity_id=how, correlation_id="r-7"
    )
    assert len(captured_events.all("mail.sent", user_id="ada", correlation_id="r-7")) == (how == "ok")


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_unhandled_exception_is_a_failure(app: FastAPI, captured_events: CapturedEvents, kind: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        await call(app, "POST", f"/{kind}/error", [("Authorization", "ada")])

    event = captured_events.one(REQUEST, user_id="ada", outcome="failure")
    assert (event.payload["status"], event.payload["error"]) == (500, "ValueError")
    captured_events.one("order.refunded", outcome="failure", payload={"error": "ValueError"})
    assert "secret" not in repr([vars(one) if hasattr(one, "__dict__") else one for one in captured_events])


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/sync/ok", "/sync/{how}"),
        ("PUT", "/api/v1/tenants/acme/orders/7", "/api/v1/tenants/{tenant}/orders/{order_id}"),
        ("DELETE", "/sub/north/deep/9", "/sub/{area}/deep/{item}"),
        ("PUT", "/plain/9", "/plain/{what}"),
        ("PUT", "/orders/7", "/orders/{order_id}"),
        ("POST", "/sub/north/none", "/sub/{area}/{path}"),
        ("POST", "/reset/secret-token", None),
    ],
)
@pytest.mark.parametrize("user", ["ada", "bad"])
async def test_route_is_the_template(
    app: FastAPI, captured_events: CapturedEvents, method: str, path: str, route: str | None, user: str
) -> None:
    # A wrong password is refused by a middleware, before any route was chosen.
    await call(app, method, path, [("Authorization", user)])

    event = captured_events.one(REQUEST)
    assert event.payload["route"] == route
    assert (event.payload["status"] == 401) is (user == "bad")


@pytest.mark.parametrize("user", ["ada", ""])
async def test_user_of_a_dependency_in_a_thread(app: FastAPI, captured_events: CapturedEvents, user: str) -> None:
    await call(app, "POST", "/late", [("X-Late-User", user)])

    if user:
        captured_events.one(REQUEST, user_id="ada", outcome="success")
        captured_events.one("late.used", user_id="ada")
    else:
        captured_events.one(REQUEST, user_id="anonymous", actor_type="anonymous", outcome="denied")


async def test_stream_is_recorded_at_its_end(app: FastAPI, captured_events: CapturedEvents) -> None:
    answer = await call(app, "POST", "/stream/ok", [("Authorization", "ada")])

    assert answer.body == b"ab"
    captured_events.one("stream.used", user_id="ada")
    captured_events.one(REQUEST, outcome="success")


async def test_stream_that_fails_is_a_failure(app: FastAPI, captured_events: CapturedEvents) -> None:
    with pytest.raises(ValueError, match="secret"):
        await call(app, "POST", "/stream/error")

    event = captured_events.one(REQUEST, outcome="failure")
    assert (event.payload["status"], event.payload["error"]) == (200, "ValueError")


@pytest.mark.parametrize("path", ["/endless", "/stream/ok"])
async def test_client_that_leaves_is_one_failure(app: FastAPI, captured_events: CapturedEvents, path: str) -> None:
    exchange = Exchange(leaves_after=2)

    with pytest.raises(ClientDisconnect):
        await app(http_scope("POST", path), exchange.receive, exchange.send)

    event = captured_events.one(REQUEST, outcome="failure")
    assert (event.payload["status"], event.payload["disconnected"]) == (200, True)


async def test_client_that_left_before_the_answer(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    async def application(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    app = AuditMiddleware(application, telemetry=telemetry)
    exchange = Exchange(leaves_after=0)
    await app(http_scope("POST", "/"), exchange.receive, exchange.send)

    event = captured_events.one(REQUEST, outcome="failure")
    assert (event.payload["status"], event.payload["disconnected"]) == (None, True)


async def test_cancelled_request_is_recorded(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    entered = asyncio.Event()

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(AuditMiddleware(application, telemetry=telemetry)))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert captured_events.one(REQUEST, outcome="failure").payload["error"] == "CancelledError"


async def test_failing_background_task_keeps_the_answer(app: FastAPI, captured_events: CapturedEvents) -> None:
    with pytest.raises(ValueError, match="secret"):
        await call(app, "POST", "/background-error")

    captured_events.one(REQUEST, outcome="success", payload={"status": 200})


@pytest.mark.parametrize(
    ("method", "user", "count"),
    [("GET", "ada", 0), ("HEAD", "ada", 0), ("OPTIONS", "bad", 0), ("GET", "bad", 1), ("HEAD", "bad", 1)],
)
async def test_reads_are_recorded_when_denied(
    app: FastAPI, captured_events: CapturedEvents, method: str, user: str, count: int
) -> None:
    await call(app, method, "/orders/7", [("Authorization", user)])

    assert len(captured_events.all(REQUEST)) == count


async def test_hostile_headers_leave_one_event_each(app: FastAPI, captured_events: CapturedEvents) -> None:
    chance = random.Random(7)  # noqa: S311 - the same headers each time
    names = (
        b"user-agent",
        b"x-request-id",
        b"traceparent",
        b"x-forwarded-for",
        b"forwarded",
        b"cookie",
        b"authorization",
    )
    for number in range(1_000):
        size = chance.choice((0, 1, 7, 64, 129, 1_025, 4_097, 65_536))
        headers = [(chance.choice(names), chance.randbytes(size)) for _ in range(chance.randrange(1, 6))]
        answer = await call(app, "POST", "/async/ok", headers)
        assert answer.status == 200
        assert len(captured_events.all(REQUEST)) == 1, number
        captured_events.one("order.refunded")
        captured_events.clear()


async def test_a_thousand_users_are_never_mixed(
    telemetry: sync.Telemetry, app: FastAPI, captured_events: CapturedEvents
) -> None:
    await asyncio.gather(
        *(
            call(
                app,
                "POST",
                f"/{'sync' if number % 2 else 'async'}/{number}-",
                [("Authorization", f"user-{number}"), ("X-Request-ID", f"r-{number}")],
            )
            for number in range(1_000)
        )
    )

    requests = captured_events.all(REQUEST)
    assert {event.user_id for event in requests} == {f"user-{number}" for number in range(1_000)}
    for kind in (REQUEST, "order.refunded", "mail.sent"):
        found = [(event.user_id, event.correlation_id) for event in captured_events.all(kind)]
        assert len(found) == 1_000
        assert all(user.removeprefix("user-") == request.removeprefix("r-") for user, request in found if request)
    assert all(
        event.user_id == f"user-{event.entity_id[:-1]}"
        for event in captured_events.all("order.refunded")
        if event.entity_id
    )


async def test_actor_hook_names_who_works_as_whom(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    app = shop(telemetry)
    app.add_middleware(
        AuditMiddleware,
        telemetry=telemetry,
        actor=lambda scope: Actor("ada", actor_id=scope["user"].identity, tenant_id="acme"),
    )

    await call(app, "POST", "/async/ok", [("Authorization", "root")])

    captured_events.one(REQUEST, user_id="ada", actor_id="root", tenant_id="acme")
    captured_events.one("order.refunded", user_id="ada", actor_id="root")


@pytest.mark.parametrize("option", ["actor", "session"])
async def test_failing_hook_is_counted_and_answered(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(_scope: Any) -> Any:
        message = "secret-in-hook"
        raise LookupError(message)

    app = AuditMiddleware(shop(telemetry), telemetry=telemetry, **{option: hook})  # type: ignore[arg-type]

    assert (await call(app, "POST", "/async/ok", [("Authorization", "ada")])).status == 200

    captured_events.one(REQUEST, outcome="success", ip_address="192.0.2.7")
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text


async def test_session_is_a_hash_of_its_cookie(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry, session_cookie="sid")
    value = secrets.token_hex()

    for cookie in (f"a=b; sid={value}; c", f"sid={value}", "sid=other", "x"):
        await call(app, "POST", "/async/ok", [("Cookie", cookie)])

    sessions = [event.session_id for event in captured_events.all(REQUEST)]
    assert sessions[0] == sessions[1] != sessions[2]
    assert sessions[3] is None
    assert value not in str(sessions[0])


async def test_address_comes_from_a_trusted_proxy(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry, trusted_proxies=["192.0.2.0/24"])

    await call(
        app, "POST", "/async/ok", [("X-Forwarded-For", "6.6.6.6, 203.0.113.9"), ("X-Forwarded-For", "192.0.2.8")]
    )

    captured_events.one(REQUEST, ip_address="203.0.113.9")


async def test_sampling_spares_no_failure_and_is_recorded(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    sampling = Sampling(0)
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry, sample=sampling)

    for how in ("ok", "ok", "403", "404"):
        await call(app, "POST", f"/async/{how}")
    captured_events.one("http.sampling", payload={"rate": 0, "methods": "writes"}, actor_type="system")
    assert [event.outcome for event in captured_events.all(REQUEST)] == ["denied", "failure"]
    assert len(captured_events.all("order.refunded")) == 4

    sampling.rate = 0.999999
    until(lambda: len(captured_events.all("http.sampling")) == 2)
    await call(app, "POST", "/async/ok")
    assert captured_events.one(REQUEST, outcome="success").payload["sample_rate"] == 0.999999


async def test_odd_routes_keep_no_request_out(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    class OddRoute:
        path = "/orders"
        path_regex = re.compile("^/")  # has no group of what is mounted
        routes = ()

    async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body"})

    exchange = Exchange()
    scope = http_scope("POST", "/orders", app=SimpleNamespace(routes=[OddRoute()]))
    await AuditMiddleware(refuse, telemetry=telemetry)(scope, exchange.receive, exchange.send)

    assert exchange.answer.status == 403
    assert captured_events.one(REQUEST, outcome="denied").payload["route"] is None


async def test_threads_of_a_request_share_its_user(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    both_ask = threading.Barrier(2)

    def actor(_scope: Any) -> str:
        if threading.current_thread() is not threading.main_thread():
            both_ask.wait(30)
        return "ada"

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        work = (asyncio.to_thread(telemetry.audit.log, "mail.sent", {}) for _ in range(2))
        await asyncio.gather(*work)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    await call(AuditMiddleware(answer, telemetry=telemetry, actor=actor))

    assert [event.user_id for event in captured_events.all("mail.sent")] == ["ada", "ada"]


async def test_other_kinds_of_scope_pass(telemetry: sync.Telemetry) -> None:
    seen: list[str] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await AuditMiddleware(application, telemetry=telemetry)({"type": "tomorrow"}, None, None)  # type: ignore[arg-type]

    assert seen == ["tomorrow"]


async def test_file_that_the_server_sends_is_the_whole_answer(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/srv/export.csv"})

    await call(AuditMiddleware(application, telemetry=telemetry))

    captured_events.one(REQUEST, outcome="success")


@pytest.mark.parametrize("status", [None, 200])
async def test_answer_without_an_end_is_a_failure(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, status: int | None
) -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        if status is not None:
            await send({"type": "http.response.start", "status": status, "headers": []})

    await call(AuditMiddleware(application, telemetry=telemetry))

    assert captured_events.one(REQUEST, outcome="failure").payload["status"] == status


async def test_middleware_outside_of_the_application_knows_routes(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    app = AuditMiddleware(shop(telemetry), telemetry=telemetry)

    for path in ("/api/v1/tenants/acme/orders/7", "/plain/9", "/sub/north/none"):
        await call(app, "PUT", path)
    await call(app, "PUT", "/plain/9", [("Authorization", "bad")])

    routes = [event.payload["route"] for event in captured_events.all(REQUEST)]
    assert routes == ["/api/v1/tenants/{tenant}/orders/{order_id}", "/plain/{what}", None, "/plain/{what}"]


async def test_server_below_a_path_is_no_part_of_the_route(app: FastAPI, captured_events: CapturedEvents) -> None:
    for user in ("ada", "bad"):
        await call(app, "PUT", "/shop/plain/9", [("Authorization", user)], root_path="/shop")

    assert [event.payload["route"] for event in captured_events.all(REQUEST)] == ["/plain/{what}"] * 2


@audited("order.refunded")
def refund() -> str:
    return "done"


async def test_two_applications_log_each_to_its_own(captured_events: CapturedEvents) -> None:
    one, other = (sync.Telemetry(TelemetryConfig(environment="test", audit_config=MEMORY)) for _ in range(2))
    with one, other:
        apps = []
        for telemetry in (one, other):
            app = FastAPI()
            app.add_api_route("/refund", refund, methods=["POST"])
            app.add_middleware(AuditMiddleware, telemetry=telemetry)
            apps.append(app)
        for app in apps:
            assert (await call(app, "POST", "/refund", [])).status == 200
        counts = [telemetry.audit.get_audit_stats().logged for telemetry in (one, other)]

    assert counts == [2, 2]
    assert len(captured_events.all("order.refunded")) == 2


async def test_every_session_that_a_client_sends_is_named(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    app = shop(telemetry)
    app.add_middleware(AuditMiddleware, telemetry=telemetry, session_cookie="sid")

    for cookie in ("sid=one", 'sid="one"', "sid=one; sid=two; sid=one"):
        await call(app, "POST", "/async/ok", [("Authorization", "ada"), ("Cookie", cookie)])

    sessions = [event.session_id or "" for event in captured_events.all(REQUEST)]
    assert sessions[0] == sessions[1]
    assert sessions[2].split("+")[0] == sessions[0]
    assert len(sessions[2].split("+")) == 2
