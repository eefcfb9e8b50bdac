from __future__ import annotations

from typing import Any

import pytest

from telemetry.audit.accept.draft.fields import NAMED
from telemetry.gateway.otlp.log_record import LogRecord
from telemetry.gateway.otlp.mapping import TEXTS, event_name, mapped
from telemetry.gateway.otlp.protobuf_logs import protobuf_records
from tests.support.otlp_requests import TIME, record, request


def read(sent: Any) -> LogRecord:
    (found,) = protobuf_records(request(sent).SerializeToString(), max_records=1, max_depth=16)
    assert isinstance(found, LogRecord)
    return found


def test_conventions_become_arguments() -> None:
    attributes = {
        "enduser.id": "ada",
        "session.id": "s-1",
        "client.address": "192.0.2.7",
        "user_agent.original": "curl/8",
        "audit.entity": "order",
        "audit.entity_id": 7,
        "audit.outcome": "denied",
        "audit.changes": {"limit": {"old": 1, "new": 2}},
        "audit.targets": [["order", "7"], ["order", "8"]],
        "audit.sensitive": True,
        "order.total": 12.5,
    }

    found = mapped(read(record("order.refunded", attributes, {"amount": 5})), "order.refunded")

    assert (found.event_type, found.user_id) == ("order.refunded", "ada")
    assert found.payload == {"amount": 5, "order.total": 12.5}
    assert found.fields == {
        "session_id": "s-1",
        "ip_address": "192.0.2.7",
        "user_agent": "curl/8",
        "entity": "order",
        "entity_id": 7,
        "outcome": "denied",
        "changes": {"limit": {"old": 1, "new": 2}},
        "targets": [["order", "7"], ["order", "8"]],
        "sensitive": True,
        "source": "shop.login",
        "occurred_at": "2026-01-01T00:00:00.123456789Z",
        "metadata": {
            "otel": {"scope": {"name": "shop.login", "version": "1.2"}, "resource": {"service.name": "shop"}},
        },
    }


def test_what_does_not_fit_an_argument_stays_payload() -> None:
    attributes = {
        "user.id": ["ada"],
        "audit.outcome": "OK",
        "audit.actor_type": "robot",
        "audit.changes": {"limit": 2},
        "audit.targets": [["order"]],
        "audit.sensitive": "yes",
        "session.id": "",
        "client.address": 1.5,
    }

    found = mapped(read(record(attributes=attributes)), "user.login")

    assert found.user_id is None
    assert found.payload == attributes
    assert found.fields.keys() == {"source", "occurred_at", "metadata"}


def test_first_name_of_the_user_counts() -> None:
    found = mapped(read(record(attributes={"user.name": "Ada", "user.id": 7, "enduser.id": ""})), "user.login")

    assert found.user_id == 7
    assert found.payload == {"user.name": "Ada", "enduser.id": ""}


def test_service_name_of_the_sender_decides_nothing() -> None:
    found = mapped(read(record(attributes={"service.name": "bank", "audit.service_name": "bank"})), "user.login")

    assert found.fields.keys() == {"source", "occurred_at", "metadata"}
    assert found.payload == {"service.name": "bank", "audit.service_name": "bank"}


def test_attributes_do_not_replace_members_of_the_body() -> None:
    found = mapped(read(record(attributes={"amount": 6, "x": 1}, body={"amount": 5})), "user.login")

    assert found.payload == {"amount": 5, "x": 1}
    assert found.fields["metadata"]["otel"]["attributes"] == {"amount": 6}


def test_text_as_body() -> None:
    assert mapped(read(record(body="Ada logged in")), "user.login").payload == {"body": "Ada logged in"}
    assert mapped(read(record(body=False)), "user.login").payload == {"body": False}


@pytest.mark.parametrize(
    ("time", "observed", "found"),
    [
        (0, TIME, "2026-01-01T00:00:00.123456789Z"),
        (0, 0, None),
        (5, 0, "1970-01-01T00:00:00.000000005Z"),
        ((1 << 64) - 1, 0, "2554-07-21T23:34:33.709551615Z"),
    ],
)
def test_time(time: int, observed: int, found: str | None) -> None:
    sent = record(time_unix_nano=time, observed_time_unix_nano=observed)

    assert mapped(read(sent), "user.login").fields.get("occurred_at") == found


def test_severity_and_losses_become_metadata() -> None:
    sent = record(severity_number=17, severity_text="ERR", dropped_attributes_count=2, observed_time_unix_nano=TIME)

    found = mapped(read(sent), "user.login").fields["metadata"]["otel"]

    assert found | {"scope": 0, "resource": 0} == {
        "severity_number": 17,
        "severity_text": "ERR",
        "dropped_attributes": 2,
        "observed_at": "2026-01-01T00:00:00.123456789Z",
        "scope": 0,
        "resource": 0,
    }


@pytest.mark.parametrize(
    ("field", "attributes", "found"),
    [
        ("user.login", {"event.name": "other"}, "user.login"),
        ("", {"event.name": "user.login", "kind": "x"}, "user.login"),
        ("", {"kind": "user.login"}, "user.login"),
        ("", {"event.name": 7, "kind": ["x"]}, ""),
        ("", {}, ""),
    ],
)
def test_name_of_the_event(field: str, attributes: dict[str, Any], found: str) -> None:
    assert event_name(read(record(field, attributes)), further=("kind",)) == found


def test_name_is_not_repeated_in_the_payload() -> None:
    assert mapped(read(record("", {"event.name": "user.login"})), "user.login").payload == {}


def test_arguments_exist() -> None:
    assert set(TEXTS) - {"user_id"} < NAMED
