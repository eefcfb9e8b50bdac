"""Records that Kafka refuses for good leave the way of the others, and no right is given up too early."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.pass_result import PassResult
from telemetry.exceptions import RecordTooLargeError, TransportAuthorizationError, TransportError
from telemetry.format.objects.fallback_object import decode_object
from tests.support.leftovers import records, stored
from tests.support.replay_parts import TOPIC, ReplayBench, any_turn


def _too_large(*sequences: int) -> Callable[[SealedRecord], TransportError | None]:
    def refuse(record: SealedRecord) -> TransportError | None:
        return RecordTooLargeError("too large") if record.sequence in sequences else None

    return refuse


def _run(bench: ReplayBench) -> PassResult:
    bench.replayer.link.connect()
    return bench.replayer.run_pass(any_turn())


@pytest.mark.parametrize("refused", [(0,), (9,), (3, 4), (0, 5, 9), tuple(range(10))], ids=str)
def test_refused_records_are_isolated(refused: tuple[int, ...]) -> None:
    bench = ReplayBench()
    stored(bench.store, records(10))
    bench.kafka.refuse = _too_large(*refused)

    assert _run(bench) is PassResult.AGAIN

    (name,) = bench.below("rejected")
    rejected = decode_object(bench.store.objects[name])
    assert [record.sequence for record in rejected.records] == list(refused)
    assert rejected.header.reason == "too_large"
    # The first attempt may have delivered the records before the refused one; a reader drops the second copies.
    assert list(dict.fromkeys(bench.kafka.sequences)) == [n for n in range(10) if n not in refused]
    assert bench.below(TOPIC) == []
    assert (bench.ledger.counts.rejected, bench.ledger.counts.replayed) == (len(refused), 10 - len(refused))
    assert bench.ledger.counts.send_errors == 1


def test_later_objects_follow_after_isolation() -> None:
    bench = ReplayBench()
    batch = records(6)
    stored(bench.store, batch[:3])
    stored(bench.store, batch[3:])
    bench.kafka.refuse = _too_large(1)

    assert _run(bench) is PassResult.AGAIN
    assert _run(bench) is PassResult.DONE

    assert list(dict.fromkeys(bench.kafka.sequences)) == [0, 2, 3, 4, 5]


def test_outage_during_isolation_deletes_nothing() -> None:
    bench = ReplayBench()
    name = stored(bench.store, records(4))
    attempts = 0

    def refuse(record: SealedRecord) -> TransportError | None:
        nonlocal attempts
        attempts += 1
        if attempts > 4:
            return TransportError("away")
        return RecordTooLargeError("too large") if record.sequence == 2 else None

    bench.kafka.refuse = refuse

    assert _run(bench) is PassResult.OUTAGE

    assert bench.below(TOPIC) == [name]
    assert bench.below("rejected") == []
    assert str(bench.replayer.link.error) == "away"


def test_missing_right_rejects_after_max_refusals() -> None:
    bench = ReplayBench(max_refusals=2)
    stored(bench.store, records(3))
    bench.kafka.refuse = lambda _record: TransportAuthorizationError("no WRITE")

    assert [_run(bench) for _ in range(3)] == [PassResult.OUTAGE, PassResult.OUTAGE, PassResult.AGAIN]

    (name,) = bench.below("rejected")
    assert decode_object(bench.store.objects[name]).header.reason == "authorization"
    assert (bench.ledger.counts.rejected, bench.ledger.counts.replayed) == (3, 0)
    assert bench.below(TOPIC) == []


def test_missing_right_never_rejects_for_a_person() -> None:
    bench = ReplayBench(max_refusals=None)
    name = stored(bench.store, records(3))
    bench.kafka.refuse = lambda _record: TransportAuthorizationError("no WRITE")

    assert {_run(bench) for _ in range(5)} == {PassResult.OUTAGE}

    assert bench.below(TOPIC) == [name]
    assert isinstance(bench.replayer.link.error, TransportAuthorizationError)
