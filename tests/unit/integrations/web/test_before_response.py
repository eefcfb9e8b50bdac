"""An answer that waits for its event: kept first, sent then; and a 503 where it could not be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import sync
from telemetry.integrations import asgi, wsgi
from telemetry.testing import CapturedEvents, EmbeddedKafka
from tests.support.quick_telemetry import NOWHERE, quick_config, running
from tests.support.web.asgi_client import call
from tests.support.web.fastapi_shop import shop
from tests.support.web.memory_config import memory_config
from tests.support.web.wsgi_client import call as call_wsgi


def application(_environ: Any, start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "8")])
    yield b"answered"


@pytest.fixture(params=["asgi", "wsgi"])
def answer(request: pytest.FixtureRequest) -> Callable[..., tuple[int | None, bytes]]:
    def ask(
        telemetry: sync.Telemetry, of_shop: sync.Telemetry | None = None, **options: Any
    ) -> tuple[int | None, bytes]:
        if request.param == "wsgi":
            found = call_wsgi(wsgi.AuditMiddleware(application, telemetry=telemetry, **options))
            return int(found.status[:3]), found.body
        app = asgi.AuditMiddleware(shop(of_shop or telemetry), telemetry=telemetry, **options)
        return asyncio.run(call(app, "POST", "/async/ok"))

    return ask


Ask = Callable[..., tuple[int | None, bytes]]


@pytest.mark.parametrize("level", ["durable", "delivered"])
def test_kept_event_lets_the_answer_go(tmp_path: Path, answer: Ask, level: str) -> None:
    with EmbeddedKafka() as kafka, running(quick_config(kafka.bootstrap_servers, tmp_path)) as telemetry:
        status, _body = answer(telemetry, before_response=level)
        stats = telemetry.audit.get_audit_stats()

    assert status == 200
    assert stats.delivered >= 1


@pytest.mark.parametrize("wanted", [True, False])
def test_event_that_is_not_kept_in_time_is_a_503(tmp_path: Path, answer: Ask, wanted: bool) -> None:
    # Kafka is away and the fallback keeps what it has for a minute: the event is neither sent nor stored meanwhile.
    config = quick_config(NOWHERE, tmp_path, fallback_object_seconds=60.0)
    with running(config) as telemetry:
        exclude = () if wanted else ["*"]
        status, body = answer(telemetry, before_response="durable", before_response_timeout=0.05, exclude=exclude)

    assert (status, b"could not be kept" in body) == ((503, True) if wanted else (200, False))


def test_event_that_cannot_be_logged_is_a_503(telemetry: sync.Telemetry, answer: Ask) -> None:
    ending = sync.Telemetry(memory_config())

    # Asked in the request, after it has started what logs.
    status, _body = answer(ending, telemetry, before_response="durable", session=lambda _: ending.shutdown() and None)

    assert status == 503


async def test_stream_that_breaks_off_later_is_a_second_event(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    app = asgi.AuditMiddleware(shop(telemetry), telemetry=telemetry, before_response="durable")

    with pytest.raises(ValueError, match="secret"):
        await call(app, "POST", "/stream/error")

    begun = captured_events.one("http.request", outcome="success")
    captured_events.one("http.interrupted", outcome="failure", correlation_id=begun.correlation_id)


def test_body_that_breaks_off_later_is_a_second_event(
    telemetry: sync.Telemetry, captured_events: CapturedEvents
) -> None:
    def broken(_environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        call_wsgi(wsgi.AuditMiddleware(broken, telemetry=telemetry, before_response="durable"))

    begun = captured_events.one("http.request", outcome="success")
    captured_events.one("http.interrupted", outcome="failure", correlation_id=begun.correlation_id)
