from __future__ import annotations

from typing import Any

import pytest

from telemetry.testing import CapturedEvents
from tests.support.gateway.site import local_site

# As https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/ describes an event; the values are made up.
EVENT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "5b1f6a4e-0000-4000-8000-000000000001",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/pods/web-0",
    "verb": "delete",
    "user": {"username": "ada@example.com", "uid": "u1", "groups": ["admins"]},
    "sourceIPs": ["192.0.2.7", "198.51.100.1"],
    "userAgent": "kubectl/v1.31.0",
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "web-0", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "code": 403},
    "requestReceivedTimestamp": "2026-01-31T12:00:00.000000Z",
    "stageTimestamp": "2026-01-31T12:00:00.100000Z",
    "annotations": {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""},
}


def _list(*events: Any, **changes: Any) -> dict[str, Any]:
    items = [{name: value for name, value in event.items() if name not in {"kind", "apiVersion"}} for event in events]
    return {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items} | changes


async def test_batch_of_the_webhook(captured_events: CapturedEvents) -> None:
    received = EVENT | {"stage": "RequestReceived", "responseStatus": None}
    async with local_site() as site:
        answer = await site.post("/v1/kubernetes?timeout=30s", _list(received, EVENT), content_type="application/json")
    assert answer.status_code == 202
    event = captured_events.one(
        "pods.delete",
        user_id="ada@example.com",
        outcome="denied",
        entity="pods",
        entity_id="web-0",
        action="delete",
        ip_address="192.0.2.7",
        user_agent="kubectl/v1.31.0",
        correlation_id=EVENT["auditID"],
        metadata={"namespace": "shop", "stage": "ResponseComplete", "level": "Metadata", "decision": "forbid"},
    )
    assert event.occurred_at == "2026-01-31T12:00:00.1Z"
    keys = [event.dedup.value for event in captured_events if event.dedup]
    assert keys == [f"kubernetes:{EVENT['auditID']}.{stage}" for stage in ("RequestReceived", "ResponseComplete")]


async def test_single_event(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        assert (await site.post("/v1/kubernetes", EVENT)).status_code == 202
    assert captured_events.one("pods.delete").payload == EVENT


async def test_batch_that_is_sent_again_has_the_same_keys(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        for _ in range(2):
            await site.post("/v1/kubernetes", _list(EVENT), idempotency_key="another")
    one, other = captured_events
    assert one.dedup == other.dedup


async def test_mistake_refuses_no_other(captured_events: CapturedEvents) -> None:
    wrong = [EVENT | {"auditID": ""}, EVENT | {"stage": "Other"}, EVENT | {"stage": ["x"]}, EVENT | {"user": {}}]
    body = _list(EVENT, *wrong)
    body["items"] += [7, None]
    async with local_site() as site:
        answer = await site.post("/v1/kubernetes", body)
    assert [said["status"] for said in answer.json()["events"]] == [202] + [422] * 6
    assert (answer.status_code, len(captured_events)) == (207, 1)
    assert "--" not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (_list(EVENT, apiVersion="audit.k8s.io/v1beta1"), 422),
        (_list(EVENT, kind="PodList"), 422),
        (EVENT | {"apiVersion": "v1"}, 422),
        ({"items": []}, 400),
        ([EVENT], 400),
        (_list(), 400),
        (_list(EVENT, items={}), 400),
        ({"kind": "EventList", "apiVersion": "audit.k8s.io/v1"}, 400),
        (_list(*[EVENT] * 11), 413),
        ('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[', 400),
        ('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":' + "[" * 5_000, 400),
    ],
    ids=[
        *("beta", "other list", "other event", "no kind", "array", "no event", "items no array", "no items"),
        *("too many", "cut", "deep"),
    ],
)
async def test_no_batch(captured_events: CapturedEvents, body: Any, status: int) -> None:
    async with local_site(max_events=10) as site:
        answer = await site.post("/v1/kubernetes", body)
    assert (answer.status_code, len(captured_events)) == (status, 0)


async def test_lines_are_415() -> None:
    async with local_site() as site:
        assert (await site.post("/v1/kubernetes", b"{}", content_type="application/x-ndjson")).status_code == 415
