from __future__ import annotations

import dataclasses
import enum
import json
import sys
import threading
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel

from telemetry.audit.accept.draft import EventDraft, EventFactory
from telemetry.audit.accept.fields import OwnEventType, dedup_of
from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.format.value.event import decode_event

CANARY = "canary-31c8"


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: float = 1.5


class Order(BaseModel):
    number: int = 7
    total: float = 2.5


def _factory(**changes: Any) -> EventFactory:
    values: dict[str, Any] = {"service_name": "shop", "environment": "test", "version": "1", "max_event_bytes": 4_096}
    return EventFactory(**{**values, **changes})


def _body(payload: Any = None, event_type: Any = "t", user_id: Any = "u", **fields: Any) -> dict[str, Any]:
    return _decoded(_factory().draft(event_type, payload, user_id, fields))


def _decoded(draft: EventDraft) -> dict[str, Any]:
    """Return the event of a draft without producer and sequence."""
    body: dict[str, Any] = json.loads(b"{" + draft.json_after_sequence.removeprefix(b","))
    return body


def _self_containing() -> dict[str, Any]:
    payload: dict[str, Any] = {"name": CANARY}
    payload["me"] = [payload]
    return payload


def _deep() -> Any:
    payload: Any = CANARY
    for _ in range(100_000):
        payload = [payload]
    return payload


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"a": [{"b": float("nan")}]}, "payload.#1[0].#1"),
        ({"a": float("inf")}, "payload.#1"),
        ({"a": Decimal("NaN")}, "payload.#1"),
        ({"a": CANARY + "\ud800"}, "payload.#1"),
        ({"\udfff": CANARY}, "payload"),
        ({"a": object()}, "payload.#1"),
        ({"a": {"b": [1, lambda: CANARY]}}, "payload.#1.#1[1]"),
        ({(1, 2): CANARY}, "payload"),
        ({1: CANARY, "1": "other"}, "payload"),
        (_self_containing(), "payload.#2[0]"),
        ({"a": Point(float("nan"))}, "payload"),
        ({"a": Order(total=float("inf"))}, "payload"),
        (_deep(), "payload"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inexact_payload_is_refused_by_place(payload: Any, path: str) -> None:
    with pytest.raises(EventError) as caught:
        _body(payload)

    assert str(caught.value).startswith(f"{path} ") or str(caught.value).startswith(f"{path}[")
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_names_of_members_are_not_in_an_error() -> None:
    payload = {"patients": {f"{CANARY}@example.com": [1.5, float("nan")]}}

    with pytest.raises(EventError, match=r"payload\.#1\.#1\[1\] is NaN or infinite") as caught:
        _body(payload)

    assert CANARY not in str(caught.value)
    assert "#1 is the first member" in str(caught.value)


@pytest.mark.parametrize("event_type", ["telemetry.read", "telemetry.started", "Telemetry.X", "telemetry."])
def test_types_of_the_library_are_not_for_applications(event_type: str) -> None:
    factory = _factory()
    # The library's own event of that type does not open the way for the application's.
    own = factory.draft(OwnEventType(event_type), {}, "telemetry", {})
    assert _decoded(own)["event_type"] == event_type

    for _ in range(2):
        with pytest.raises(EventError, match=r"event_type begins with 'telemetry\.'"):
            factory.draft(event_type, {}, "ada", {})
    assert _body({}, event_type="telemetry_read")["event_type"] == "telemetry_read"


def test_usual_types_become_json() -> None:
    identity = uuid.UUID("018f3b1c-0000-7000-8000-000000000001")
    payload = {
        "bytes": b"\x00\xff",
        "time": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "day": date(2026, 1, 31),
        "uuid": identity,
        "decimal": Decimal("12.50"),
        "enum": Colour.RED,
        "dataclass": Point(),
        "model": Order(),
        "tuple": (1, 2),
        "large": 2**70,
        "number key": {1: 2},
    }

    assert _body(payload)["payload"] == {
        "bytes": "AP8=",
        "time": "2026-01-31T12:00:00Z",
        "day": "2026-01-31",
        "uuid": str(identity),
        "decimal": "12.50",
        "enum": "red",
        "dataclass": {"x": 1.5},
        "model": {"number": 7, "total": 2.5},
        "tuple": [1, 2],
        "large": 2**70,
        "number key": {"1": 2},
    }


@pytest.mark.parametrize("bad", ["", "   ", "a\nb", "a\x00", "\x1b[31m", "x" * 2_000, "\ud800", None, 7, b"t"])
@pytest.mark.parametrize("name", ["event_type", "user_id"])
def test_unfit_event_types_and_users(name: str, bad: Any) -> None:
    with pytest.raises(EventError, match=name):
        _body({}, **{name: bad})


@pytest.mark.parametrize(
    ("field", "value"),
    [("outcome", "maybe"), ("sensitive", "yes"), ("session_id", ""), ("ip_address", object()), ("action", "a\x07")],
)
def test_unfit_fields(field: str, value: Any) -> None:
    with pytest.raises(EventError, match=field):
        _body({}, **{field: value})


def test_unfit_metadata_is_named_by_its_path() -> None:
    with pytest.raises(EventError, match=r"metadata\.#1"):
        _body({}, ticket=float("nan"))


def test_other_arguments_go_to_metadata() -> None:
    body = _body({}, session_id="s", outcome="denied", sensitive=True, entity_id=7, ticket=1, metadata={"more": 2})

    assert (body["session_id"], body["outcome"], body["sensitive"], body["entity_id"]) == ("s", "denied", True, "7")
    assert body["metadata"] == {"more": 2, "ticket": 1}


def test_event_over_the_limit_is_refused() -> None:
    with pytest.raises(EventTooLargeError, match="max_event_bytes"):
        _body({"much": CANARY * 1_000})


def test_current_span_is_recorded() -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        draft = _factory().draft("t", {}, "u", {})
    body = _decoded(draft)

    assert int(body["trace_id"], 16) == span.get_span_context().trace_id
    expected = f"00-{body['trace_id']}-{body['span_id']}-{body['trace_flags']:02x}"
    assert f'"traceparent":"{expected}"'.encode() in draft.clear_tail


def test_the_time_is_utc_with_microseconds() -> None:
    factory = _factory(wall_clock=lambda: 1_769_860_800_123_456_789)

    assert _decoded(factory.draft("t", {}, "u", {}))["time"] == "2026-01-31T12:00:00.123456Z"


def test_hmac_key_hides_user_and_service() -> None:
    secret = b"0123456789abcdef"
    draft = _factory(hmac_secret=secret).draft("t", {}, "ada", {})
    again = _factory(hmac_secret=secret).draft("t", {}, "ada", {})

    assert len(draft.key) == 64
    assert draft.key == again.key
    assert b"ada" not in draft.key
    assert _decoded(draft)["kafka_key"] == draft.key.decode()


def test_event_without_features_is_version_1() -> None:
    body = _body()

    assert body["schema_version"] == 1
    assert list(body)[:4] == ["id", "time", "schema_version", "event_type"]
    assert not {"features", "dedup"} & set(body)


@pytest.mark.parametrize("fields", [{}, {"session_id": "s"}])
def test_hidden_type_is_sealed_only(fields: dict[str, str]) -> None:
    factory = _factory(hide_event_type=True, clear_fields=("session_id",))
    draft = factory.draft(CANARY, {}, "ada", fields)
    again = factory.draft(CANARY, {}, "ada", fields)

    body = _decoded(draft)
    assert (body["schema_version"], body["features"], body["event_type"]) == (2, ["hidden-type"], CANARY)
    assert list(body)[2:4] == ["schema_version", "features"]
    assert draft.clear_tail == again.clear_tail
    assert draft.clear_tail.startswith(b',"type":"telemetry.event",')
    assert CANARY.encode() not in draft.clear_tail


@pytest.mark.parametrize(("hidden", "features"), [(False, ["dedup"]), (True, ["dedup", "hidden-type"])])
def test_dedup_is_sealed_with_the_event(*, hidden: bool, features: list[str]) -> None:
    factory = _factory(hide_event_type=hidden)
    dedup = dedup_of("order-4711", given=b"what the caller gave", caller="gateway")
    draft = factory.draft("transfer", {"amount": 7}, "ada", {"entity": "order"}, dedup)
    plain = factory.draft("transfer", {"amount": 7}, "ada", {"entity": "order"})

    body = _decoded(draft)
    assert (body["schema_version"], body["features"]) == (2, features)
    assert body["dedup"] == {
        "value": "order-4711",
        "digest": "58RBQFRcNrZClfgi8JB7BG1vYmS3klhmVslHdQ0RMAE",
        "caller": "gateway",
    }
    assert b"4711" not in draft.clear_tail + draft.key
    assert "dedup" not in _decoded(plain)
    assert decode_event(b'{"producer":"p","sequence":0' + draft.json_after_sequence).dedup == dedup


@pytest.mark.parametrize("value", ["", " ", "x" * 257, "a\nb", 7, None])
def test_unfit_dedup_is_refused(value: Any) -> None:
    with pytest.raises(EventError, match="dedup"):
        dedup_of(value, given=b"")


@given(st.text())
def test_any_text_is_kept_or_refused(text: str) -> None:
    try:
        body = _body({"text": text}, event_type=text or "t")
    except EventError:
        return
    assert body["payload"]["text"] == text


def test_threads_in_different_seconds() -> None:
    seconds = threading.local()
    factory = _factory(wall_clock=lambda: seconds.now * 1_000_000_000)
    wrong: list[bytes] = []

    def time_noted() -> bytes:
        return factory.draft("t", {}, "u", {}).id_and_time_json.rpartition(b",")[2]

    def draw(second: int) -> None:
        seconds.now = second
        expected = time_noted()
        wrong.extend(found for _ in range(20_000) if (found := time_noted()) != expected)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=draw, args=(second,)) for second in (1, 3_601)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)

    assert wrong == []
