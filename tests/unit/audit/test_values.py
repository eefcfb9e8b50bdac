"""Values written out together are those written out alone, and those that the format describes."""

from __future__ import annotations

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.record import SealedRecord
from telemetry.audit.values import values_of, write_out
from telemetry.format import canonical_base64
from telemetry.format.value import render
from tests.support.accepted_records import PRODUCER, sealed_records


def _described(record: SealedRecord) -> bytes:
    """Return the value part by part: RFC 7516 section 7.1 in a CloudEvents object."""
    assert record.ciphertext
    parts = (record.iv, record.ciphertext[:-16], record.ciphertext[-16:])
    data = b".".join((record.jwe_header, b"", *map(canonical_base64.encode_url, parts)))
    tail = record.id_and_time_json + record.clear_tail
    return render.render(
        record.value_head, sequence=record.sequence or 0, key=record.key, tail=tail, data=data, sealed=True
    )


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 300])
def test_values_equal_the_described_format(count: int) -> None:
    batch = list(sealed_records(count, uses_of_a_key=100))

    assert list(values_of(batch)) == [_described(record) for record in batch] == [record.value for record in batch]


def test_batch_larger_than_one_portion() -> None:
    batch = list(sealed_records(30, uses_of_a_key=100, size=60_000))
    assert sum(record.size for record in batch) > 4 << 20

    assert list(values_of(batch)) == [_described(record) for record in batch]


def test_what_is_sent_is_not_kept() -> None:
    batch = list(sealed_records(20, uses_of_a_key=100))
    held = [record.ciphertext for record in batch]

    assert len(list(values_of(batch))) == len(batch)

    assert [record.ciphertext for record in batch] == held
    assert all(held)


def test_what_is_needed_twice_is_kept() -> None:
    batch = list(sealed_records(20, uses_of_a_key=100))
    expected = [_described(record) for record in batch]

    write_out(batch)

    assert not any(record.ciphertext for record in batch)
    assert [record.value for record in batch] == list(values_of(batch)) == expected


def test_records_in_every_state_in_one_batch() -> None:
    batch = list(sealed_records(30, uses_of_a_key=4))
    expected = [_described(record) for record in batch]
    for record in batch[::3]:
        record.write(record.value)
    draft = EventFactory(service_name="shop", environment="production", version="", max_event_bytes=1 << 20).draft(
        "login", {}, "ada", {}
    )
    clear = ClearEncoder(source="/production/shop").seal(draft, PRODUCER, 30)
    checkpoint = SealedRecord.written("c", producer=PRODUCER, sequence=None, key=b"p", value=b"note")

    values = list(values_of([*batch, clear, checkpoint]))

    assert values == [*expected, clear.value, b"note"]
