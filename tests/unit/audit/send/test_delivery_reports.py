from __future__ import annotations

import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.delivery_reports import ANY_PARTITION, DeliveryReports

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
    reports = DeliveryReports(each=each)
    for key, partition in partitions.items():
        record = _record(0, key)
        record.partition = partition
        reports.learn(record)
    return reports


def _unheld(count: int, keys: int) -> list[SealedRecord]:
    return [_record(number, _key(number % keys), receipt=Receipt("", "p", number)) for number in range(count)]


def _reported(records: list[SealedRecord]) -> list[SealedRecord]:
    return [record for record in records if record.on_report is not None]


def test_a_record_whose_partition_is_not_known_is_reported_on_and_left_to_the_client() -> None:
    records = _unheld(_MANY, keys=8)

    partitions = DeliveryReports(each=False).plan(records, _ignore)

    assert _reported(records) == records
    assert set(partitions) == {ANY_PARTITION}
    assert {record.also_confirms is None for record in records} == {True}


def test_few_records_are_all_reported_on_and_keep_their_partition() -> None:
    records = _unheld(10, keys=2)

    assert _taught({_key(0): 3, _key(1): 5}).plan(records, _ignore) == [3, 5] * 5
    assert _reported(records) == records


def test_each_means_each() -> None:
    records = _unheld(_MANY, keys=2)

    _taught({_key(0): 0, _key(1): 1}, each=True).plan(records, _ignore)

    assert _reported(records) == records


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this Python does not count references")
def test_who_holds_a_receipt_gets_a_report_and_the_others_are_spoken_for() -> None:
    records = _unheld(_MANY, keys=1)
    held = [record.receipt for record in records[20:30]]

    _taught({_key(0): 7}).plan(records, _ignore)

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
def test_every_record_is_reported_on_or_spoken_for_by_a_later_one_of_its_partition(
    sent: list[tuple[int, bool]], known: dict[int, int]
) -> None:
    records = [
        _record(number, _key(key), receipt=Receipt("", "p", number) if has_receipt else None)
        for number, (key, has_receipt) in enumerate(sent)
    ]

    partitions = _taught({_key(key): partition for key, partition in known.items()}).plan(records, _ignore)

    assert partitions == [known.get(key, ANY_PARTITION) for key, _ in sent]
    spoken_for = Counter(record.event_id for marker in _reported(records) for record in marker.also_confirms or ())
    assert spoken_for == Counter(record.event_id for record in records if record.on_report is None)
    for marker in _reported(records):
        for record in marker.also_confirms or ():
            assert partitions[int(record.event_id)] == partitions[int(marker.event_id)] != ANY_PARTITION
            assert int(record.event_id) < int(marker.event_id)


def test_partitions_are_looked_up_anew_after_a_while() -> None:
    now = [0.0]
    reports = DeliveryReports(each=False, clock=lambda: now[0])
    record = _record(0, _key(0))
    record.partition = 2
    reports.learn(record)
    assert reports.plan([_record(1, _key(0))], _ignore) == [2]

    now[0] = 301.0

    assert reports.plan([_record(2, _key(0))], _ignore) == [ANY_PARTITION]
