from __future__ import annotations

import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.delivery_reports import DeliveryReports
from telemetry.audit.send.report_choice import ANY_PARTITION

_MANY = 200


def _record(number: int, key: bytes, *, receipt: Receipt | None = None) -> SealedRecord:
    record = SealedRecord.written(str(number), producer="p", sequence=number, key=key, value=b"v")
    record.receipt = receipt
    return record


def _ignore(_record: SealedRecord) -> None:
    """No report comes in these tests."""


def _key(number: int) -> bytes:
    return b"user-%d" % number


def _taught(partitions: dict[bytes, int], *, each: bool = False) -> DeliveryReports:
    reports = DeliveryReports(each=each, now=0.0)
    for key, partition in partitions.items():
        record = _record(0, key)
        record.partition = partition
        reports.learn(record)
    return reports


def _unheld(count: int, keys: int) -> list[SealedRecord]:
    return [_record(number, _key(number % keys), receipt=Receipt("", "p", number)) for number in range(count)]


def _reported(records: list[SealedRecord]) -> list[SealedRecord]:
    return [record for record in records if record.on_report is not None]


def test_unknown_partition_is_reported_and_left_open() -> None:
    records = _unheld(_MANY, keys=8)

    partitions = DeliveryReports(each=False, now=0.0).plan(records, on_report=_ignore, now=0.0)

    assert _reported(records) == records
    assert set(partitions) == {ANY_PARTITION}
    assert {record.also_confirms is None for record in records} == {True}


def test_small_batch_is_reported_one_by_one() -> None:
    records = _unheld(10, keys=2)

    assert _taught({_key(0): 3, _key(1): 5}).plan(records, on_report=_ignore, now=0.0) == [3, 5] * 5
    assert _reported(records) == records


def test_each_record_is_reported_on_request() -> None:
    records = _unheld(_MANY, keys=2)

    _taught({_key(0): 0, _key(1): 1}, each=True).plan(records, on_report=_ignore, now=0.0)

    assert _reported(records) == records


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this Python does not count references")
def test_held_receipt_gets_report_others_are_confirmed() -> None:
    records = _unheld(_MANY, keys=1)
    held = [record.receipt for record in records[20:30]]

    _taught({_key(0): 7}).plan(records, on_report=_ignore, now=0.0)

    reported = _reported(records)
    assert [record for record in records if record.receipt in held] == [
        record for record in reported if record.receipt in held
    ]
    assert len(reported) < _MANY // 4
    assert records[-1].on_report is not None


@given(
    st.lists(st.tuples(st.integers(0, 11), st.booleans()), min_size=64, max_size=400),
    st.dictionaries(st.integers(0, 11), st.integers(0, 3)),
)
def test_every_record_is_reported_or_confirmed_later(sent: list[tuple[int, bool]], known: dict[int, int]) -> None:
    records = [
        _record(number, _key(key), receipt=Receipt("", "p", number) if has_receipt else None)
        for number, (key, has_receipt) in enumerate(sent)
    ]

    partitions = _taught({_key(key): partition for key, partition in known.items()}).plan(
        records, on_report=_ignore, now=0.0
    )

    assert partitions == [known.get(key, ANY_PARTITION) for key, _ in sent]
    confirmed = Counter(record.event_id for marker in _reported(records) for record in marker.also_confirms or ())
    assert confirmed == Counter(record.event_id for record in records if record.on_report is None)
    for marker in _reported(records):
        for record in marker.also_confirms or ():
            assert partitions[int(record.event_id)] == partitions[int(marker.event_id)] != ANY_PARTITION
            assert int(record.event_id) < int(marker.event_id)


def test_partitions_are_forgotten_after_five_minutes() -> None:
    reports = DeliveryReports(each=False, now=1_000.0)
    record = _record(0, _key(0))
    record.partition = 2
    reports.learn(record)
    assert reports.plan([_record(1, _key(0))], on_report=_ignore, now=1_299.0) == [2]

    assert reports.plan([_record(2, _key(0))], on_report=_ignore, now=1_300.0) == [ANY_PARTITION]
