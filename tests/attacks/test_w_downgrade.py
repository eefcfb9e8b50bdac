from __future__ import annotations

import csv
import json

import pytest

from telemetry.reader import OpenedEvent
from telemetry.trail import open_trail
from tests.attacks.forge import Writer
from tests.attacks.site import Site

FORMS = [
    pytest.param(("export", "--schema", "event"), id="event"),
    pytest.param(("export", "--schema", "ocsf"), id="ocsf"),
    pytest.param(("export", "--schema", "cadf"), id="cadf"),
    pytest.param(("export", "--schema", "cloudevents"), id="cloudevents"),
    pytest.param(("export", "--format", "csv"), id="csv"),
    pytest.param(("tail", "--json"), id="tail-json"),
]


@pytest.fixture
def attacked(site: Site) -> Site:
    """One genuine event, and one in the clear that W wrote in its service's name."""
    payments, forged = site.writer(), Writer(66, is_sealed=False)
    site.put([payments.event("user_login"), payments.checkpoint(final=True), forged.event("wire_transfer", user="ceo")])
    return site


@pytest.mark.parametrize("command", [*FORMS, pytest.param(("tail",), id="tail")])
def test_clear_event_is_left_out_and_counted(attacked: Site, command: tuple[str, ...]) -> None:
    ended = attacked.run(*command)

    assert ended.code == 0
    assert b"user_login" in ended.out
    assert b"wire_transfer" not in ended.out
    assert any("1" in line and "foreign" in line for line in ended.err.splitlines())


@pytest.mark.parametrize("command", ["export", "tail"])
def test_clear_event_ends_a_strict_read_with_3(attacked: Site, command: str) -> None:
    ended = attacked.run(command, "--strict")

    assert ended.code == 3
    assert b"wire_transfer" not in ended.out


@pytest.mark.parametrize("command", FORMS)
def test_clear_event_is_marked_where_it_is_shown(attacked: Site, command: tuple[str, ...]) -> None:
    ended = attacked.run(*command, "--foreign")

    assert ended.code == 0
    text = ended.out.decode()
    if "csv" in command:
        rows = {row["event_type"]: row for row in csv.DictReader(text.splitlines())}
        assert rows["wire_transfer"]["sealed"] != rows["user_login"]["sealed"]
        assert rows["wire_transfer"]["proven"] in ("no", "not judged")
        return
    forged = next(line for line in text.splitlines() if "wire_transfer" in line)
    genuine = next(line for line in text.splitlines() if "user_login" in line)
    assert all(name in forged and name in genuine for name in ("sealed", "proven"))
    if "event" in command or "tail" in command:
        assert json.loads(genuine)["sealed"] in (True, "yes")
        assert json.loads(forged)["sealed"] in (False, "no")
        assert json.loads(forged)["proven"] in ("no", "not judged")


def test_clear_event_is_not_in_a_trail_by_default(attacked: Site) -> None:
    with open_trail(attacked.config()) as trail:
        events = [entry for entry in trail if isinstance(entry, OpenedEvent)]

    assert [entry.event.event_type for entry in events] == ["user_login"]
    assert all(entry.sealed for entry in events)
