from __future__ import annotations

import pytest

from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import Receipt
from telemetry.audit.send.sender_link import SenderLink
from telemetry.exceptions import ConfigurationError, LifecycleError, TransportError
from tests.support.leftovers import records
from tests.support.sender_parts import ClosedWith, ControlledKafka


class Sender:
    """Stands in for the batcher, which wakes the sender."""

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1


class Bench:
    def __init__(self) -> None:
        self.kafka, self.sender = ControlledKafka(), Sender()
        self.ledger = Ledger(topic="t", metrics=AuditMetrics(topic="t"))
        self.intake = ClosedWith()
        self.link = SenderLink(self.kafka, ledger=self.ledger, batcher=self.sender, intake=self.intake)  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_delivered_records_are_settled(bench: Bench) -> None:
    transport = bench.link.open()
    (record,) = records(1)
    record.receipt = Receipt(record.event_id, record.producer, 0)

    transport.send([record])

    assert record.receipt.is_settled
    assert bench.ledger.counts.delivered == 1


def test_failure_wakes_the_sender(bench: Bench) -> None:
    bench.link.open().fail(TransportError("away"))

    assert bench.sender.wakes == 1


def test_replaced_certificates_outdate_the_link(bench: Bench) -> None:
    bench.link.open()
    assert not bench.link.is_outdated

    bench.kafka.version = b"2"

    assert bench.link.is_outdated
    bench.link.open()
    assert not bench.link.is_outdated


def test_half_replaced_certificates_are_tried_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.kafka.refusal = ConfigurationError("the key does not match the certificate")
    bench.kafka.version = b"2"

    assert bench.link.try_open() is None

    assert "no connection to Kafka can be opened; trying again: the key does not match" in caplog.text
    # The next attempt waits for the other half: one line in the log for each change of the files.
    assert not bench.link.is_outdated


def test_first_connection_raises_what_is_wrong(bench: Bench) -> None:
    bench.kafka.refusal = ConfigurationError("no such certificate")

    with pytest.raises(ConfigurationError):
        bench.link.open()


def test_failure_is_counted_and_explained(bench: Bench) -> None:
    error = TransportError("away")

    bench.link.count_failure(error)
    bench.link.explain(error)

    assert bench.ledger.counts.send_errors == 1
    assert bench.kafka.explained == [error]


def test_sender_that_failed_closes_the_intake(bench: Bench) -> None:
    assert bench.intake.error is None

    bench.link.sender_failed()

    assert isinstance(bench.intake.error, LifecycleError)
    assert "the event was not logged" in str(bench.intake.error)
