"""The programs of docs/integrations run as written, and log what the pages say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from telemetry.current import current_telemetry
from telemetry.exceptions import LifecycleError
from telemetry.integrations.web.settings import WebOptions
from telemetry.testing import CapturedEvents
from tests.support.web.asgi_client import call
from tests.support.web.wsgi_client import call as call_wsgi

FOLDER = Path(__file__).parents[2] / "docs" / "integrations"
REQUEST = "http.request"


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch, captured_events: CapturedEvents) -> Iterator[None]:
    del captured_events
    monkeypatch.setenv("TELEMETRY_ENVIRONMENT", "test")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS", "memory:")
    yield
    try:
        current_telemetry()._runtime.shutdown(5)
    except LifecycleError:
        return


def names_of(page: str, count: int) -> dict[str, Any]:
    """Run the first blocks of a page, and return what they define."""
    blocks = re.findall(r"^```python\n(.*?)^```", (FOLDER / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks[:count]:
        exec(compile(block, page, "exec", dont_inherit=True), names)  # noqa: S102
    assert len(blocks) >= count
    return names


@pytest.mark.parametrize(("token", "status"), [("t-1", 200), ("t-2", 403), ("t-3", 401)])
async def test_fastapi_page(captured_events: CapturedEvents, token: str, status: int) -> None:
    app = names_of("fastapi.md", 2)["app"]
    headers = [("Authorization", f"Bearer {token}")]

    assert (await call(app, "POST", "/orders/7/refund", headers, query_string=b"amount=9.90")).status == status

    user, outcome = {200: ("ada", "success"), 403: ("grace", "denied"), 401: ("anonymous", "denied")}[status]
    captured_events.one(REQUEST, user_id=user, outcome=outcome, payload={"route": "/orders/{order_id}/refund"})  # type: ignore[arg-type]
    refunds = [
        (event.user_id, event.outcome) for event in captured_events.all("order.refunded", payload={"amount": "9.90"})
    ]
    assert refunds == ([] if status == 401 else [(user, outcome)])


async def test_fastapi_page_with_its_own_telemetry(captured_events: CapturedEvents) -> None:
    app = names_of("fastapi.md", 3)["app"]

    assert (await call(app, "GET", "/orders/7")).status == 200

    captured_events.one(REQUEST, payload={"route": "/orders/{order_id}"})
    captured_events.one("order.shown", user_id="anonymous")


@pytest.mark.parametrize(("name", "path"), [("app", "/"), ("starlette", "/none"), ("litestar", "/orders/7/refund")])
async def test_asgi_page(captured_events: CapturedEvents, name: str, path: str) -> None:
    await call(names_of("asgi.md", 2)[name], "POST", path)

    captured_events.one(REQUEST)


async def test_page_of_requests(captured_events: CapturedEvents) -> None:
    first = names_of("requests.md", 1)
    await call(first["app"])
    first["sampling"].rate = 0.25
    captured_events.one("http.sampling", payload={"rate": 0.5})
    captured_events.one("http.sampling", payload={"rate": 0.25})
    captured_events.clear()

    await call(names_of("requests.md", 2)["app"], state={"user": "ada", "administrator": "root", "tenant": "acme"})

    captured_events.one(REQUEST, user_id="ada", actor_id="root", tenant_id="acme")


def test_wsgi_page(captured_events: CapturedEvents) -> None:
    assert call_wsgi(names_of("wsgi.md", 1)["application"], environ={"REMOTE_USER": "ada"}).status == "204 No Content"

    captured_events.one(REQUEST, user_id="ada")


def test_flask_page(captured_events: CapturedEvents) -> None:
    app: flask.Flask = names_of("flask.md", 2)["app"]

    assert app.test_client().post("/orders/7/refund").text == "refunded"

    captured_events.one(REQUEST, payload={"route": "/orders/<int:order_id>/refund"})
    captured_events.one("order.refunded", entity_id="7")


def test_every_option_is_on_the_page() -> None:
    page = (FOLDER / "requests.md").read_text("utf-8")

    assert {name for name in WebOptions.__annotations__ if f"`{name}" not in page} == set()
