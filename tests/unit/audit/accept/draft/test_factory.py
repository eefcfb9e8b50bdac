from __future__ import annotations

import dataclasses
import enum
import json
import re
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel, model_serializer

from telemetry.audit.accept.draft.adjusted import adjusted_text
from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.format.value.event import decode_event
from telemetry.format.value.members import Change, Target

CANARY = "canary-31c8"


class Colour(enum.Enum):
    RED = "red"


class Name(enum.Enum):
    ADA = "ada"


class Number(enum.IntEnum):
    SEVEN = 7


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


@dataclasses.dataclass
class Stay:
    nights: list[datetime]


@pytest.mark.parametrize(
    "shape",
    [
        lambda moment: moment,
        lambda moment: {"a": [1, moment], "b": "x"},
        lambda moment: {"a": Stay([moment])},
        lambda moment: (moment, {"a": None}),
    ],
)
def test_time_without_a_zone_is_written_with_one(shape: Any) -> None:
    moment = datetime(2026, 7, 31, 12, 30)  # noqa: DTZ001 - that is the point

    written = json.dumps(_body(shape(moment))["payload"])
    expected = json.dumps(_body(shape(moment.astimezone()))["payload"])

    assert written == expected
    assert re.search(r"2026-07-31T12:30:00(Z|[+-]\d\d:\d\d)", written)
    assert _body({}, ticket=shape(moment))["metadata"]["ticket"] == json.loads(expected)


@pytest.mark.parametrize("bad", ["", "   ", "a\nb", "a\x00", "\x1b[31m", "x" * 2_000, "\ud800", None, 7, b"t"])
def test_unfit_event_types_are_refused(bad: Any) -> None:
    with pytest.raises(EventError, match="event_type"):
        _body({}, event_type=bad)


@pytest.mark.parametrize("odd", ["", "   ", "a\nb", "a\x00", "\x1b[31m", "x" * 2_000, "\ud800", "u~" + "h" * 22])
def test_odd_users_are_adjusted_and_marked(odd: str) -> None:
    body, key = _body({}, user_id=odd), _factory().draft("t", {}, odd, {}).key

    assert body["user_id"] == adjusted_text(odd, 1_024)
    assert (body["schema_version"], body["features"], body["adjusted"]) == (2, ["adjusted"], ["user_id"])
    assert key == f"{body['user_id']}:shop".encode()


@pytest.mark.parametrize(
    ("user", "text"), [(7, "7"), (uuid.UUID(int=7), str(uuid.UUID(int=7))), (Name.ADA, "ada"), (Number.SEVEN, "7")]
)
def test_users_may_be_numbers_and_uuids(user: Any, text: str) -> None:
    body = _body({}, user_id=user)

    assert (body["user_id"], body["schema_version"]) == (text, 1)


@pytest.mark.parametrize("user", [1.5, True, b"ada", object(), ["ada"]])
def test_users_of_other_types_are_refused(user: Any) -> None:
    with pytest.raises(EventError, match="user_id must be a text"):
        _body({}, user_id=user)


def test_no_user_is_anonymous() -> None:
    assert (_body({}, user_id=None)["user_id"], _body({}, user_id=None)["actor_type"]) == ("anonymous", "anonymous")
    assert _body({}, user_id=None, actor_type="system")["actor_type"] == "system"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("outcome", "maybe"), ("sensitive", "yes"), ("ip_address", object()), ("actor_type", "robot")),
        *(("occurred_at", datetime(2026, 1, 1)), ("occurred_at", []), ("targets", "order"), ("targets", [7])),  # noqa: DTZ001
        *(("targets", [{"id": 7}]), ("changes", [1]), ("changes", {"a": 1}), ("changes", {7: (1, 2)})),
        *(("changes", {"a": {"old": 1, "now": 2}}), ("changes", {"a": {}}), ("idempotency_key", 1.5)),
    ],
)
def test_wrong_arguments_are_refused(field: str, value: Any) -> None:
    with pytest.raises(EventError, match=field):
        _body({}, **{field: value})


