"""The quick way to open a record, taken once its data key is known; tests/property alters every byte of both ways."""

from __future__ import annotations

import pytest

from telemetry.encryption import Context
from telemetry.encryption.unwrap_cache import UnwrapCache
from telemetry.exceptions import KeyAccessDeniedError
from telemetry.reader import DamagedRecord, OpenedEvent, RawRecord, RecordOpener
from telemetry.reader.open import opener
from tests.property.test_sealed_record import KnownProvider
from tests.services.sealed_records import Sealer


class Provider(KnownProvider):
    """Counts how often it is asked, and may refuse."""

    asked = 0
    refuses = False

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        self.asked += 1
        if self.refuses:
            message = "the right was taken away"
            raise KeyAccessDeniedError(message)
        return super().unwrap(wrapped, key_uri, context)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def records(provider: Provider) -> list[RawRecord]:
    sealer = Sealer(provider)
    return [
        sealer.seal(f"user-{number}", {"n": number, "text": "ü" * number}, span=number or None) for number in range(20)
    ]


def test_only_the_first_record_of_a_data_key_takes_the_long_way(
    provider: Provider, records: list[RawRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, slow = RecordOpener(provider), RecordOpener(provider)
    expected = [slow.open(record) for record in records]
    assert reader.open(records[0]) == expected[0]
    monkeypatch.delattr(opener, "open_record")
    assert [reader.open(record) for record in records] == expected
    assert all(isinstance(entry, OpenedEvent) for entry in expected)


def test_a_right_that_was_taken_away_ends_with_the_cached_key(
    provider: Provider, records: list[RawRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opener, "_FRESH_SECONDS", 0.0)
    reader = RecordOpener(provider)
    reader._keys = UnwrapCache(provider, max_age=0.0)
    assert isinstance(reader.open(records[0]), OpenedEvent)
    assert isinstance(reader.open(records[1]), OpenedEvent)
    assert provider.asked == 2
    provider.refuses = True
    entry = reader.open(records[2])
    assert isinstance(entry, DamagedRecord)
    assert isinstance(entry.error, KeyAccessDeniedError)


def test_a_key_is_not_asked_for_again_while_it_is_fresh(provider: Provider, records: list[RawRecord]) -> None:
    reader = RecordOpener(provider)
    assert all(isinstance(reader.open(record), OpenedEvent) for record in records)
    assert provider.asked == 1


def test_heads_are_bounded_and_forgotten(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_MAX_HEADS", 3)
    reader = RecordOpener(provider)
    for _ in range(10):
        assert isinstance(reader.open(Sealer(provider).seal()), OpenedEvent)
        assert len(reader._heads) <= 3
    reader.close()
    assert not reader._heads


def test_a_key_that_was_sealed_for_one_head_does_not_open_under_another(
    provider: Provider, records: list[RawRecord]
) -> None:
    other = Sealer(provider, service="billing").seal("user-1")
    reader = RecordOpener(provider)
    assert isinstance(reader.open(records[0]), OpenedEvent)
    assert isinstance(reader.open(other), OpenedEvent)
    value, theirs = records[1].value or b"", other.value or b""
    moved = theirs[: theirs.index(b',"sequence":')] + value[value.index(b',"sequence":') :]
    assert isinstance(reader.open(records[1]._replace(value=moved)), DamagedRecord)
