from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask
import flask_login
import pytest

from telemetry import sync
from telemetry.integrations.flask import Actor, FlaskAudit, audited
from telemetry.outcome import Outcome
from telemetry.testing import CapturedEvents

REQUEST = "http.request"


class User(flask_login.UserMixin):  # type: ignore[misc]  # it has no types
    def __init__(self, name: str) -> None:
        self.id = name


def shop(telemetry: sync.Telemetry) -> flask.Flask:  # noqa: C901 - one view after the other
    app = flask.Flask("shop")
    app.secret_key = "only for tests"
    manager = flask_login.LoginManager(app)
    app.extensions["loaded"] = []

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(name: str) -> User:
        app.extensions["loaded"].append(name)
        return User(name)

    @app.post("/login/<name>")
    def login(name: str) -> str:
        flask_login.login_user(User(name))
        telemetry.audit.log("login.seen", {})
        return "in"

    @app.post("/logout")
    def logout() -> str:
        flask_login.logout_user()
        return "out"

    @app.get("/page")
    def page() -> str:
        return "page"

    @app.post("/orders/<how>")
    @audited("order.refunded", entity="order", entity_id="how", telemetry=telemetry)
    def order(how: str) -> Any:
        if how == "error":
            message = "secret-in-error"
            raise ValueError(message)
        if how.isdecimal():
            flask.abort(int(how))
        return {"how": how}

    @app.post("/async")
    async def in_loop() -> str:
        await telemetry.audit.log("async.used", {})
        return "async"

    @app.post("/stream")
    def stream() -> flask.Response:
        def parts() -> Iterator[str]:
            yield "a"
            telemetry.audit.log("stream.used", {"path": flask.request.path})
            yield "b"

        return flask.Response(flask.stream_with_context(parts()))

    return app


@pytest.fixture
def app(telemetry: sync.Telemetry) -> flask.Flask:
    app = shop(telemetry)
    FlaskAudit(app, telemetry=telemetry)
    return app


@pytest.mark.parametrize(
    ("how", "status", "outcome"),
    [
        ("ok", 200, "success"),
        ("401", 401, "denied"),
        ("403", 403, "denied"),
        ("404", 404, "failure"),
        ("error", 500, "failure"),
    ],
)
def test_each_answer_is_one_event(
    app: flask.Flask, captured_events: CapturedEvents, how: str, status: int, outcome: Outcome
) -> None:
    client = app.test_client()
    client.post("/login/ada")
    captured_events.clear()

    assert client.post(f"/orders/{how}?token=secret-in-query").status_code == status

    event = captured_events.one(REQUEST, user_id="ada", outcome=outcome)
    assert event.payload["route"] == "/orders/<how>"
    assert event.payload.get("error") == ("ValueError" if how == "error" else None)
    order = captured_events.one("order.refunded", user_id="ada", outcome=outcome, entity_id=how)
    assert order.correlation_id == event.correlation_id
    assert "secret" not in repr([event.payload, order.payload])


def test_login_and_logout_within_the_request(app: flask.Flask, captured_events: CapturedEvents) -> None:
    client = app.test_client()
    client.post("/login/ada")
    client.post("/logout")
    client.post("/orders/ok")

    for kind in ("user.login", "login.seen", "user.logout"):
        captured_events.one(kind, user_id="ada")
    assert [event.user_id for event in captured_events.all(REQUEST)] == ["ada", "ada", "anonymous"]


def test_page_that_is_not_recorded_loads_no_user(app: flask.Flask, captured_events: CapturedEvents) -> None:
    client = app.test_client()
    client.post("/login/ada")
    app.extensions["loaded"].clear()

    client.get("/page")

    assert app.extensions["loaded"] == []
    captured_events.one(REQUEST, payload={"route": "/login/<name>"})


def test_streamed_answer_keeps_its_context(app: flask.Flask, captured_events: CapturedEvents) -> None:
    client = app.test_client()
    client.post("/login/ada")

    assert client.post("/stream").text == "ab"

    captured_events.one("stream.used", user_id="ada", payload={"path": "/stream"})
    captured_events.one(REQUEST, user_id="ada", payload={"route": "/stream"})


def test_unknown_path_is_not_recorded_as_it_is(app: flask.Flask, captured_events: CapturedEvents) -> None:
    assert app.test_client().post("/reset/secret-token").status_code == 404

    assert captured_events.one(REQUEST, outcome="failure").payload["route"] is None


def test_hook_gets_the_request(telemetry: sync.Telemetry, captured_events: CapturedEvents) -> None:
    app = shop(telemetry)
    audit = FlaskAudit(telemetry=telemetry, actor=lambda request: Actor(request.headers["X-User"], actor_id="root"))
    audit.init_app(app)

    app.test_client().post("/orders/ok", headers={"X-User": "ada"})

    captured_events.one(REQUEST, user_id="ada", actor_id="root")
    captured_events.one("order.refunded", user_id="ada", actor_id="root")


def test_failing_hook_is_answered(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, caplog: pytest.LogCaptureFixture
) -> None:
    app = shop(telemetry)
    FlaskAudit(app, telemetry=telemetry, actor=lambda request: request.headers["secret-header"])

    assert app.test_client().post("/orders/ok").status_code == 200

    captured_events.one(REQUEST, user_id="anonymous", outcome="success")
    assert "secret" not in caplog.text


def test_view_outside_of_the_middleware_works(app: flask.Flask, captured_events: CapturedEvents) -> None:
    with app.test_request_context("/logout", method="POST"):
        app.dispatch_request()

    captured_events.none(REQUEST)
