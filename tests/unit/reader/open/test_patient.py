from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.exceptions import KeyMismatchError, UnknownKeysError
from telemetry.reader.entry import DamagedRecord, Entry, Place, RawRecord
from telemetry.reader.open.patient import PatientOpener

OPENED = KeyMismatchError("tried")


class Opener:
    """Opens a record if the budget has a token; the value of a record is its data key."""

    def __init__(self, tokens: int = 0) -> None:
        self.tokens = tokens
        self.tried: list[bytes] = []

    def open(self, raw: RawRecord, *, waited: bool = False) -> Entry:  # noqa: ARG002 - as the real one
        data_key = raw.value or b""
        if data_key not in self.tried:
            if not self.tokens:
                return DamagedRecord(raw.place, UnknownKeysError(data_key=data_key), raw)
            self.tokens -= 1
            self.tried.append(data_key)
        return DamagedRecord(raw.place, OPENED, raw)

    def seconds_to_wait(self) -> float:
        return 0.0 if self.tokens else 60.0

    def take_arrived(self) -> list[bytes]:
        return []


def records(*data_keys: bytes) -> list[RawRecord]:
    return [RawRecord(b"key", name, Place("file", offset=number)) for number, name in enumerate(data_keys)]


def shown(entries: Iterator[Entry]) -> list[tuple[int, bool]]:
    return [(entry.place.offset, isinstance(entry, DamagedRecord) and entry.error is OPENED) for entry in entries]


def patient(opener: Opener) -> PatientOpener:
    return PatientOpener(opener, seconds=0.0)  # type: ignore[arg-type]


def test_order_of_the_source_is_kept() -> None:
    assert shown(patient(Opener(3)).entries(records(b"a", b"b", b"a", b"c"))) == [(n, True) for n in range(4)]


def test_record_waits_and_is_opened_later() -> None:
    opener = Opener(1)

    def source() -> Iterator[RawRecord]:
        first, second, third, fourth = records(b"a", b"b", b"a", b"a")
        yield first
        yield second
        yield third
        opener.tokens = 1
        yield fourth

    assert shown(patient(opener).entries(source())) == [(0, True), (2, True), (3, True), (1, True)]


def test_nothing_disappears_without_a_token() -> None:
    assert shown(patient(Opener()).entries(records(b"a", b"b"))) == [(0, False), (1, False)]


def test_damage_of_the_source_passes_through() -> None:
    damaged = DamagedRecord(Place("file"), KeyMismatchError("damaged"), records(b"a")[0])
    assert list(patient(Opener()).entries([damaged])) == [damaged]


def test_end_is_waited_for_until_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    opener = Opener()
    waiting = PatientOpener(opener, seconds=3_600.0)  # type: ignore[arg-type]
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        opener.tokens = 1
        return len(waited) > 1

    monkeypatch.setattr(waiting._stopping, "wait", wait)
    assert shown(waiting.entries(records(b"a", b"b"))) == [(0, True), (1, False)]
    assert waited[0] == 60.0
