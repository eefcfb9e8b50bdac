"""A session confirms what was acknowledged, passes over what cannot be forwarded, and nothing while a key is away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import (
    ConflictError,
    EncryptionError,
    KeyDisabledError,
    KeyMismatchError,
    KeyUnreachableError,
    MalformedRecordError,
    TelemetryError,
)
from telemetry.forward import session
from telemetry.forward.counts import ForwardCounts, ForwardTally
from telemetry.forward.courier import Courier
from telemetry.forward.dead_letters import DeadLetters, letters_in
from telemetry.forward.lanes import BatchLimits
from telemetry.forward.rendering import OpenedRendering
from telemetry.forward.session import Forwarding, Session
from telemetry.reader import CheckpointEntry, DamagedRecord, Entry, OpenedEvent
from telemetry.reader.mappings import EVENT
from tests.support.parcels import entry, event_id
from tests.unit.forward.test_courier import Prober, Target


class Trail:
    """Entries, and what was confirmed of them."""

    filtered = 3

    def __init__(self, entries: Sequence[Entry], *, recorded: Exception | None = None) -> None:
        self._entries = entries
        self._recorded = recorded
        self.confirmed: list[int] = []
        self.records = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def confirm(self, entry: Entry) -> None:
        self.confirmed.append(entry.place.offset)

    def record_read(self) -> None:
        self.records += 1
        if self._recorded is not None:
            raise self._recorded

    def stop(self) -> None:
        pass


class Guard:
    is_ending = False
    lag = 7
    lost = 0

    def pause(self, seconds: float) -> bool:  # noqa: ARG002
        return True


def damaged(number: int, error: TelemetryError) -> DamagedRecord:
    opened = entry(number)
    return DamagedRecord(opened.place, error, opened.raw)


class Run:
    """A session that ran over some entries."""

    def __init__(self, folder: Path, entries: Sequence[Entry], **trail: Any) -> None:
        self.target = Target()
        self.tally = ForwardTally()
        self.trail = Trail(entries, **trail)
        self.letters = folder / "letters"
        letters = DeadLetters(self.letters, target="http")
        courier = Courier(self.target, letters=letters, prober=Prober(), tally=self.tally)
        self.forwarding = Forwarding(
            self.target,
            rendering=OpenedRendering(EVENT),
            courier=courier,
            letters=letters,
            limits=BatchLimits(events=3),
            tally=self.tally,
        )

    def run(self) -> ForwardCounts:
        Session(self.forwarding, self.trail, Guard()).run()
        return self.tally.snapshot()


def test_everything_is_confirmed_after_it_was_accepted(tmp_path: Path) -> None:
    note = entry(3)
    checkpoint = CheckpointEntry("producer", "note", note.place, note.raw)
    run = Run(tmp_path, [*(entry(number) for number in range(3)), checkpoint, *map(entry, range(4, 8))])
    counts = run.run()

    assert run.target.accepted == [event_id(number) for number in (0, 1, 2, 4, 5, 6, 7)]
    assert sorted(run.trail.confirmed) == list(range(8))
    assert (counts.forwarded, counts.filtered, counts.lag, counts.oldest_age) == (7, 3, 7, 0.0)


def test_outage_of_the_key_service_ends_the_session(tmp_path: Path) -> None:
    run = Run(tmp_path, [entry(0), damaged(1, KeyUnreachableError("away")), entry(2)])
    with pytest.raises(KeyUnreachableError):
        run.run()

    assert run.trail.confirmed == [0]
    assert list(letters_in(run.letters)) == []


def test_unopened_and_damaged_are_passed_over(tmp_path: Path) -> None:
    errors = [KeyDisabledError("destroyed"), KeyMismatchError("forged"), MalformedRecordError("rubbish")]
    run = Run(tmp_path, [entry(0), *(damaged(number, error) for number, error in enumerate(errors, 1)), entry(4)])
    counts = run.run()

    assert sorted(run.trail.confirmed) == [0, 1, 2, 3, 4]
    assert (counts.forwarded, counts.unopened, counts.damaged) == (2, 1, 2)
    (letter,) = letters_in(run.letters)
    assert json.loads(letter.read_text())["refused"]["reason"] == "it was not opened: KeyDisabledError"


def test_conflict_leaves_its_event_unconfirmed(tmp_path: Path) -> None:
    run = Run(tmp_path, [entry(0), damaged(0, ConflictError("two")), entry(1)])
    assert run.run().damaged == 1
    assert run.trail.confirmed == [0, 1]


def test_wrong_key_confirms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = entry(9, event_type="telemetry.read", service_name="telemetry-reader")
    run = Run(tmp_path, [damaged(0, KeyDisabledError("x")), own, damaged(1, KeyMismatchError("y"))])
    counts = run.run()
    assert (run.trail.confirmed, counts.unopened) == ([9], 2)
    assert list(letters_in(run.letters)) == []

    monkeypatch.setattr(session, "MAX_DOUBTFUL", 3)
    many = Run(tmp_path, [damaged(number, KeyMismatchError("y")) for number in range(10)])
    with pytest.raises(EncryptionError, match="another key"):
        many.run()
    assert many.trail.confirmed == []


def test_doubt_ends_with_the_first_event(tmp_path: Path) -> None:
    run = Run(tmp_path, [damaged(0, KeyDisabledError("x")), damaged(1, KeyMismatchError("y")), entry(2)])
    counts = run.run()

    assert sorted(run.trail.confirmed) == [0, 1, 2]
    assert (counts.unopened, counts.damaged) == (1, 1)


def test_read_is_recorded_each_day_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RECORD_SECONDS", 0.0)
    run = Run(tmp_path, list(map(entry, range(7))))
    run.run()
    assert run.trail.records >= 1

    refused = Run(tmp_path, list(map(entry, range(7))), recorded=EncryptionError("not recorded"))
    with pytest.raises(EncryptionError, match="not recorded"):
        refused.run()
    assert (refused.target.sent, refused.trail.confirmed) == ([], [])


def test_event_that_fits_no_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: OpenedRendering, opened: OpenedEvent, _target: object) -> None:
        message = "no time"
        raise ValueError(message)

    run = Run(tmp_path, [entry(0)])
    monkeypatch.setattr(OpenedRendering, "parcel", refuse)
    counts = run.run()

    assert (counts.refused, run.trail.confirmed) == (1, [0])
    assert len(list(letters_in(run.letters))) == 1
