from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from telemetry.testing import CapturedEvents
from tests.support.gateway.site import local_site

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/shop/orders",
    "type": "com.example.order.refunded",
    "time": "2026-01-31T12:00:00Z",
    "subject": "order/7",
    "authtype": "app_user",
    "authid": "ada",
    "correlationid": "c-1",
    "datacontenttype": "application/json",
    "data": {"order": 7},
}
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def _require_mapped(captured: CapturedEvents) -> None:
    event = captured.one(
        "com.example.order.refunded",
        user_id="ada",
        payload={"order": 7},
        actor_type="user",
        source="/shop/orders",
        entity_id="order/7",
        correlation_id="c-1",
        metadata={"datacontenttype": "application/json"},
    )
    assert (event.occurred_at, event.dedup and event.dedup.value) == ("2026-01-31T12:00:00Z", "/shop/orders A-1")


async def test_structured(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", EVENT, content_type=STRUCTURED)
    assert answer.status_code == 202
    _require_mapped(captured_events)


async def test_batched(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", [EVENT, EVENT | {"id": ""}], content_type=f"{BATCH}; charset=utf-8")
    assert [said["status"] for said in answer.json()["events"]] == [202, 422]
    _require_mapped(captured_events)


async def test_binary(captured_events: CapturedEvents) -> None:
    headers = {f"ce_{name}": value for name, value in EVENT.items() if name not in {"data", "datacontenttype"}}
    async with local_site() as site:
        answer = await site.post("/v1/events", b'{"order": 7}', content_type="application/json", **headers)
    assert answer.status_code == 202
    _require_mapped(captured_events)


@pytest.mark.parametrize("write", [to_binary_event, to_structured_event], ids=["binary", "structured"])
async def test_sdk_of_cloudevents(captured_events: CapturedEvents, write: Any) -> None:
    attributes = {name: value for name, value in EVENT.items() if name != "data"}
    attributes["time"] = datetime.fromisoformat(EVENT["time"])
    message = write(CloudEvent(attributes=attributes, data={"order": 7}))
    async with local_site() as site:
        answer = await site.client.post("/v1/events", content=message.body, headers=message.headers)
    assert answer.status_code == 202, answer.text
    _require_mapped(captured_events)


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        ("text/plain", "grüße".encode(), "grüße"),
        ("application/octet-stream", b"\x00\xff", {"data_base64": "AP8="}),
        ("application/vnd.shop+json", b"[1]", [1]),
        ("", b"[1]", [1]),
        ("application/json", b"", None),
        ("application/x-www-form-urlencoded", b"a=b", {"data_base64": "YT1i"}),
    ],
    ids=["text", "bytes", "+json", "unsaid", "empty", "form"],
)
async def test_data_of_binary_mode(captured_events: CapturedEvents, kind: str, body: bytes, payload: Any) -> None:
    headers = {"ce_id": "1", "ce_source": "s", "ce_type": "t", "ce_specversion": "1.0"}
    if kind:
        headers["content_type"] = kind
    async with local_site() as site:
        assert (await site.post("/v1/events", body, **headers)).status_code == 202
    assert captured_events[0].payload == payload


async def test_percent_encoding_of_headers(captured_events: CapturedEvents) -> None:
    headers = {
        "ce_id": "1",
        "ce_source": "s",
        "ce_type": "t",
        "ce_specversion": "1.0",
        "ce_authid": "J%C3%BCrgen%20%E2%82%AC",
    }
    async with local_site() as site:
        assert (await site.post("/v1/events", b"1", **headers)).status_code == 202
        assert (await site.post("/v1/events", b"1", **headers | {"ce_authid": "%FF"})).status_code == 422
    assert captured_events.one().user_id == "Jürgen €"


async def test_header_twice_is_400(captured_events: CapturedEvents) -> None:
    headers = [("ce-id", "1"), ("ce-id", "2"), ("ce-source", "s"), ("ce-type", "t"), ("ce-specversion", "1.0")]
    async with local_site() as site:
        answer = await site.client.post("/v1/events", content=b"1", headers=headers)
    assert (answer.status_code, len(captured_events)) == (400, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "specversion 1.0"),
        ({"specversion": None}, "specversion 1.0"),
        ({"id": ""}, "attribute id"),
        ({"id": 5}, "attribute id"),
        ({"source": None}, "attribute source"),
        ({"type": ""}, "attribute type"),
        ({"Upper": "x"}, "small letters"),
        ({"with-hyphen": "x"}, "small letters"),
        ({"ext": {"a": 1}}, "neither text"),
        ({"ext": 1.5}, "neither text"),
        ({"data_base64": "AP8="}, "send one of them"),
        ({"type": "telemetry.read"}, "begins with"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_wrong_event_is_422(captured_events: CapturedEvents, change: dict[str, Any], reason: str) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", EVENT | change, content_type=STRUCTURED)
    assert (answer.status_code, len(captured_events)) == (422, 0)
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("encoded", ["AP8=", "A", "AP8", "!!", 5, ["x"]], ids=repr)
async def test_binary_data_in_json(captured_events: CapturedEvents, encoded: Any) -> None:
    event = {name: value for name, value in EVENT.items() if name != "data"} | {"data_base64": encoded}
    async with local_site() as site:
        answer = await site.post("/v1/events", event, content_type=STRUCTURED)
    assert answer.status_code == (202 if encoded == "AP8=" else 422)
    assert [event.payload for event in captured_events] == ([{"data_base64": "AP8="}] if encoded == "AP8=" else [])


async def test_nobody_is_known(captured_events: CapturedEvents) -> None:
    event = {name: value for name, value in EVENT.items() if not name.startswith("auth")}
    async with local_site() as site:
        await site.post("/v1/events", event, content_type=STRUCTURED)
        await site.post("/v1/events", event | {"userid": "bob", "authtype": "robot"}, content_type=STRUCTURED)
    captured_events.one(user_id="anonymous", actor_type="anonymous")
    captured_events.one(user_id="bob", metadata={"authtype": "robot"})


async def test_key_of_the_request_keeps_the_id(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        await site.post("/v1/events", EVENT, content_type=STRUCTURED, idempotency_key="k")
    event = captured_events.one(metadata={"id": "A-1"})
    assert event.dedup is not None
    assert event.dedup.value == "request:k:0"


async def test_object_is_needed(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        assert (await site.post("/v1/events", [EVENT], content_type=STRUCTURED)).status_code == 422
        assert (await site.post("/v1/events", EVENT, content_type=BATCH)).status_code == 400
    assert len(captured_events) == 0
