"""Opening records of every kind; tests/property alters every byte of both decoders' input."""

from __future__ import annotations

import json

import pytest

from telemetry.encryption import Context
from telemetry.encryption.unwrap.cache import UnwrapCache
from telemetry.exceptions import KeyAccessDeniedError, MalformedRecordError
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.reader import CheckpointEntry, DamagedRecord, OpenedEvent, Place, RawRecord, RecordOpener, SealedEntry
from telemetry.reader.open import opener
from tests.property.test_sealed_record import KnownProvider
from tests.services.sealed_records import Sealer

NEARLY = {"type": "telemetry.checkpoint", "datacontenttype": "text/plain", "data": "anything at all"}
WHOLE = {
    "specversion": "1.0",
    "source": "/test/shop",
    "datacontenttype": "text/plain",
    "producer": "0190b3a4-5b2c-7def-8123-456789abcdef",
    "id": "0190b3a4-5b2c-7def-8123-456789abcdee",
    "time": "2026-01-31T12:00:00.000000Z",
    "type": "telemetry.checkpoint",
    "data": "a note",
}


def _open(value: bytes) -> object:
    return RecordOpener(None).open(RawRecord(b"key", value, Place("topic", 0, 1)))


def _compact(value: dict[str, str]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(NEARLY).encode(),
        _compact(NEARLY),
        json.dumps(WHOLE).encode(),
        _compact({**WHOLE, "specversion": "1.1"}),
        _compact({**WHOLE, "more": "than the format has"}),
    ],
    ids=["incomplete with spaces", "incomplete", "with spaces", "another version", "an unknown member"],
)
def test_checkpoint_in_another_form_is_damaged(value: bytes) -> None:
    entry = _open(value)

    assert isinstance(entry, DamagedRecord)
    assert isinstance(entry.error, MalformedRecordError)
    with pytest.raises(MalformedRecordError):
        decode_checkpoint_message(value)


def test_checkpoint_is_an_entry_with_its_note() -> None:
    entry = _open(_compact(WHOLE))

    assert isinstance(entry, CheckpointEntry)
    assert (entry.producer, entry.note) == (WHOLE["producer"], "a note")


def test_tombstone_is_damaged() -> None:
    entry = RecordOpener(None).open(RawRecord(b"key", None, Place("topic", 0, 1)))

    assert isinstance(entry, DamagedRecord)
    assert "tombstone" in str(entry.error)


class Provider(KnownProvider):
    """Counts how often it is called, and may refuse."""

    calls = 0
    refuses = False

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        self.calls += 1
        if self.refuses:
            message = "the right was withdrawn"
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


def test_full_decoder_opens_only_the_first_record(
    provider: Provider, records: list[RawRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, slow = RecordOpener(provider), RecordOpener(provider)
    expected = [slow.open(record) for record in records]
    assert reader.open(records[0]) == expected[0]
    monkeypatch.delattr(opener, "open_record")
    assert [reader.open(record) for record in records] == expected
    assert all(isinstance(entry, OpenedEvent) for entry in expected)


def test_withdrawn_right_ends_with_the_cached_key(
    provider: Provider, records: list[RawRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opener, "_FRESH_SECONDS", 0.0)
    reader = RecordOpener(provider)
    assert reader._keys is not None
    reader._keys._cache = UnwrapCache(provider, max_age=0.0)
    assert isinstance(reader.open(records[0]), OpenedEvent)
    assert isinstance(reader.open(records[1]), OpenedEvent)
    assert provider.calls == 2
    provider.refuses = True
    entry = reader.open(records[2])
    assert isinstance(entry, DamagedRecord)
    assert isinstance(entry.error, KeyAccessDeniedError)


def test_fresh_key_is_unwrapped_once(provider: Provider, records: list[RawRecord]) -> None:
    reader = RecordOpener(provider)
    assert all(isinstance(reader.open(record), OpenedEvent) for record in records)
    assert provider.calls == 1


def test_known_heads_are_bounded_and_forgotten(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_HEADS_BYTES", 20_000)
    reader = RecordOpener(provider)
    for _ in range(10):
        assert isinstance(reader.open(Sealer(provider).seal()), OpenedEvent)
        assert reader._heads.weight <= 20_000
    assert len(reader._heads) >= 2
    reader.close()
    assert not len(reader._heads)
    assert not len(reader._key_hashes)


def test_5000_keys_in_turn_cost_5000_calls(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_FRESH_SECONDS", 0.0)
    sealers = [Sealer(provider, service=f"service-{number % 10}") for number in range(5_000)]
    reader = RecordOpener(provider)
    for turn in range(3):
        opened = [reader.open(sealer.seal(f"user-{turn}")) for sealer in sealers]
        assert all(isinstance(entry, OpenedEvent) for entry in opened)
    assert provider.calls == 5_000


def test_more_heads_than_room_cost_no_call(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_HEADS_BYTES", 50_000)
    sealers = [Sealer(provider) for _ in range(200)]
    reader = RecordOpener(provider)
    for _ in range(5):
        assert all(isinstance(reader.open(sealer.seal()), OpenedEvent) for sealer in sealers)
    assert provider.calls == 200


def test_record_under_another_head_is_damaged(provider: Provider, records: list[RawRecord]) -> None:
    other = Sealer(provider, service="billing").seal("user-1")
    reader = RecordOpener(provider)
    assert isinstance(reader.open(records[0]), OpenedEvent)
    assert isinstance(reader.open(other), OpenedEvent)
    value, theirs = records[1].value or b"", other.value or b""
    moved = theirs[: theirs.index(b',"sequence":')] + value[value.index(b',"sequence":') :]
    assert isinstance(reader.open(records[1]._replace(value=moved)), DamagedRecord)


def test_without_provider_events_stay_sealed(records: list[RawRecord]) -> None:
    entries = [RecordOpener(None).open(record) for record in records]

    assert all(isinstance(entry, SealedEntry) for entry in entries)


def test_records_whose_keys_were_not_kept(provider: Provider, records: list[RawRecord]) -> None:
    reader = RecordOpener(provider)
    expected = [reader.open(record) for record in records]
    without = [record._replace(key=None, is_key_kept=False) for record in records]

    opened = [RecordOpener(provider).open(record) for record in without] + [reader.open(record) for record in without]

    assert all(isinstance(entry, OpenedEvent) for entry in opened)
    assert [getattr(entry, "event", None) for entry in opened] == 2 * [
        getattr(each, "event", None) for each in expected
    ]


def test_absent_key_is_not_one_that_was_not_kept(provider: Provider, records: list[RawRecord]) -> None:
    entry = RecordOpener(provider).open(records[0]._replace(key=None))

    assert isinstance(entry, DamagedRecord)
    assert "Kafka key" in str(entry.error)
