from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from telemetry.audit.receipt import DELIVERED
from telemetry.exceptions import BackpressureError, EventError
from telemetry.testing import CapturedEvents
from tests.support.gateway.receipts import PRODUCER, ListedLog
from tests.support.gateway.site import Site, local_site

EVENT: dict[str, Any] = {"event_type": "order.refunded", "user_id": "ada", "payload": {"order": 7}}
ALL: dict[str, Any] = {
    **EVENT,
    "occurred_at": "2026-01-31T12:00:00Z",
    "session_id": "s",
    "actor_id": "eve",
    "actor_type": "user",
    "tenant_id": "t",
    "entity": "order",
    "entity_id": 7,
    "action": "refund",
    "outcome": "success",
    "reason": "ticket 4711",
    "source": "shop",
    "ip_address": "192.0.2.7",
    "user_agent": "curl",
    "correlation_id": "c",
    "sensitive": True,
    "scrub": False,
    "targets": [{"entity": "order", "entity_id": "7"}],
    "changes": {"state": {"old": "paid", "new": "refunded"}},
    "adjusted": ["payload"],
    "metadata": {"region": "eu"},
    "unfit": "refuse",
}


def _lines(*events: Any) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


async def test_one_event(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", EVENT)
    event = captured_events.one("order.refunded", user_id="ada", payload={"order": 7})
    assert answer.status_code == 202
    assert answer.json() == {
        "events": [{"id": event.id, "producer": event.producer, "sequence": event.sequence, "level": "delivered"}]
    }


async def test_every_member_arrives(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        assert (await site.post("/v1/events", ALL)).status_code == 202
    event = captured_events.one("order.refunded", outcome="success", entity_id="7", metadata={"region": "eu"})
    assert (event.occurred_at, event.sensitive, event.actor_id) == ("2026-01-31T12:00:00Z", True, "eve")
    assert (event.adjusted, event.reason, event.tenant_id) == (("payload",), "ticket 4711", "t")


async def test_payload_may_be_left_out(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        assert (await site.post("/v1/events", {"event_type": "a", "user_id": "b"})).status_code == 202
    assert captured_events.one("a").payload is None


async def test_null_is_not_given(captured_events: CapturedEvents) -> None:
    nothing = dict.fromkeys(name for name in ALL if name not in EVENT) | {"id": None, "idempotency_key": None}
    async with local_site() as site:
        assert (await site.post("/v1/events", {**nothing, **EVENT, "user_id": None})).status_code == 202
    event = captured_events.one(user_id="anonymous", actor_type="anonymous")
    assert event.metadata == {}
    assert event.dedup is None


@pytest.mark.parametrize("kind", ["array", "lines"])
async def test_batch_keeps_its_order(captured_events: CapturedEvents, kind: str) -> None:
    events = [EVENT | {"payload": number} for number in range(150)]
    async with local_site() as site:
        if kind == "array":
            answer = await site.post("/v1/events", events)
        else:
            answer = await site.post("/v1/events", _lines(*events) + b"\r\n\n", content_type="application/x-ndjson")
    assert answer.status_code == 202
    assert [event.payload for event in captured_events] == list(range(150))
    assert [said["id"] for said in answer.json()["events"]] == [event.id for event in captured_events]


async def test_gzip(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", gzip.compress(json.dumps([EVENT] * 3).encode()), content_encoding="gzip")
    assert answer.status_code == 202
    assert len(captured_events) == 3


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', ""]
)
async def test_media_types_of_json(captured_events: CapturedEvents, kind: str) -> None:
    async with local_site() as site:
        body = json.dumps(EVENT)
        answer = await (
            site.post("/v1/events", body, content_type=kind) if kind else site.post("/v1/events", body.encode())
        )
    assert (answer.status_code, len(captured_events)) == (202, 1)


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin-1", "json"]
)
async def test_other_media_types_are_415(captured_events: CapturedEvents, kind: str) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", json.dumps(EVENT), content_type=kind)
        assert site.gateway.reports == ["media_type"]
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
    assert len(captured_events) == 0
    assert "charset" in kind or "application/x-ndjson" in answer.headers["accept"]


WRONG: dict[str, tuple[Any, str]] = {
    "no object": ([1], "no JSON object"),
    "no event type": ({"user_id": "a", "payload": 1}, "no event_type"),
    "no user": ({"event_type": "a", "payload": 1}, "no user_id"),
    "misspelled": (EVENT | {"outcme": "success"}, "'outcme' that is not known; write outcome"),
    "wait_for": (EVENT | {"wait_for": "durable"}, "Prefer: wait=durable"),
    "metadata": (EVENT | {"metadata": [1]}, "metadata must be an object"),
    "unfit": (EVENT | {"unfit": ["x"]}, '"refuse" or "repr"'),
    "outcome": (EVENT | {"outcome": "ok"}, "outcome must be one of"),
    "own type": (EVENT | {"event_type": "telemetry.read"}, "begins with 'telemetry.'"),
    "empty type": (EVENT | {"event_type": ""}, "event_type is empty"),
    "user of another type": (EVENT | {"user_id": {"a": 1}}, "user_id must be a text"),
    "changes": (EVENT | {"changes": [1]}, "changes must map"),
    "targets": (EVENT | {"targets": {"a": 1}}, "targets must be a list"),
    "id of another type": (EVENT | {"id": [1]}, "idempotency_key must be a text"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_event_is_422(captured_events: CapturedEvents, name: str) -> None:
    body, reason = WRONG[name]
    async with local_site() as site:
        answer = await site.post("/v1/events", body)
        assert site.gateway.reports == ["unfit"]
    problem = answer.json()
    assert (answer.status_code, problem["status"], len(captured_events)) == (422, 422, 0)
    assert reason in problem["detail"]


EXACT = {
    "name twice": (b'{"event_type":"a","user_id":"b","payload":{"x":1,"x":2}}', "name twice"),
    "number": (b'{"event_type":"a","user_id":"b","payload":0.1000000000000000055}', "send it as a text"),
    "too large": (b'{"event_type":"a","user_id":"b","payload":1e999}', "too large"),
    "minus zero": (b'{"event_type":"a","user_id":"b","payload":-0}', "would be changed"),
    "surrogate": (b'{"event_type":"a","user_id":"b","payload":"\\ud800"}', "surrogate"),
    "NaN": (b'{"event_type":"a","user_id":"b","payload":NaN}', "not JSON"),
    "not UTF-8": (b'{"event_type":"a","user_id":"b","payload":"\xff"}', "UTF-8"),
    "control character": (b'{"event_type":"a","user_id":"b","payload":"\x01"}', "not JSON"),
    "cut": (b'{"event_type":"a","user_id":"b","payload":"', "not JSON"),
    "deep": (b'{"event_type":"a","user_id":"b","payload":' + b"[" * 70 + b"]" * 70 + b"}", "nested deeper"),
}


@pytest.mark.parametrize("name", EXACT)
async def test_text_that_a_value_would_not_repeat_is_422(captured_events: CapturedEvents, name: str) -> None:
    text, reason = EXACT[name]
    async with local_site() as site:
        answer = await site.post("/v1/events", text)
    assert (answer.status_code, len(captured_events)) == (422, 0)
    assert reason in answer.json()["detail"]
    assert "--" not in answer.json()["detail"]


async def test_what_looks_odd_and_is_text_is_kept(captured_events: CapturedEvents) -> None:
    body = '{"event_type":"a","user_id":"b\\u0000","payload":"\\u0000\\ud83d\\ude00","user_agent":"x\\u0085"}'
    async with local_site() as site:
        answer = await site.post("/v1/events", b"\xef\xbb\xbf" + body.encode())
    assert answer.status_code == 202
    event = captured_events.one(payload="\x00\U0001f600")
    assert event.adjusted == ("user_agent", "user_id")


async def test_mistake_in_a_batch_refuses_no_other(captured_events: CapturedEvents) -> None:
    batch = _lines(EVENT, EVENT | {"secret-member": "sesame"}, EVENT)[:-1] + b"}\n{"
    async with local_site() as site:
        answer = await site.post("/v1/events", batch, content_type="application/jsonl")
        assert site.gateway.reports == ["unfit"]
    assert [said["status"] for said in answer.json()["events"]] == [202, 422, 202, 422]
    assert (answer.status_code, len(captured_events)) == (207, 2)
    assert "sesame" not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"[", 400), (b"[{}", 400), (b"{", 422), (b"\x00", 422), (b"[" * 5_000, 400)],
    ids=["empty", "no event", "cut", "cut in an event", "cut object", "NUL", "deep"],
)
async def test_no_body_of_events(captured_events: CapturedEvents, body: bytes, status: int) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", body, content_type="application/json")
    assert (answer.status_code, len(captured_events)) == (status, 0)


async def test_bounds(captured_events: CapturedEvents) -> None:
    async with local_site(max_body_bytes=4_096, max_events=3) as site:
        assert (await site.post("/v1/events", [EVENT] * 4)).status_code == 413
        assert (
            await site.post("/v1/events", _lines(*[EVENT] * 4), content_type="application/jsonl")
        ).status_code == 413
        assert (await site.post("/v1/events", EVENT | {"payload": "x" * 5_000})).status_code == 413
        assert (await site.post("/v1/events", [EVENT] * 3)).status_code == 202
        assert site.gateway.bodies.free == site.gateway.limits.max_body_bytes_at_once
    assert len(captured_events) == 3


async def test_event_that_is_too_large_is_413_alone(captured_events: CapturedEvents) -> None:
    large = EVENT | {"payload": "x" * (300 << 10)}
    larger = EVENT | {"payload": "x" * (2 << 20)}
    async with local_site() as site:
        answer = await site.post("/v1/events", [EVENT, large, larger])
        cut = await site.post("/v1/events", large | {"unfit": "repr"})
    assert [said["status"] for said in answer.json()["events"]] == [202, 413, 413]
    assert (cut.status_code, len(captured_events)) == (202, 2)


async def test_header_gives_each_event_a_key(captured_events: CapturedEvents) -> None:
    events = [EVENT, EVENT | {"id": "own"}, EVENT | {"idempotency_key": "named", "id": 5}]
    async with local_site() as site:
        assert (await site.post("/v1/events", events, idempotency_key="abc")).status_code == 202
    keys = [event.dedup.value for event in captured_events if event.dedup]
    assert keys == ["request:abc:0", "request:abc:1", "named"]
    assert [event.metadata for event in captured_events] == [{}, {"id": "own"}, {"id": 5}]


async def test_own_id_is_the_key_without_the_header(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        await site.post("/v1/events", [EVENT | {"id": "one"}, EVENT | {"idempotency_key": "two"}, EVENT])
    assert [event.dedup and event.dedup.value for event in captured_events] == ["one", "two", None]
    assert not any(event.metadata for event in captured_events)


async def test_repeat_at_another_gateway_has_the_same_key_and_digest(captured_events: CapturedEvents) -> None:
    for _ in range(2):
        async with local_site() as site:
            await site.post("/v1/events", ALL, idempotency_key='"k"')
    one, other = captured_events
    assert one.dedup == other.dedup is not None
    assert one.id != other.id


async def test_odd_key_is_400_and_logs_nothing(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/events", EVENT, idempotency_key="a b")
    assert (answer.status_code, len(captured_events)) == (400, 0)


async def test_preference_is_applied_and_said() -> None:
    log = ListedLog(delivered={0})
    site = Site(log)
    answer = await site.post("/v1/events", EVENT, prefer="respond-async, wait=delivered")
    assert answer.headers["preference-applied"] == "wait=delivered"
    assert answer.json()["events"] == [
        {"id": log.receipts[0].event_id, "producer": PRODUCER, "sequence": 0, "level": "delivered"}
    ]


async def test_time_bound_of_the_caller_ends_the_wait() -> None:
    answer = await Site(ListedLog()).post("/v1/events", EVENT, prefer="wait=delivered, wait=0")
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=delivered, wait=0")
    assert answer.json()["events"][0]["level"] == "accepted"


async def test_time_bound_of_the_gateway_ends_the_wait() -> None:
    answer = await Site(ListedLog(), request_seconds=1).post("/v1/events", EVENT, prefer="wait=delivered")
    assert (answer.status_code, answer.json()["events"][0]["level"]) == (202, "accepted")


async def test_level_is_said_when_it_was_reached() -> None:
    log = ListedLog()
    site = Site(log)

    async def deliver() -> None:
        await log.has_offered(2)
        log.settle(DELIVERED, 0, 1)

    answer, _ = await asyncio.gather(site.post("/v1/events", [EVENT, EVENT], prefer="wait=delivered"), deliver())
    assert [said["level"] for said in answer.json()["events"]] == ["delivered", "delivered"]


async def test_full_queue_is_429_with_a_time() -> None:
    site = Site(ListedLog(errors={0: BackpressureError("full")}))
    answer = await site.post("/v1/events", [EVENT] * 3)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert site.gateway.reports == []


async def test_quota_is_429_with_its_time_and_logs_nothing() -> None:
    log = ListedLog()
    site = Site(log)
    site.gateway.quota = 2.5
    answer = await site.post("/v1/events", EVENT)
    assert (answer.status_code, answer.headers["retry-after"], log.offered) == (429, "3", 0)


async def test_service_that_cannot_be_one_is_no_fault_of_the_caller() -> None:
    site = Site(None)

    def refuse(_: object) -> Any:
        raise EventError

    site.gateway.audit_of = refuse  # type: ignore[method-assign, assignment]
    assert (await site.post("/v1/events", EVENT)).status_code == 503


async def test_streams_that_are_all_in_use_are_429() -> None:
    site = Site(None)

    def refuse(_: object) -> Any:
        raise BackpressureError

    site.gateway.audit_of = refuse  # type: ignore[method-assign, assignment]
    assert (await site.post("/v1/events", EVENT)).status_code == 429


async def test_batch_of_a_thousand_leaves_turns_to_the_loop(captured_events: CapturedEvents) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with local_site() as site:
        counter = asyncio.create_task(count())
        answer = await site.post("/v1/events", [EVENT] * 1_000)
        counter.cancel()
    assert (answer.status_code, len(captured_events)) == (202, 1_000)
    # At least one turn for fifty events.
    assert turns >= 20


async def test_wait_for_the_level_keeps_no_body() -> None:
    log = ListedLog()
    site = Site(log)
    room = site.gateway.limits.max_body_bytes_at_once
    task = asyncio.create_task(site.post("/v1/events", [EVENT] * 3, prefer="wait=delivered"))
    await log.has_offered(3)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (task.done(), site.gateway.bodies.free) == (False, room)
    log.settle(DELIVERED, 0, 1, 2)
    assert (await task).status_code == 202
