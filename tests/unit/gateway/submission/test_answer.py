from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.responses import Response

from telemetry.audit.receipt import Receipt, mark_accepted, mark_delivered
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.submission.answer import answer_of, problem_of
from telemetry.gateway.submission.event_call import RefusedEvent
from tests.support.gateway.receipts import PRODUCER

ID = "0190a0b0-0000-7000-8000-000000000001"


def _receipt() -> Receipt:
    receipt = Receipt(ID)
    mark_accepted(receipt, PRODUCER, 7)
    return receipt


def _body(response: Response) -> Any:
    return json.loads(bytes(response.body))


def test_all_accepted_is_202_with_ids() -> None:
    delivered = _receipt()
    mark_delivered(delivered, "audit", 0, 1)
    response = answer_of([_receipt(), delivered], headers={"Preference-Applied": "wait=delivered"})
    assert (response.status_code, response.media_type) == (202, "application/json")
    assert response.headers["preference-applied"] == "wait=delivered"
    said = {"id": ID, "producer": PRODUCER, "sequence": 7}
    assert _body(response) == {"events": [said | {"level": "accepted"}, said | {"level": "delivered"}]}


def test_partly_refused_is_207_with_a_status_each() -> None:
    response = answer_of([_receipt(), RefusedEvent(422, "why"), RefusedEvent(429, "full", 3)])
    assert (response.status_code, response.headers["retry-after"]) == (207, "3")
    assert _body(response)["events"] == [
        {"status": 202, "id": ID, "producer": PRODUCER, "sequence": 7, "level": "accepted"},
        {"status": 422, "reason": "why"},
        {"status": 429, "reason": "full"},
    ]


def test_207_without_a_second_chance_has_no_retry_after() -> None:
    assert "retry-after" not in answer_of([_receipt(), RefusedEvent(422, "why")]).headers


@pytest.mark.parametrize(
    ("events", "status", "retry_after"),
    [
        ([RefusedEvent(422, "why")], 422, None),
        ([RefusedEvent(413, "why"), RefusedEvent(422, "why")], 413, None),
        ([RefusedEvent(422, "why"), RefusedEvent(429, "full", 1)], 429, "1"),
        ([RefusedEvent(503, "key", 5), RefusedEvent(429, "full", 1)], 503, "5"),
    ],
)
def test_none_accepted_is_a_problem(events: list[RefusedEvent], status: int, retry_after: str | None) -> None:
    response = answer_of(events)
    body = _body(response)
    assert (response.status_code, body["status"], response.media_type) == (status, status, "application/problem+json")
    assert response.headers.get("retry-after") == retry_after
    assert body["type"] == "about:blank"
    assert [event["status"] for event in body.get("events", [{"status": status}])] == [event.status for event in events]


def test_request_that_is_refused_as_a_whole() -> None:
    response = problem_of(RefusedRequestError(415, "why", headers={"accept-encoding": "gzip"}, retry_after=0.2))
    assert response.status_code == 415
    assert (response.headers["accept-encoding"], response.headers["retry-after"]) == ("gzip", "1")
    assert _body(response) == {"type": "about:blank", "title": "Unsupported Media Type", "status": 415, "detail": "why"}
