"""Lines of other makers, logged with a preset and read back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from telemetry.ingest.mapping.preset_file import preset_names
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import Ended, run
from tests.support.maker_lines import maker_fixture
from tests.support.readable_trail import ReadableTrail


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path)


def _log(trail: ReadableTrail, *options: str, stdin: bytes) -> Ended:
    return run("log", "-c", str(trail.file), *options, stdin=stdin)


def test_every_line_of_every_preset_comes_back(trail: ReadableTrail) -> None:
    before = len(trail.tail())
    expected: dict[str, dict[str, Any]] = {}
    for name in preset_names():
        given = maker_fixture(name)["lines"]
        expected |= {json.dumps(each["line"], sort_keys=True): each["is"] for each in given}

        code, out, err = _log(
            trail, "--preset", name, "--json", stdin="\n".join(json.dumps(each["line"]) for each in given).encode()
        )

        assert code == 0, err
        counts = json.loads(out)
        assert (counts["logged"], counts["bad"], counts["mapping"]["unfit"]) == (len(given), 0, {})
    for event in trail.tail()[before:]:
        wanted = expected.pop(json.dumps(event["payload"], sort_keys=True))
        names = [name for name in wanted if name != "idempotency_key" and "." not in name]
        assert {name: event.get(name) for name in names} == {name: wanted[name] for name in names}
    assert not expected


def test_a_makers_lines_logged_again_are_shown_once(trail: ReadableTrail) -> None:
    before = len(trail.tail())
    line = json.dumps({"id": 7, "event_type": "login", "user_id": "ann", "at": 1714557600}).encode()

    for _ in range(2):
        assert _log(trail, "--id-field", "id", "--time-field", "at", stdin=line).code == 0

    (event,) = trail.tail()[before:]
    assert event["occurred_at"] == "2024-05-01T10:00:00Z"


def test_what_was_never_found_is_said(trail: ReadableTrail) -> None:
    line = b'{"event_type": "login", "user_id": "ann", "result": "Perhaps"}'

    code, _, err = _log(trail, "--field", "ip_address=from.0", "--field", "outcome=result", stdin=line)

    assert code == 0
    assert "ip_address was found in 0 of 1 lines" in err
    assert "outcome has a value that no table knows in 1 of 1 lines" in err
    assert "Perhaps" not in err


def test_presets_need_no_configuration() -> None:
    shown = run("log", "--show-preset", "okta", environment={})

    assert shown.code == 0
    assert b"[[ocsf]]" in shown.out
    assert run("log", "--list-presets", environment={}).code == 0
    assert run("log", "--show-preset", "none", environment={}).code == 2


def test_a_delivered_file_becomes_its_events(trail: ReadableTrail) -> None:
    before = len(trail.tail())
    records = [each["line"] for each in maker_fixture("cloudtrail")["lines"]]
    content = gzip.compress(json.dumps({"Records": records}).encode())

    ended = _log(trail, "--preset", "cloudtrail", "--json", stdin=content)

    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["logged"] == len(records)
    read = [event["payload"] for event in trail.tail()[before:]]
    assert sorted(read, key=itemgetter("eventID")) == records
