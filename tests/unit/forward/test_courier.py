"""A courier skips what a target refuses for good, and nothing else."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import StorageError, TargetAwayError, TargetRefusedError
from telemetry.forward.counts import ForwardTally, State
from telemetry.forward.courier import Courier
from telemetry.forward.dead_letters import DeadLetters, letters_in
from telemetry.forward.delivery import Batch, BatchRefusedError, Parcel, PartlyRefusedError, Patience
from telemetry.reader import Entry, RawRecord
from tests.support.parcels import Patient, batch, entry, event_id


class Target:
    """A target in memory; ``answer`` sees each batch before it is accepted, and may raise."""

    name = "http"
    window = 4

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.accepted: list[str] = []
        self.answer: Callable[[list[str]], None] = lambda _ids: None
        self.settling: Iterator[Exception] = iter(())

    def parcel(self, entry: Entry, raw: RawRecord, described: Any, document: Any) -> Parcel:
        return Parcel(described.id, entry, raw, json.dumps(document).encode())

    def send(self, batch: Batch) -> None:
        ids = [parcel.id for parcel in batch]
        self.sent.append(ids)
        self.answer(ids)
        self.accepted += ids

    def settle(self, patience: Patience) -> None:  # noqa: ARG002
        for error in self.settling:
            raise error

    def close(self) -> None:
        pass


class Prober:
    def probe(self) -> Parcel:
        opened = entry(999)
        return Parcel("probe", opened, opened.raw, b"{}")


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def tally() -> ForwardTally:
    return ForwardTally()


@pytest.fixture
def courier(target: Target, tally: ForwardTally, tmp_path: Path) -> Courier:
    letters = DeadLetters(tmp_path / "letters", target="http")
    return Courier(target, letters=letters, prober=Prober(), tally=tally)


def refusing(*numbers: int, reason: str = "400 Bad Request") -> Callable[[list[str]], None]:
    bad = {event_id(number) for number in numbers}

    def answer(ids: list[str]) -> None:
        if bad.intersection(ids):
            raise BatchRefusedError(reason)

    return answer


def test_bad_events_are_found_and_kept(target: Target, courier: Courier, tally: ForwardTally, tmp_path: Path) -> None:
    target.answer = refusing(3, 12)
    assert courier.deliver([batch(target, range(10)), batch(target, range(10, 16))], Patient())

    assert target.accepted == [event_id(number) for number in range(16) if number not in (3, 12)]
    counts = tally.snapshot()
    assert (counts.forwarded, counts.refused, counts.state) == (14, 2, State.FORWARDING)
    files = list(letters_in(tmp_path / "letters"))
    assert [json.loads(file.read_text())["offset"] for file in files] == [3, 12]
    kept = json.loads(files[0].read_text())
    assert kept["value"] == '{"sealed":"3"}'
    assert kept["refused"]["reason"] == "400 Bad Request"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (files[0], tmp_path / "letters")] == [0o600, 0o700]


def test_target_that_refuses_every_event_is_an_outage(
    target: Target, courier: Courier, tally: ForwardTally, tmp_path: Path
) -> None:
    def answer(_ids: list[str]) -> None:
        raise BatchRefusedError("400")  # noqa: EM101

    target.answer = answer
    assert not courier.deliver([batch(target, range(3))], Patient(3))

    assert target.accepted == []
    assert tally.snapshot().state is State.REFUSED
    assert "a probe without content" in tally.snapshot().last_error
    assert list(letters_in(tmp_path / "letters")) == []


def test_single_bad_event_is_told_apart_by_a_probe(target: Target, courier: Courier, tmp_path: Path) -> None:
    target.answer = refusing(7)
    assert courier.deliver([batch(target, [7])], Patient())

    assert target.accepted == ["probe"]
    assert len(list(letters_in(tmp_path / "letters"))) == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [(TargetAwayError("away"), State.AWAY), (TargetRefusedError("401"), State.REFUSED)],
    ids=["away", "refused"],
)
def test_outage_sends_everything_again_in_order(
    target: Target, courier: Courier, tally: ForwardTally, error: Exception, state: State
) -> None:
    errors = iter([error, error])
    seen: list[State] = []

    def answer(ids: list[str]) -> None:
        if event_id(2) in ids and (failure := next(errors, None)) is not None:
            raise failure

    class Watching(Patient):
        def pause(self, seconds: float) -> bool:
            seen.append(tally.snapshot().state)
            return super().pause(seconds)

    target.answer = answer
    assert courier.deliver([batch(target, range(2)), batch(target, range(2, 4))], Watching())

    assert target.accepted == [event_id(number) for number in (0, 1, 0, 1, 0, 1, 2, 3)]
    assert set(seen) == {state}
    assert (tally.snapshot().retries, tally.snapshot().last_error) == (2, "")


def test_acknowledgement_that_is_missing_sends_again(target: Target, courier: Courier) -> None:
    target.settling = iter([TargetAwayError("no acknowledgement")])
    assert courier.deliver([batch(target, range(2))], Patient())

    assert target.accepted == [event_id(number) for number in (0, 1, 0, 1)]


def test_retry_after_is_respected(target: Target, courier: Courier) -> None:
    errors = iter([TargetAwayError("busy", retry_after=2.0)])

    def answer(_ids: list[str]) -> None:
        for error in errors:
            raise error

    target.answer = answer
    patient = Patient()
    assert courier.deliver([batch(target, range(2))], patient)
    assert sum(patient.waits) == pytest.approx(2.0)


def test_partial_success_keeps_the_batch(target: Target, courier: Courier, tmp_path: Path) -> None:
    def answer(ids: list[str]) -> None:
        if event_id(0) in ids:
            raise PartlyRefusedError("partly", count=1)  # noqa: EM101

    target.answer = answer
    assert courier.deliver([batch(target, range(2)), batch(target, range(2, 4))], Patient())

    assert len(list(letters_in(tmp_path / "letters"))) == 2
    assert target.sent.count([event_id(0), event_id(1)]) == 1


def test_folder_that_cannot_be_written_is_an_outage(
    target: Target, courier: Courier, tally: ForwardTally, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: DeadLetters, _refusals: object) -> None:
        message = "the disk is full"
        raise StorageError(message)

    monkeypatch.setattr(DeadLetters, "keep", refuse)
    target.answer = refusing(1)
    assert not courier.deliver([batch(target, range(2))], Patient(2))
    assert tally.snapshot().last_error == "the disk is full"
