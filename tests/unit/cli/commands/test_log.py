from __future__ import annotations

from typing import Any

import pytest

from telemetry.cli.commands.write.log import LineMapping, _fields
from telemetry.exceptions import ConfigurationError, EventError


def _mapping(**changes: Any) -> LineMapping:
    values: dict[str, Any] = {
        "event_type_field": "event_type",
        "user_id_field": "user_id",
        "payload_field": "",
        "event_type": None,
        "user_id": None,
    }
    return LineMapping(**(values | changes))


def test_whole_line_is_the_payload() -> None:
    line = {"event_type": "login", "user_id": "alice", "n": 1}

    assert _mapping().event(line) == ("login", line, "alice", {})


def test_paths_lead_into_the_line() -> None:
    mapping = _mapping(
        event_type_field="event.type",
        user_id_field="who.arn,who.id",
        payload_field="detail",
        fields={"ip_address": "net.ip", "session_id": "absent.path"},
    )
    line = {"event": {"type": "login"}, "who": {"id": 7}, "detail": [1], "net": {"ip": "10.0.0.1"}}

    assert mapping.event(line) == ("login", [1], "7", {"ip_address": "10.0.0.1"})


def test_dotted_field_wins_over_nested_ones() -> None:
    mapping = _mapping(event_type_field="event.type", user_id="nobody")

    assert mapping.event({"event.type": "flat", "event": {"type": "nested"}})[0] == "flat"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "is not a JSON object"),
        ({"user_id": "alice"}, "--event-type"),
        ({"event_type": "login"}, "--user-id"),
        ({"event_type": "login", "user_id": True}, "--user-id"),
    ],
)
def test_unusable_line_says_what_to_do(line: Any, message: str) -> None:
    with pytest.raises(EventError, match=message):
        _mapping().event(line)


def test_defaults_fill_what_a_line_lacks() -> None:
    assert _mapping(event_type="line", user_id="unknown").event({"n": 1}) == ("line", {"n": 1}, "unknown", {})


def test_pairs_name_further_fields() -> None:
    assert _fields(["ip_address=net.ip", "session_id=s=1"]) == {"ip_address": "net.ip", "session_id": "s=1"}


@pytest.mark.parametrize("pair", ["", "name", "=path", "name=", "no-name=x", "payload=x", "wait_for=x"])
def test_pair_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(ConfigurationError, match="--field"):
        _fields([pair])
