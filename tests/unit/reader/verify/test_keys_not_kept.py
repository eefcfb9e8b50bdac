"""A place that does not keep Kafka keys is verified by the hashes of the keys, which are in the signed values."""

from __future__ import annotations

import pytest

from telemetry.reader.entry import RawRecord
from telemetry.reader.verify.verdicts import Verdict
from tests.support.written_trail import Process, Signer, altered, topic, verify


def without_keys(records: list[RawRecord]) -> list[RawRecord]:
    return [record._replace(key=None, is_key_kept=False) for record in records]


def position(records: list[RawRecord], sequence: int) -> int:
    return next(at for at, record in enumerate(records) if f'"sequence":{sequence},'.encode() in (record.value or b""))


def test_trail_without_keys_is_complete() -> None:
    report = verify(without_keys(topic(Process().run(95), partitions=3)), Signer())

    assert report.exit_code == 0
    assert report.producers[0].proven == 95


def test_key_that_is_absent_is_no_key_that_was_not_kept() -> None:
    records = topic(Process().run(95))
    at = position(records, 42)
    records[at] = records[at]._replace(key=None)

    report = verify(records, Signer())

    (finding,) = report.producers[0].of(Verdict.TAMPERED)
    assert finding.field == "key"


def test_altered_hash_of_a_key_is_found() -> None:
    records = without_keys(topic(Process().run(95)))
    at = position(records, 42)
    records[at] = altered(records[at], lambda value: value.replace(b'"keyhash":"', b'"keyhash":"A', 1))

    assert verify(records, Signer()).producers[0].verdict is Verdict.TAMPERED


@pytest.mark.parametrize("is_kept", [True, False])
def test_wrong_order_of_one_user_is_found(*, is_kept: bool) -> None:
    records = topic(Process().run(95))
    ours = records[position(records, 42)]
    others = [
        at
        for at, record in enumerate(records)
        if record.key == ours.key and record.place.partition == ours.place.partition
    ]
    first, second = others[0], others[1]
    one, other = records[first], records[second]
    records[first], records[second] = other._replace(place=one.place), one._replace(place=other.place)

    report = verify(records if is_kept else without_keys(records), Signer())

    assert report.producers[0].verdict is Verdict.REORDERED
