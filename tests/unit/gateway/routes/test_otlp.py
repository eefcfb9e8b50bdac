"""What an exporter is answered, by the rules of OTLP/HTTP."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from telemetry.audit.health import Health, StreamHealth
from telemetry.audit.receipt import ACCEPTED, DURABLE
from telemetry.config import GatewayLimits, OtlpConfig
from telemetry.exceptions import BackpressureError, EventError, KeyUnreachableError
from telemetry.gateway.caller import Caller
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.routes.otlp import ROUTES
from tests.support.gateway.receipts import ListedLog
from tests.support.otlp_requests import SPAN_ID, TRACE_ID, as_json, record, request

PROTOBUF, JSON = "application/x-protobuf", "application/json"


class _Streams:
    """Gives the same log to every service, and remembers who asked."""

    def __init__(self, log: ListedLog) -> None:
        self._log = log
        self.services: list[str] = []

    def on_behalf_of(self, service_name: str) -> Any:
        self.services.append(service_name)
        return self._log

    def stream_health(self) -> list[StreamHealth]:
        return []


class _Pipeline:
    def __init__(self, log: ListedLog) -> None:
        self.audit = _Streams(log)

    def health(self) -> Health:
        raise NotImplementedError


class _CountingGateway(Gateway):
    """Remembers what it is told about refusals, and has a quota."""

    quota = 1_000
    reasons: list[str]

    def wait_for_quota(self, caller: Caller, events: int) -> float:  # noqa: ARG002 - the signature of the base class
        return 0.0 if events <= self.quota else 12.2

    def refused(self, caller: Caller | None, request: Request, reason: str, *, who: str = "") -> None:  # noqa: ARG002 - likewise
        self.reasons.append(reason)


class _Exporter:
    """Sends requests to a gateway with this log.

    Args:
        log: Where events go.
        otlp: How records become events.
        limits: Bounds of the gateway.
        max_events_per_second: The caller's quota.
    """

    def __init__(
        self,
        log: ListedLog,
        otlp: OtlpConfig | None = None,
        limits: GatewayLimits | None = None,
        max_events_per_second: float | None = None,
    ) -> None:
        self.pipeline = _Pipeline(log)
        self.gateway = _CountingGateway(self.pipeline, limits or GatewayLimits(request_seconds=1), otlp)
        self.gateway.reasons = []
        app = Starlette(routes=ROUTES)
        app.state.gateway = self.gateway
        caller = Caller("payments.example", "payments", "mtls", max_events_per_second)

        async def recognized(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = {"caller": caller}
            await app(scope, receive, send)

        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(recognized), base_url="http://gateway")

    async def send(
        self, message: Any, content_type: str = PROTOBUF, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        if not isinstance(message, bytes):
            message = message.SerializeToString() if content_type == PROTOBUF else as_json(message)
        sent = {"content-type": content_type, **(headers or {})}
        return await self._client.post("/v1/logs", content=message, headers=sent)


def said(answer: httpx.Response) -> tuple[int, str]:
    """Return number and reason of the refused records."""
    assert answer.status_code == 200
    if answer.headers["content-type"] == PROTOBUF:
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        return partial.rejected_log_records, partial.error_message
    partial = answer.json().get("partialSuccess", {})
    return int(partial.get("rejectedLogRecords", "0")), partial.get("errorMessage", "")


def status_message(answer: httpx.Response) -> str:
    """Return the message of a ``google.rpc.Status``."""
    if answer.headers["content-type"] == JSON:
        assert answer.json().keys() == {"code", "message"}
        return str(answer.json()["message"])
    data = answer.content
    assert data[0] == 0x08
    assert data[2] == 0x12
    length, start = (data[3], 4) if data[3] < 0x80 else (data[3] & 0x7F | data[4] << 7, 5)
    assert len(data) == start + length
    return data[start:].decode()


both = pytest.mark.parametrize("content_type", [PROTOBUF, JSON], ids=["protobuf", "json"])


@both
async def test_records_become_events_of_the_caller(content_type: str) -> None:
    log = ListedLog(delivered=range(9))
    exporter = _Exporter(log)

    answer = await exporter.send(
        request(record("a", {"enduser.id": "ada"}), record("b"), resource={"service.name": "bank"}), content_type
    )

    assert said(answer) == (0, "")
    assert answer.content == (b"" if content_type == PROTOBUF else b"{}")
    assert exporter.pipeline.audit.services == ["payments"]
    assert [(kind, user) for kind, _, user, _ in log.calls] == [("a", "ada"), ("b", None)]
    fields = log.calls[0][3]
    assert fields["unfit"] == "repr"
    assert fields["idempotency_key"].startswith("otlp:")
    assert fields["metadata"]["otel"]["resource"] == {"service.name": "bank"}


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON, "application/json; charset=utf-8", "APPLICATION/X-PROTOBUF"])
async def test_compressed_bodies(content_type: str) -> None:
    log = ListedLog(delivered=range(9))
    body = request(record()).SerializeToString() if "PROTOBUF" in content_type.upper() else as_json(request(record()))

    answer = await _Exporter(log).send(gzip.compress(body), content_type, {"content-encoding": "gzip"})

    assert said(answer) == (0, "")
    assert len(log.calls) == 1


@both
async def test_records_without_a_name_are_counted(content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    log = ListedLog(delivered=range(9))
    exporter = _Exporter(log)

    answer = await exporter.send(request(record(""), record(), record("")), content_type)

    assert said(answer) == (
        2,
        "2 of 3 records are no audit events; of one: it has no event name, so it is no audit event",
    )
    assert len(log.calls) == 1
    assert "2 log records of OTLP are no events and were refused" in caplog.text
    assert exporter.gateway.reasons == []


async def test_records_without_a_name_are_ignored_on_request(caplog: pytest.LogCaptureFixture) -> None:
    exporter = _Exporter(ListedLog(delivered=range(9)), OtlpConfig(without_event_name="ignore"))

    answer = await exporter.send(request(record(""), record()))

    assert said(answer) == (0, "")
    assert not [record.name for record in caplog.records if record.name.startswith("telemetry")]


async def test_name_in_a_configured_attribute() -> None:
    log = ListedLog(delivered=range(9))

    await _Exporter(log, OtlpConfig(event_name_attributes=("app.kind",))).send(request(record("", {"app.kind": "x"})))

    assert [call[0] for call in log.calls] == ["x"]


@both
async def test_one_record_that_is_no_event_refuses_no_other(
    content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = ListedLog(delivered=range(9), errors={1: EventError("event_type is empty")})
    exporter = _Exporter(log)

    answer = await exporter.send(request(record("a"), record(" "), record("c")), content_type)

    assert said(answer) == (1, "1 of 3 records are no audit events; of one: event_type is empty")
    assert len(log.calls) == 2
    assert exporter.gateway.reasons == ["unfit"]


@both
@pytest.mark.parametrize(
    ("error", "status"), [(BackpressureError("full"), 429), (KeyUnreachableError("away"), 503)], ids=["full", "away"]
)
async def test_what_may_come_later_asks_for_all_again(content_type: str, error: Any, status: int) -> None:
    log = ListedLog(delivered=range(9), errors={1: error})

    answer = await _Exporter(log).send(request(record("a"), record("b"), record("")), content_type)

    assert answer.status_code == status
    assert int(answer.headers["retry-after"]) >= 10
    assert "send" in status_message(answer)
    first = log.calls[0]

    again = ListedLog(delivered=range(9))
    await _Exporter(again).send(request(record("a"), record("b"), record("")), content_type)

    assert first[3]["idempotency_key"] == again.calls[0][3]["idempotency_key"]


async def test_success_is_said_when_events_are_durable() -> None:
    log = ListedLog()
    answer = await _Exporter(log).send(request(record()))

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 10
    assert "not as safe yet" in status_message(answer)
    assert said(await _Exporter(log, OtlpConfig(wait_for="accepted")).send(request(record()))) == (0, "")


@pytest.mark.parametrize(("level", "status"), [("accepted", 200), ("durable", 200), ("delivered", 503)])
async def test_caller_may_ask_for_more(level: str, status: int) -> None:
    class SpoolLog(ListedLog):
        def _log(self, *arguments: Any, **fields: Any) -> Any:
            receipt = super()._log(*arguments, **fields)
            self.settle(DURABLE, len(self.receipts) - 1)
            return receipt

    answer = await _Exporter(SpoolLog()).send(request(record()), headers={"prefer": f"wait={level}"})

    assert answer.status_code == status
    assert answer.headers.get("preference-applied") == (f"wait={level}" if status == 200 else None)


async def test_quota_counts_events_alone() -> None:
    log = ListedLog(delivered=range(9))
    exporter = _Exporter(log, max_events_per_second=2)
    exporter.gateway.quota = 2

    assert said(await exporter.send(request(record(), record(), record(""))))[0] == 1
    answer = await exporter.send(request(record(), record(), record()))

    assert answer.status_code == 429
    assert 13 <= int(answer.headers["retry-after"]) <= 19
    assert len(log.calls) == 2


@pytest.mark.parametrize(
    ("content", "content_type", "headers", "status"),
    [
        (b"\x0b", PROTOBUF, {}, 400),
        (b"{", JSON, {}, 400),
        (b"", JSON, {}, 400),
        (b"x", PROTOBUF, {"content-encoding": "gzip"}, 400),
        (b"", "text/plain", {}, 415),
        (b"", "application/grpc", {}, 415),
        (b"", JSON, {"content-encoding": "zstd"}, 415),
        (b"\x0a" * 2_000, PROTOBUF, {}, 413),
    ],
    ids=["protobuf", "json", "empty", "gzip", "text", "grpc", "zstd", "large"],
)
async def test_wrong_requests_are_not_to_be_sent_again(
    content: bytes, content_type: str, headers: dict[str, str], status: int
) -> None:
    exporter = _Exporter(ListedLog(), limits=GatewayLimits(max_body_bytes=1_024))

    answer = await exporter.send(content, content_type, headers)

    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    assert answer.headers["content-type"] == (PROTOBUF if content_type == PROTOBUF else JSON)
    assert status_message(answer)
    assert exporter.gateway.reasons == [{400: "malformed", 413: "too_large", 415: "media_type"}[status]]


async def test_too_many_records() -> None:
    answer = await _Exporter(ListedLog(), OtlpConfig(max_records=2)).send(request(record(), record(), record()))

    assert answer.status_code == 413


async def test_nothing_to_export() -> None:
    assert said(await _Exporter(ListedLog()).send(b"")) == (0, "")


async def test_records_are_logged_in_their_span() -> None:
    seen = []

    class SpanLog(ListedLog):
        def _log(self, *arguments: Any, **fields: Any) -> Any:
            from opentelemetry import trace  # noqa: PLC0415 - of this test alone

            seen.append(trace.get_current_span().get_span_context())
            assert "span" not in fields
            return super()._log(*arguments, **fields)

    log = SpanLog(delivered=range(9))
    await _Exporter(log).send(
        request(record(trace_id=TRACE_ID, span_id=SPAN_ID, flags=1), record(trace_id=TRACE_ID), record())
    )

    assert [(span.trace_id, span.span_id, int(span.trace_flags)) for span in seen] == [
        (int.from_bytes(TRACE_ID), int.from_bytes(SPAN_ID), 1),
        (0, 0, 0),
        (0, 0, 0),
    ]


async def test_level_of_the_log_is_kept() -> None:
    log = ListedLog(asked=ACCEPTED, delivered=range(9))

    assert said(await _Exporter(log).send(request(*[record("a", {"n": n}) for n in range(9)]))) == (0, "")
    assert len({call[3]["idempotency_key"] for call in log.calls}) == 9
