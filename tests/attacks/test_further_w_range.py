"""W writes junk, and an auditor reads a part of the trail: what lies before that part is not lost."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from telemetry.format.value.message import parse
from telemetry.reader import OpenedEvent, Place, RawRecord
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.open.trail_reader import TrailReader
from telemetry.reader.trust import parse_trust_file
from tests.attacks.forge import TOPIC, Writer
from tests.attacks.site import Site
from tests.support.written_trail import Signer

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


@pytest.mark.parametrize("milliseconds", [253_402_300_800_000, 1 << 48, (1 << 63) - 1])
def test_date_of_a_record_ends_no_command(site: Site, milliseconds: int) -> None:
    """Where the producer dates a record, it may give any number; the year 10000 is in no calendar."""
    payments = site.writer()
    first, *others = payments.run(3)
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap_servers})
    producer.produce(TOPIC, first.value, first.key, partition=0, timestamp=milliseconds)
    assert producer.flush(60) == 0
    site.put(others)
    event_id = str(parse(first.value or b"").attributes["id"])

    codes = [
        site.run(*command, "--public-key", site.keys.public_key).code
        for command in (("tail",), ("export",), ("verify",), ("lineage", event_id))
    ]

    assert codes == [0, 0, 0, 0]


def test_trail_in_the_clear_for_ever_ends_no_command() -> None:
    """W writes one event in the clear, where the trust file admits these until the last day of the calendar."""
    trust = parse_trust_file(
        f'version = 1\n[[key]]\npublic = "{Signer().public_key}"\nroles = ["service"]\nsources = ["/*/*"]\n'
        '[[source]]\nname = "/*/*"\nclear_until = 9999-12-31T23:59:59Z\n'.encode()
    )
    event = Writer(is_sealed=False).event()._replace(place=Place(TOPIC, 0, 0), append_time=time.time())

    shown = list(TrailReader([event], provider=None, rules=ReadingRules(policy=trust, needs_seals=True)))

    assert [entry.is_foreign for entry in shown if isinstance(entry, OpenedEvent)] == [False]
