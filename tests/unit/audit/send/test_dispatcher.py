"""The sender's state machine: direct, diverted, and a shutdown in every state. Kafka and fallback are in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.exceptions import ConfigurationError, TransportAuthorizationError, TransportError
from telemetry.format.value.message import BATCH_HEADER
from tests.support.leftovers import records
from tests.support.sender_parts import SenderBench
from tests.support.until import until

AWAY = TransportError("no broker is reachable")


@pytest.fixture
def bench() -> Iterator[SenderBench]:
    parts = SenderBench()
    yield parts
    parts.kafka.gate.set()
    parts.end(kafka_seconds=0.1, total_seconds=1.0)


def test_direct_batches_reach_kafka_in_order(bench: SenderBench) -> None:
    batch = records(5)
    bench.dispatcher.start()

    bench.log(batch)

    until(lambda: bench.ledger.counts.delivered == 5)
    assert bench.kafka.topic == batch
    assert not bench.dispatcher.is_diverted
    assert bench.directions.seen == []


def test_batches_are_numbered_under_the_producer(bench: SenderBench) -> None:
    bench.dispatcher.start()
    for number, record in enumerate(records(3), 1):
        bench.log([record])
        until(lambda number=number: bench.ledger.counts.delivered == number)  # type: ignore[misc]

    assert bench.kafka.opened[0].headers == [[(BATCH_HEADER, b"producer-%d" % number)] for number in (1, 2, 3)]


def test_failed_transport_diverts_everything_outstanding(bench: SenderBench, caplog: pytest.LogCaptureFixture) -> None:
    first, later = records(4), records(3)
    bench.kafka.acknowledges = False
    bench.dispatcher.start()
    bench.log(first)
    until(lambda: len(bench.kafka.opened[0]) == 4)
    bench.kafka.opened[0].acknowledge(1)

    with caplog.at_level(logging.ERROR):
        bench.divert(TransportAuthorizationError("denied"))
        bench.log(later)

    until(lambda: len(bench.fallback) == 6)
    assert bench.fallback.records == [*first[1:], *later]
    assert bench.directions.seen == ["authorization"]
    assert set(bench.fallback.reasons) == {"authorization"}
    assert bench.ledger.counts.send_errors == 1
    until(lambda: bench.kafka.explained)
    assert "Kafka is not accepting events, diverting to the fallback: denied" in caplog.text


def test_returning_sends_the_fallbacks_records_first(bench: SenderBench) -> None:
    diverted, later = records(3), records(2)
    bench.kafka.acknowledges = False
    bench.dispatcher.start()
    bench.log(diverted)
    until(lambda: len(bench.kafka.opened[0]) == 3)
    bench.divert(AWAY)
    bench.kafka.acknowledges = True

    bench.diversion.kafka_is_ready()
    bench.log(later)

    until(lambda: bench.ledger.counts.delivered == 5)
    assert bench.kafka.opened[1].acknowledged == [*diverted, *later]
    assert bench.directions.seen == ["unavailable", "direct"]
    assert not bench.dispatcher.is_diverted


def test_stored_objects_keep_the_sender_diverted(bench: SenderBench) -> None:
    bench.dispatcher.start()
    bench.divert(AWAY)
    bench.fallback.has_stored = True

    bench.diversion.kafka_is_ready()

    until(lambda: len(bench.kafka.opened) == 2 and bench.kafka.opened[1].is_closed)
    assert bench.dispatcher.is_diverted
    bench.fallback.has_stored = False
    bench.diversion.kafka_is_ready()
    until(lambda: not bench.dispatcher.is_diverted)


def test_unopenable_transport_keeps_the_sender_diverted(bench: SenderBench, caplog: pytest.LogCaptureFixture) -> None:
    bench.dispatcher.start()
    bench.divert(AWAY)
    bench.kafka.refusal = ConfigurationError("the certificate is half written")

    bench.diversion.kafka_is_ready()

    until(lambda: "no connection to Kafka can be opened; trying again" in caplog.text)
    assert bench.dispatcher.is_diverted
    bench.kafka.refusal = None
    bench.diversion.kafka_is_ready()
    until(lambda: not bench.dispatcher.is_diverted)


def test_backlog_diverts_from_the_start() -> None:
    adopted = records(4)
    bench = SenderBench(adopted=[adopted])
    bench.dispatcher.start(after_backlog=True)

    until(lambda: len(bench.fallback) == 4)
    assert bench.directions.seen == ["backlog"]
    assert bench.fallback.reasons == ["backlog"]
    assert bench.kafka.opened == []
    bench.end()


def test_adopted_records_precede_new_ones() -> None:
    adopted, own = records(4), records(2)
    bench = SenderBench(adopted=[adopted[:2], adopted[2:]])
    bench.log(own)

    bench.dispatcher.start()

    until(lambda: len(bench.kafka.topic) == 6)
    assert bench.kafka.topic == [*adopted, *own]
    bench.end()


def test_unreadable_segment_leaves_the_sender_running(caplog: pytest.LogCaptureFixture) -> None:
    adopted, own = records(2), records(1)

    def damaged() -> Iterator[list[SealedRecord]]:
        yield adopted
        message = "the disk is gone"
        raise OSError(message)

    bench = SenderBench(adopted=damaged())
    bench.dispatcher.start()
    bench.log(own)

    until(lambda: len(bench.kafka.topic) == 3)
    assert bench.kafka.topic == [*adopted, *own]
    assert "reading the spool segments of dead processes failed; the next start tries again" in caplog.text
    bench.end()


def test_replaced_certificates_renew_the_connection(bench: SenderBench) -> None:
    before, after = records(1), records(1)
    bench.dispatcher.start()
    bench.log(before)
    until(lambda: bench.ledger.counts.delivered == 1)

    bench.kafka.version = b"2"

    until(lambda: len(bench.kafka.opened) == 2)
    bench.log(after)
    until(lambda: bench.ledger.counts.delivered == 2)
    assert [transport.acknowledged for transport in bench.kafka.opened] == [before, after]
    until(lambda: bench.kafka.opened[0].is_closed)
    assert bench.directions.seen == []


def test_half_replaced_certificates_keep_the_old_connection(
    bench: SenderBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.dispatcher.start()
    bench.kafka.refusal = ConfigurationError("the key does not match")
    bench.kafka.version = b"2"
    until(lambda: "trying again" in caplog.text)

    bench.log(records(1))

    until(lambda: bench.ledger.counts.delivered == 1)
    assert len(bench.kafka.opened) == 1


class Adding:
    """Adds a record after each batch that is not empty."""

    def __init__(self, added: SealedRecord) -> None:
        self.added = added

    def before_send(self, seen: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        return (self.added,) if seen else ()


class Failing:
    """Fails with every batch."""

    def before_send(self, _seen: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        message = "a meter of the application's"
        raise RuntimeError(message)


def test_failing_observer_stops_neither_records_nor_observers(caplog: pytest.LogCaptureFixture) -> None:
    batch, (checkpoint,) = records(2), records(1)
    bench = SenderBench(observers=[Failing(), Adding(checkpoint)])
    bench.dispatcher.start()

    bench.log(batch)

    until(lambda: len(bench.kafka.topic) == 3)
    assert bench.kafka.topic == [*batch, checkpoint]
    assert "sender error, continuing" in caplog.text
    bench.end()


def test_drain_waits_for_kafka_and_closes(bench: SenderBench) -> None:
    batch = records(20)
    bench.dispatcher.start()
    bench.log(batch)

    assert bench.end() == []

    assert bench.kafka.topic == batch
    assert bench.kafka.opened[0].is_closed
    assert bench.fallback.is_closed
    assert bench.fallback.reasons == []


def test_drain_stores_records_that_kafka_leaves_unacknowledged(bench: SenderBench) -> None:
    batch = records(6)
    bench.kafka.acknowledges = False
    bench.dispatcher.start()
    bench.log(batch)

    left = bench.end(kafka_seconds=0.2)

    # This fallback keeps them in memory only, so they are safe nowhere.
    assert left == batch
    assert bench.fallback.reasons == ["unavailable"]


def test_diverted_sender_drains_into_the_fallback(bench: SenderBench) -> None:
    batch = records(3)
    bench.dispatcher.start()
    bench.divert(AWAY)
    bench.log(batch)

    assert bench.end() == batch


def test_stuck_sender_hides_no_record(bench: SenderBench, caplog: pytest.LogCaptureFixture) -> None:
    outstanding, in_client, queued = records(3), records(2), records(4)
    bench.kafka.acknowledges = False
    bench.dispatcher.start()
    bench.log(outstanding)
    until(lambda: len(bench.kafka.opened[0]) == 3)
    bench.kafka.gate.clear()
    bench.log(in_client)
    until(lambda: bench.kafka.opened[0].is_stuck)
    bench.log(queued)

    left = bench.end(kafka_seconds=0.1, total_seconds=0.3)

    assert left == [*outstanding, *in_client, *queued]
    assert "the sender did not end in time" in caplog.text


def test_stuck_take_back_hides_no_record(bench: SenderBench) -> None:
    leaving, queued = records(3), records(2)
    bench.kafka.acknowledges = False
    bench.dispatcher.start()
    # In two batches: the sender remembers the last one in any case.
    bench.log(leaving[:2])
    until(lambda: len(bench.kafka.opened[0]) == 2)
    bench.log(leaving[2:])
    until(lambda: len(bench.kafka.opened[0]) == 3)
    bench.kafka.gate.clear()
    bench.kafka.opened[0].fail(AWAY)
    until(lambda: bench.kafka.opened[0].is_stuck)
    bench.log(queued)

    left = bench.end(kafka_seconds=0.1, total_seconds=0.3)

    assert {id(record) for record in left} == {id(record) for record in (*leaving, *queued)}
    assert len(left) == 5


def test_stuck_diversion_hides_no_batch(bench: SenderBench) -> None:
    batch = records(3)
    bench.dispatcher.start()
    bench.kafka.gate.clear()
    # The sender is not woken for the failure: it finds it with the batch in hand.
    bench.kafka.opened[0].failure = AWAY
    bench.log(batch)
    until(lambda: bench.kafka.opened[0].is_stuck)

    assert bench.end(kafka_seconds=0.1, total_seconds=0.3) == batch


def test_stuck_return_hides_no_record(bench: SenderBench) -> None:
    diverted = records(3)
    bench.dispatcher.start()
    bench.divert(AWAY)
    bench.log(diverted)
    until(lambda: len(bench.fallback) == 3)
    bench.kafka.gate.clear()
    bench.diversion.kafka_is_ready()
    until(lambda: len(bench.kafka.opened) == 2 and bench.kafka.opened[1].is_stuck)

    # Neither the fallback nor the transport has them now.
    assert bench.end(kafka_seconds=0.1, total_seconds=0.3) == diverted


def test_stuck_checkpoint_hides_no_record() -> None:
    batch, (checkpoint,) = records(2), records(1)
    bench = SenderBench(observers=[Adding(checkpoint)])
    bench.kafka.gate.clear()
    bench.dispatcher.start()
    bench.log(batch)
    until(lambda: bench.kafka.opened[0].is_stuck)

    left = bench.end(kafka_seconds=0.1, total_seconds=0.3)

    assert {id(record) for record in left} == {id(record) for record in (*batch, checkpoint)}
    bench.kafka.gate.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_crashed_sender_hides_no_record(bench: SenderBench, caplog: pytest.LogCaptureFixture) -> None:
    outstanding, in_hand, queued = records(3), records(2), records(4)
    bench.kafka.acknowledges = False
    bench.dispatcher.start()
    bench.log(outstanding)
    until(lambda: len(bench.kafka.opened[0]) == 3)
    bench.kafka.crash = RuntimeError("a bug")
    bench.log(in_hand)
    until(lambda: "the sender failed" in caplog.text)
    until(lambda: bench.intake.error is not None)
    bench.log(queued)

    assert bench.end() == [*outstanding, *in_hand, *queued]


def test_oldest_is_that_of_the_transport(bench: SenderBench) -> None:
    bench.dispatcher.start()
    assert bench.dispatcher.oldest is None
    bench.kafka.acknowledges = False
    bench.log(records(1))
    until(lambda: bench.dispatcher.oldest is not None)
    bench.divert(AWAY)
    assert bench.dispatcher.oldest is None