@pytest.mark.parametrize("value", ["", "a\x07", "x" * 5_000, "\ud800", " "])
@pytest.mark.parametrize(
    "field",
    [
        *("session_id", "actor_id", "entity", "entity_id", "action", "source", "ip_address", "user_agent"),
        *("correlation_id", "tenant_id", "reason"),
    ],
)
def test_odd_context_is_adjusted_and_marked(field: str, value: str) -> None:
    body = _body({}, **{field: value, "outcome": "success"})

    assert body[field] == adjusted_text(value, 4_096 if len(value) < 5_000 else 256)
    assert body["adjusted"] == [field]
    assert "adjusted" in body["features"]


def test_members_of_version_2_name_their_features() -> None:
    body = _body(
        {},
        occurred_at=datetime(2021, 6, 30, 12, tzinfo=UTC),
        actor_type="service",
        tenant_id=uuid.UUID(int=7),
        targets=[("order", 7), {"entity": "ledger"}, Target("account", "eve\n")],
        reason="ticket 4711",
        changes={"limit": (1, None), "owner": {"new": "eve"}, "at": Change(old=date(2026, 1, 1))},
    )

    assert body["features"] == ["actor-type", "adjusted", "changes", "occurred-at", "reason", "targets", "tenant-id"]
    assert body["occurred_at"] == "2021-06-30T12:00:00Z"
    assert body["tenant_id"] == str(uuid.UUID(int=7))
    assert body["targets"] == [
        {"entity": "order", "entity_id": "7"},
        {"entity": "ledger"},
        {"entity": "account", "entity_id": adjusted_text("eve\n", 4_096)},
    ]
    assert body["changes"] == {"limit": {"old": 1, "new": None}, "owner": {"new": "eve"}, "at": {"old": "2026-01-01"}}
    assert body["adjusted"] == ["targets"]


@pytest.mark.parametrize("moment", ["yesterday", "2026-02-30T00:00:00Z", float("nan"), 10**30])
def test_time_that_is_none_goes_to_metadata(moment: Any) -> None:
    body = _body({}, occurred_at=moment)

    assert "occurred_at" not in body
    assert body["adjusted"] == ["occurred_at"]
    assert body["metadata"] == {"occurred_at": str(moment)}


def test_large_context_does_not_refuse_an_event() -> None:
    names = ("user_agent", "session_id", "correlation_id", "reason", "source", "action")
    body = _decoded(_factory(max_event_bytes=4_096).draft("t", {}, "u", dict.fromkeys(names, "x" * 4_000)))

    assert body["adjusted"] == sorted(names)
    assert {len(body[name]) for name in names} == {256}


def test_large_event_is_cut_where_it_may_be() -> None:
    payload = {"much": CANARY * 1_000}
    fields = {
        "changes": {"a": (CANARY * 1_000, 1)},
        "ticket": CANARY * 1_000,
        "targets": [("order", n) for n in range(900)],
    }
    body = _decoded(_factory().draft("t", payload, "u", fields, unfit="repr"))

    assert body["payload"]["bytes"] == len(json.dumps(payload, separators=(",", ":")))
    assert body["payload"]["cut"].startswith('{"much":"' + CANARY)
    assert body["metadata"]["cut"].startswith('{"ticket":"' + CANARY)
    assert body["changes"]["*"]["new"]["cut"].startswith('{"a":{"old":"' + CANARY)
    assert body["adjusted"] == ["changes", "metadata", "payload", "targets"]


def test_unfit_values_become_texts_where_they_may() -> None:
    fields = {"ticket": object(), "changes": {"a": (float("nan"), 1)}, "session_id": [1]}
    body = _decoded(_factory().draft("t", {"a": float("inf"), "b": 1}, "u", fields, unfit="repr"))

    assert body["payload"] == {"a": "inf", "b": 1}
    assert body["metadata"]["ticket"].startswith("<object object")
    assert body["changes"] == {"a": {"old": "nan", "new": 1}}
    assert body["session_id"] == "[1]"
    assert body["adjusted"] == ["changes", "metadata", "payload", "session_id"]


class Raising(BaseModel):
    @model_serializer
    def write(self) -> Any:
        raise KeyError(CANARY)


def test_failing_code_of_a_value_is_an_unfit_value() -> None:
    with pytest.raises(EventError, match=r"payload\.#1 is of type Raising") as caught:
        _body({"a": Raising()})

    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert "payload" in _decoded(_factory().draft("t", {"a": Raising()}, "u", {}, unfit="repr"))["adjusted"]


