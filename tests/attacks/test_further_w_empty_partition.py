"""W writes the first record of an empty partition, under a date of the future, and B exchanges a signed event for junk."""

from __future__ import annotations

from telemetry.reader import DamagedRecord, Place, RawRecord, SealedEntry
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.open.trail_reader import TrailReader
from telemetry.reader.trust import TrustPolicy
from tests.support.written_trail import START, TOPIC, Process, Signer

FUTURE = 4_000_000_000.0


def read(records: list[RawRecord]) -> tuple[int, int]:
    """Return how many events were shown, and how many records were named as damaged."""
    rules = ReadingRules(policy=TrustPolicy.of_keys([Signer().public]))
    entries = list(TrailReader(records, provider=None, rules=rules))
    return (
        sum(isinstance(entry, SealedEntry) for entry in entries),
        sum(isinstance(entry, DamagedRecord) for entry in entries),
    )


def trail(*, first_offset: int) -> list[RawRecord]:
    """Return a life of which one event is junk, and a record in another partition that begins at an offset."""
    life = Process(leaves=True).run(4)
    life[1] = RawRecord(b"key", b"hello", Place(TOPIC))
    placed = [
        record._replace(place=Place(TOPIC, 0, offset), timestamp=START.timestamp())
        for offset, record in enumerate(life)
    ]
    return [*placed, RawRecord(b"key", b"hello", Place(TOPIC, 1, first_offset), timestamp=FUTURE)]


def test_date_of_the_future_hides_no_absent_event() -> None:
    assert read(trail(first_offset=0)) == (3, 2)


def test_partition_that_does_not_begin_with_its_first_record_may_lack_some() -> None:
    """Nobody attacks: what retention has removed is no sign that junk is what is left of it."""
    assert read(trail(first_offset=9)) == (3, 0)
