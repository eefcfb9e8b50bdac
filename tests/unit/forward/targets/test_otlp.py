"""Events are log records of OTLP; what a receiver refuses of a batch is named, and not sent again by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from telemetry.forward.delivery import BatchRefusedError, PartlyRefusedError
from telemetry.forward.targets.credentials import Credentials
from telemetry.forward.targets.otlp import OtlpTarget
from telemetry.forward.targets.post import PostClient, TlsFiles
from tests.support.parcels import Patient, batch, event_id
from tests.support.siem import FakeCollector, partly, running, times
from tests.support.some_events import FULL


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with running(FakeCollector()) as server:
        yield server


def opened(collector: FakeCollector, path: str = "") -> OtlpTarget:
    return OtlpTarget(PostClient(collector.url + path, credentials=Credentials(), tls=TlsFiles(), seconds=30.0))


def value_of(any_value: Any) -> Any:
    """Return OpenTelemetry's form as JSON values."""
    kind = any_value.WhichOneof("value")
    if kind == "kvlist_value":
        return {each.key: value_of(each.value) for each in any_value.kvlist_value.values}
    if kind == "array_value":
        return [value_of(each) for each in any_value.array_value.values]
    return None if kind is None else getattr(any_value, kind)


@pytest.mark.parametrize("path", ["", "/v1/logs"])
def test_events_are_log_records(collector: FakeCollector, path: str) -> None:
    target = opened(collector, path)
    payload = {"big": 1 << 70, "deep": [True, None, {"a": 1.5}], "empty": {}, "none": []}
    target.send(batch(target, range(3), **{**FULL, "payload": payload}))
    target.settle(Patient())

    assert collector.posts[0].path == "/v1/logs"
    assert collector.accepted == [event_id(number) for number in range(3)]
    resource, record = collector.documents[0]
    named = {each.key: each.value.string_value for each in resource.attributes}
    assert named == {"service.name": "shop", "service.version": "1.2", "deployment.environment.name": "production"}
    assert (record.event_name, record.severity_number) == ("order_updated", 13)
    assert record.trace_id.hex() == FULL["trace_id"]
    assert abs(record.time_unix_nano - 1_769_860_800_123_456_000) < 1_000
    body = value_of(record.body)
    assert body["payload"] == {"big": str(1 << 70), "deep": [True, None, {"a": 1.5}], "empty": {}, "none": []}
    assert (body["proven"], body["sealed"]) == ("not judged", True)


def test_services_are_resources(collector: FakeCollector) -> None:
    target = opened(collector)
    parcels = [*batch(target, [0, 1]), *batch(target, [2], service_name="mail"), *batch(target, [3])]
    target.send(parcels)

    assert collector.accepted == [event_id(number) for number in range(4)]
    services = [resource.attributes[0].value.string_value for resource, _ in collector.documents]
    assert services == ["shop", "shop", "mail", "shop"]


def test_partial_success_is_not_sent_again(collector: FakeCollector) -> None:
    target = opened(collector)
    collector.faults = [times(1, partly(2))]
    with pytest.raises(PartlyRefusedError, match="2 of 5 records") as caught:
        target.send(batch(target, range(5)))

    assert caught.value.count == 2
    assert "may quote" not in str(caught.value)


def test_all_of_a_batch_refused(collector: FakeCollector) -> None:
    target = opened(collector)
    collector.faults = [times(1, partly(9))]
    with pytest.raises(BatchRefusedError, match="5 of 5") as caught:
        target.send(batch(target, range(5)))
    assert not isinstance(caught.value, PartlyRefusedError)


def test_warning_without_a_refusal(collector: FakeCollector) -> None:
    target = opened(collector)
    collector.faults = [times(1, partly(0))]
    target.send(batch(target, range(5)))
    target.settle(Patient())


def test_deep_payload_is_text_below_a_level(collector: FakeCollector) -> None:
    payload: Any = "the deepest"
    for _ in range(200):
        payload = {"in": payload}
    target = opened(collector)
    target.send(batch(target, [0], payload=payload))

    body = value_of(collector.documents[0][1].body)["payload"]
    while isinstance(body, dict):
        body = body["in"]
    assert json.loads(body)["in"]
    assert "the deepest" in body