class RaisingMapping(Mapping[str, Any]):
    def __getitem__(self, name: str) -> Any:
        raise KeyError(CANARY)

    def __iter__(self) -> Iterator[str]:
        return iter(("a",))

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("fields", [{"payload": [RaisingMapping()]}, {"note": RaisingMapping()}])
def test_failing_mapping_is_an_unfit_value(fields: dict[str, Any]) -> None:
    with pytest.raises(EventError, match="own code") as caught:
        _body(**fields)

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_signaling_nan_is_refused_by_place() -> None:
    with pytest.raises(EventError, match=r"payload\[1\] is NaN"):
        _body([1, Decimal("sNaN")])


def test_numbers_too_long_to_write_are_unfit() -> None:
    long = 10**5_000

    for fields in ({"user_id": long}, {"entity_id": long}, {"idempotency_key": long}):
        with pytest.raises(EventError, match="not of type int"):
            _body(**fields)
    body = _decoded(_factory(max_event_bytes=65_536).draft("t", {}, "u", {"occurred_at": long}))
    assert body["metadata"]["occurred_at"] == hex(long)


def test_near_miss_of_a_field_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    # Once in the life of a process: another test of this process may have been told already.
    monkeypatch.setattr("telemetry.audit.accept.draft.fields._seen_names", set())
    monkeypatch.setattr("telemetry.audit.accept.draft.fields._warned_names", set())

    for _ in range(3):
        assert _body({}, outcme="denied", corelation_id="c", ticket=7)["metadata"] == {
            "outcme": "denied",
            "corelation_id": "c",
            "ticket": 7,
        }

    assert sorted(line.split("'")[1] for line in caplog.messages) == ["correlation_id", "outcome"]


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
    factory = _factory(features=("hidden-type",), clear_fields=("session_id",))
    draft = factory.draft(CANARY, {}, "ada", fields)
    again = factory.draft(CANARY, {}, "ada", fields)

    body = _decoded(draft)
    assert (body["schema_version"], body["features"], body["event_type"]) == (2, ["hidden-type"], CANARY)
    assert list(body)[2:4] == ["schema_version", "features"]
    assert draft.clear_tail == again.clear_tail
    assert draft.clear_tail.startswith(b',"type":"telemetry.event",')
    assert CANARY.encode() not in draft.clear_tail


@pytest.mark.parametrize(("hidden", "features"), [(False, ["dedup"]), (True, ["dedup", "hidden-type"])])
def test_idempotency_key_is_sealed_with_the_event(*, hidden: bool, features: list[str]) -> None:
    factory = _factory(features=("hidden-type",) if hidden else ())
    fields = {"entity": "order", "idempotency_key": "order-4711"}
    draft = factory.draft("transfer", {"amount": 7}, "ada", fields, caller="gateway")
    plain = factory.draft("transfer", {"amount": 7}, "ada", {"entity": "order"})

    body = _decoded(draft)
    assert (body["schema_version"], body["features"]) == (2, features)
    assert (body["dedup"]["value"], body["dedup"]["caller"]) == ("order-4711", "gateway")
    assert b"4711" not in draft.clear_tail + draft.key
    assert "dedup" not in _decoded(plain)
    assert decode_event(b'{"producer":"p","sequence":0' + draft.json_after_sequence).dedup is not None


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"payload": {"amount": 8}}, False),
        ({"event_type": "payment"}, False),
        ({"user_id": "eve"}, False),
        ({"entity": "invoice"}, False),
        ({"ticket": 7}, False),
        ({"occurred_at": 5}, False),
        ({"payload": {"amount": 7, "more": None}}, False),
    ],
)
def test_digest_covers_everything_that_was_given(changed: dict[str, Any], *, same: bool) -> None:
    given = {"payload": {"amount": 7}, "event_type": "transfer", "user_id": "ada", "idempotency_key": "k"}

    first, second = _body(**given)["dedup"], _body(**{**given, **changed})["dedup"]

    assert (first["digest"] == second["digest"]) is same


@pytest.mark.parametrize("value", ["", " ", "x" * 257, "a\nb"])
def test_odd_idempotency_key_is_adjusted(value: str) -> None:
    body = _body({}, idempotency_key=value)

    assert body["dedup"]["value"] == adjusted_text(value, 256)
    assert body["adjusted"] == ["idempotency_key"]


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
