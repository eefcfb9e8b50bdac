"""Values written out together are those written out alone, and those that the format describes."""

from __future__ import annotations

import pytest

from telemetry.audit.accept.draft import EventFactory
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
def test_values_are_as_described_for_a_few_and_for_many(count: int) -> None:
    made = list(sealed_records(count, uses_of_a_key=100))

    assert list(values_of(made)) == [_described(record) for record in made] == [record.value for record in made]


def test_a_batch_of_more_than_is_encoded_at_once() -> None:
    made = list(sealed_records(30, uses_of_a_key=100, size=60_000))
    assert sum(record.size for record in made) > 4 << 20

    assert list(values_of(made)) == [_described(record) for record in made]


def test_what_is_sent_is_not_kept() -> None:
    made = list(sealed_records(20, uses_of_a_key=100))
    held = [record.ciphertext for record in made]

    assert len(list(values_of(made))) == len(made)

    assert [record.ciphertext for record in made] == held
    assert all(held)


def test_what_is_needed_twice_is_kept() -> None:
    made = list(sealed_records(20, uses_of_a_key=100))
    expected = [_described(record) for record in made]

    write_out(made)

    assert not any(record.ciphertext for record in made)
    assert [record.value for record in made] == list(values_of(made)) == expected


def test_records_in_every_state_in_one_batch() -> None:
    made = list(sealed_records(30, uses_of_a_key=4))
    expected = [_described(record) for record in made]
    for record in made[::3]:
        record.write(record.value)
    draft = EventFactory(service_name="shop", environment="production", version="", max_event_bytes=1 << 20).draft(
        "login", {}, "ada", {}
    )
    clear = ClearEncoder(source="/production/shop").seal(draft, PRODUCER, 30)
    checkpoint = SealedRecord.written("c", producer=PRODUCER, sequence=None, key=b"p", value=b"note")

    found = list(values_of([*made, clear, checkpoint]))

    assert found == [*expected, clear.value, b"note"]
