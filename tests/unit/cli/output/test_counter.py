from __future__ import annotations

import pytest

from telemetry.cli.output.counter import MAX_REPORTED, EntryCounter
from telemetry.exceptions import (
    KeyMismatchError,
    KeyUnreachableError,
    MalformedRecordError,
    NewerReaderNeededError,
    TelemetryError,
)
from telemetry.reader import DamagedRecord, OpenedEvent, Place, RawRecord
from telemetry.reader.entry import EndedRun, RedactedEvent
from telemetry.reader.open.rules import ReadCounts
from tests.support.some_events import PRODUCER, make_event, opened

PLACE = Place("audit-events", 2, 41)


def _damaged(error: TelemetryError) -> DamagedRecord:
    return DamagedRecord(PLACE, error, RawRecord(None, None, PLACE))


def test_events_are_returned_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    counter = EntryCounter()
    clear = OpenedEvent(make_event(), PLACE, sealed=False, raw=RawRecord(None, None, PLACE))
    sealed = opened()

    assert [counter.event(entry) for entry in (sealed, clear)] == [sealed, clear]

    assert (counter.events, counter.clear, counter.exit_code, counter.complaint()) == (2, 1, 0, "")
    counter.warn()
    assert "1 events were not sealed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "exit_code", "complaint"),
    [
        (KeyUnreachableError("the key service is away"), 5, "1 events could not be opened"),
        (KeyMismatchError("the key is another one"), 3, "1 records are damaged"),
        (MalformedRecordError("is cut off"), 3, "1 records are damaged"),
        (NewerReaderNeededError("it uses compressed"), 3, "1 events need a newer reader"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_absent_key_is_not_damage(error: TelemetryError, exit_code: int, complaint: str) -> None:
    counter = EntryCounter()

    assert counter.event(_damaged(error)) is None

    assert counter.exit_code == exit_code
    assert counter.complaint().startswith(complaint)


def test_damage_outranks_an_absent_key() -> None:
    counter = EntryCounter()
    for error in (KeyUnreachableError("away"), MalformedRecordError("is cut off")):
        counter.event(_damaged(error))

    assert counter.exit_code == 3
    assert counter.complaint().count(";") == 1


def test_withdrawn_event_counts_as_damaged() -> None:
    counter, event = EntryCounter(), opened()
    counter.event(event)

    counter.withdraw(event, MalformedRecordError("does not fit the schema"))

    assert (counter.events, counter.damaged) == (0, 1)


def test_only_the_first_records_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    counter = EntryCounter()
    for _ in range(MAX_REPORTED + 5):
        counter.event(_damaged(MalformedRecordError("is cut off")))

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MAX_REPORTED + 1
    assert lines[-1] == "further ones are only counted"
    assert counter.damaged == MAX_REPORTED + 5


def test_what_was_removed_is_counted_and_is_no_damage() -> None:
    counter = EntryCounter()
    counter.event(
        RedactedEvent(source="/a/b", producer=PRODUCER, sequence=1, leaf=bytes(32), place=PLACE, reason="", request="r")
    )
    counter.event(EndedRun(source="/a/b", producer=PRODUCER, first=2, end=9, leaves=None, place=PLACE, policy="7y"))

    found = counter.found(ReadCounts())
    assert (found["redacted"], found["ended by policy"], counter.exit_code) == (1, 7, 0)
