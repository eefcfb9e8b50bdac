from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.outstanding import OutstandingRecords

_LIMIT = 60.0


def _records(count: int) -> list[SealedRecord]:
    return [
        SealedRecord.written(str(number), producer="p", sequence=number, key=b"k", value=b"v")
        for number in range(count)
    ]


def _acknowledge(*records: SealedRecord) -> None:
    for record in records:
        record.reported = True


def _refuse(record: SealedRecord) -> None:
    record.reported, record.error = True, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)


@pytest.fixture
def outstanding() -> OutstandingRecords:
    return OutstandingRecords()


@pytest.fixture
def records(outstanding: OutstandingRecords) -> list[SealedRecord]:
    """Four records, sent two at a time."""
    records = _records(4)
    outstanding.add(records[:2], 10.0)
    outstanding.add(records[2:], 20.0)
    return records


def _in_thread(task: Callable[[], bool]) -> Callable[[], bool]:
    """Start a task; return a function that returns its result."""
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(task()), daemon=True)
    thread.start()

    def result() -> bool:
        thread.join(_LIMIT)
        return results[0]

    return result


def test_nothing_sent_nothing_outstanding(outstanding: OutstandingRecords) -> None:
    assert len(outstanding) == 0
    assert outstanding.oldest is None
    assert outstanding.wait_empty(0.0)


def test_acknowledged_prefix_is_removed(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    _acknowledge(*records[:3])
    outstanding.remove_acknowledged()

    assert len(outstanding) == 1
    assert outstanding.unacknowledged() == records[3:]
    assert outstanding.oldest == 20.0


def test_gap_keeps_later_acknowledged_records(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    _acknowledge(records[0], records[2])
    outstanding.remove_acknowledged()

    assert len(outstanding) == 3
    assert outstanding.unacknowledged() == [records[1], records[3]]


def test_last_of_batch_does_not_hide_late_record(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    """The last record of a batch may be on another partition, which works."""
    _acknowledge(*records[1:])
    outstanding.remove_acknowledged()

    assert outstanding.oldest == 10.0


def test_age_ends_with_last_record(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    _acknowledge(*records)
    outstanding.remove_acknowledged()

    assert outstanding.oldest is None
    assert outstanding.wait_empty(0.0)


def test_refused_record_stays_and_is_returned(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    _refuse(records[0])
    _acknowledge(records[1])
    outstanding.remove_acknowledged()

    assert outstanding.take_all() == [records[0], *records[2:]]
    assert len(outstanding) == 0
    assert outstanding.oldest is None


def test_wait_empty_sees_last_acknowledgement(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    is_empty = _in_thread(lambda: outstanding.wait_empty(_LIMIT))
    _acknowledge(*records)
    outstanding.remove_acknowledged()

    assert is_empty()


def test_wait_empty_returns_after_failure(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    is_empty = _in_thread(lambda: outstanding.wait_empty(_LIMIT))
    outstanding.end_waits()

    assert not is_empty()
    assert outstanding.unacknowledged() == records


def test_wait_empty_gives_up_after_time(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    assert not outstanding.wait_empty(0.01)
    assert len(outstanding) == len(records)


def test_wait_for_needs_no_earlier_record(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    is_done = _in_thread(lambda: outstanding.wait_for(records[2:]))
    _acknowledge(*records[2:])
    outstanding.remove_acknowledged()

    assert is_done()


def test_wait_for_refused_record_returns_false(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    _acknowledge(records[0])
    _refuse(records[1])

    assert not outstanding.wait_for(records)


def test_wait_for_ends_with_failure(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    is_done = _in_thread(lambda: outstanding.wait_for(records))
    outstanding.end_waits()

    assert not is_done()


def test_only_requested_reports_are_awaited(outstanding: OutstandingRecords, records: list[SealedRecord]) -> None:
    records[1].on_report = _acknowledge
    assert not outstanding.wait_reported(0.01)

    _refuse(records[1])

    assert outstanding.wait_reported(0.01)


def test_failure_wakes_wait_for_change(outstanding: OutstandingRecords) -> None:
    waiting = threading.Thread(target=outstanding.wait_for_change, args=(_LIMIT,), daemon=True)
    waiting.start()

    # It may not wait yet: only what happens during the wait wakes it.
    while waiting.is_alive():
        outstanding.end_waits()
