from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from telemetry.cli.options.ingest import MappingOptions
from telemetry.exceptions import ConfigurationError, EventError
from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.ingest.mapping.preset_file import load_preset, preset_names


def _mapping(**given: Any) -> LineMapping:
    return MappingOptions().build(dict.fromkeys(MappingOptions.options) | given)


def test_whole_line_is_the_payload() -> None:
    line = {"event_type": "login", "user_id": "alice", "n": 1}

    assert _mapping().event(line) == ("login", line, "alice", {})


def test_paths_lead_into_the_line() -> None:
    mapping = _mapping(
        event_type_field="event.type",
        user_id_field="who.arn,who.id",
        payload_field="detail",
        field=["ip_address=net.ip", "session_id=absent.path", "size=s=1"],
    )
    line = {"event": {"type": "login"}, "who": {"id": 7}, "detail": [1], "net": {"ip": "10.0.0.1"}, "s=1": 3}

    assert mapping.event(line) == ("login", [1], "7", {"ip_address": "10.0.0.1", "metadata": {"size": 3}})


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


def test_time_id_constants_and_words_are_taken() -> None:
    mapping = _mapping(
        time_field="at",
        time_zone="+01:00",
        id_field="id",
        set=["source=okta"],
        outcome_map=["denied=Stopped, 404", "failure=Gone"],
        field=["outcome=result"],
    )
    line = {"event_type": "login", "user_id": "alice", "at": "2024-01-01T00:30:00", "id": 5, "result": 404}

    assert mapping.event(line).fields == {
        "occurred_at": "2023-12-31T23:30:00Z",
        "idempotency_key": "5",
        "source": "okta",
        "outcome": "denied",
    }


@pytest.mark.parametrize("option", ["field", "set"])
@pytest.mark.parametrize(
    "pair", ["", "name", "=path", "name=", "no-name=x", "payload=x", "wait_for=x", "metadata=x", "targets=x"]
)
def test_pair_that_is_none_is_refused(option: str, pair: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--{option}"):
        _mapping(**{option: [pair]})


@pytest.mark.parametrize("pair", ["", "denied", "denied=", "denied=,", "maybe=x", "Denied=x"])
def test_words_need_an_outcome(pair: str) -> None:
    with pytest.raises(ConfigurationError, match="--outcome-map"):
        _mapping(outcome_map=[pair])


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("event_type_field", "--event-type-field"),
        ("user_id_field", "--user-id-field"),
        ("payload_field", "--payload-field"),
        ("time_field", "--time-field"),
        ("id_field", "--id-field"),
    ],
)
def test_a_faulty_path_names_its_option(option: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        _mapping(**{option: "a..b"})


def test_options_complete_a_preset() -> None:
    mapping = _mapping(preset="okta", user_id_field="actor.displayName", set=["source=okta"])
    line = {
        "eventType": "user.session.end",
        "actor": {"displayName": "Ann", "type": "User"},
        "outcome": {"result": "DENY"},
    }

    assert mapping.event(line) == (
        "user.session.end",
        line,
        "Ann",
        {"actor_type": "user", "outcome": "denied", "source": "okta"},
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[set]\nfoo = nan", "set: foo is no JSON value"),
        ("[set]\nfoo = [1, {at = 2020-01-01}]", "set: foo is no JSON value"),
        ("[set]\noutcome = 'perhaps'", "set: outcome cannot be set"),
        ("[fields]\nevent_type = []", "event_type: names no path"),
        ("[metadata]\nregion = []", "region: names no path"),
        ("[fields]\nuser_id = ''", "user_id: a path has"),
        ("[[outcome]]\nvalue = 'maybe'\npath = 'x'", "outcome: value is none of"),
        ("[[variant]]\ntype = 'x'\nfields = {entity = []}", "names no path"),
    ],
)
def test_fault_of_a_preset_names_file_and_place(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)

    with pytest.raises(ConfigurationError) as raised:
        _mapping(preset=str(path))

    assert f"--preset: {str(path)!r}: " in str(raised.value)
    assert words in str(raised.value)


def test_fault_of_a_constant_names_its_option() -> None:
    with pytest.raises(ConfigurationError, match=r"^--set: outcome cannot"):
        _mapping(preset="okta", set=["outcome=perhaps"])


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _mapping(list_presets=True)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == preset_names()
    assert any(line.startswith("okta ") and line.endswith("Okta System Log") for line in lines)


def test_a_shown_preset_can_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        _mapping(show_preset="okta")
    path = tmp_path / "mine.toml"
    path.write_text(capsys.readouterr().out)

    assert load_preset(str(path)) == load_preset("okta")
