"""Every route through the real command and Kafka, read back with ``telemetry tail``; and repeats at two gateways."""

from __future__ import annotations

from typing import Any

from tests.support.gateway.gateway_site import GatewaySite
from tests.support.maker_lines import maker_lines

DURABLE = {"Prefer": "wait=delivered"}
KEY = {"Idempotency-Key": "6f1a1c1e-6a53-4b0e-9d5c-1f3f0c1f9a11"}
BATCH = [{"event_type": "order.paid", "user_id": f"user-{number}", "payload": number} for number in range(5)]
CLOUDEVENT = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/shop",
    "type": "invoice.sent",
    "authid": "ada",
    "data": [1],
}
KUBERNETES = {
    "kind": "EventList",
    "apiVersion": "audit.k8s.io/v1",
    "items": [
        {
            "auditID": "5b1f6a4e-2f0d-4a53-9d61-0c6f6f8a8a11",
            "stage": "ResponseComplete",
            "verb": "delete",
            "user": {"username": "grace"},
            "objectRef": {"resource": "pods", "name": "web-0"},
            "responseStatus": {"code": 200},
        }
    ],
}


def test_what_is_sent_twice_to_two_gateways_is_shown_once(gateway_site: GatewaySite) -> None:
    options = gateway_site.files.options()
    producers = set()
    with gateway_site.serve(*options) as one, gateway_site.serve(*options) as other:
        for served in (one, other, one):
            with gateway_site.client(served) as client:
                answers = [
                    client.post("/v1/events", json=BATCH, headers=DURABLE | KEY),
                    client.post(
                        "/v1/events",
                        json=CLOUDEVENT,
                        headers=DURABLE | {"Content-Type": "application/cloudevents+json"},
                    ),
                    client.post("/v1/kubernetes", json=KUBERNETES, headers=DURABLE),
                    client.post("/v1/preset/okta", json=maker_lines("okta")[:1], headers=DURABLE),
                ]
            assert [answer.status_code for answer in answers] == [202] * 4
            said = [event for answer in answers for event in answer.json()["events"]]
            assert {event["level"] for event in said} == {"delivered"}
            producers |= {event["producer"] for event in said}
        assert [one.end(), other.end()] == [0, 0]
    assert len(producers) == 2
    shown = [event for event in gateway_site.tail() if event["service_name"] == "payments"]
    assert sorted(event["payload"] for event in shown if event["event_type"] == "order.paid") == list(range(5))
    others = [event for event in shown if event["event_type"] != "order.paid"]
    assert sorted(_name(event) for event in others) == sorted(
        ["invoice.sent", "pods.delete", maker_lines("okta")[0]["eventType"]]
    )


def _name(event: dict[str, Any]) -> str:
    return str(event["event_type"])
