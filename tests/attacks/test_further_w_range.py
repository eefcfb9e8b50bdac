"""W writes junk, and an auditor reads a part of the trail: what lies before that part is not lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.reader import Place, RawRecord
from tests.attacks.forge import TOPIC
from tests.attacks.site import Site

JUNK = RawRecord(None, b"hello", Place(TOPIC))


@pytest.mark.parametrize("command", ["tail", "export"])
def test_junk_is_foreign_in_a_part_of_the_trail(site: Site, command: str) -> None:
    payments = site.writer()
    site.put([*payments.run(6, every=6), JUNK])
    options = ["--offset", "3", *(["--json"] if command == "tail" else [])]

    ended = site.run(command, "--public-key", site.keys.public_key, *options)

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["proven"] for each in shown] == ["yes"] * 3
    assert ended.code == 0, ended.err


def test_junk_is_foreign_among_selected_events(site: Site) -> None:
    """A filter leaves events out that were read all the same, so none of the signed ones is absent."""
    payments = site.writer()
    site.put([*payments.run(6, users=3), JUNK])

    ended = site.run("tail", "--json", "--public-key", site.keys.public_key, "--user", "user-1")

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [(each["user_id"], each["proven"]) for each in shown] == [("user-1", "yes")] * 2
    assert ended.code == 0, ended.err


def test_junk_in_the_place_of_a_signed_event_is_damage(site: Site) -> None:
    # Signed long after the part that is read begins: nothing of it can have been left out.
    payments = site.writer(clock=datetime.now(UTC) + timedelta(hours=2))
    records = payments.run(6, every=6)
    site.put([*records[:4], JUNK, *records[5:]])

    ended = site.run("tail", "--json", "--public-key", site.keys.public_key)

    assert len(ended.out.splitlines()) == 5
    assert ended.code == 3
