"""The transport on a client that reports when the test says so; real brokers are in tests/kafka."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from telemetry.audit.record import SealedRecord
from telemetry.audit.send import transport as transport_module
from telemetry.audit.send.transport import KafkaTransport
from telemetry.exceptions import (
    RecordTooLargeError,
    TransportAuthenticationError,
    TransportError,
    UnknownTopicError,
)
from telemetry.format.value.message import CONTENT_TYPE
from tests.support.fake_producer import FakeProducer
from tests.support.transport_listener import CollectingListener

_LIMIT = 60.0


class _Bench:
    """A transport, its client and its listener."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.clients: list[FakeProducer] = []

        def create(options: dict[str, Any]) -> FakeProducer:
            self.clients.append(FakeProducer(options))
            return self.clients[-1]

        monkeypatch.setattr(transport_module, "Producer", create)
        self.listener = changes.pop("listener", CollectingListener())
        settings: dict[str, Any] = {"deadline": _LIMIT, "unreachable_after": _LIMIT} | changes
        self.transport = KafkaTransport({}, "events", listener=self.listener, **settings)

    @property
    def client(self) -> FakeProducer:
        return self.clients[0]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., _Bench]]:
    benches: list[_Bench] = []

    def open_bench(**changes: Any) -> _Bench:
        benches.append(_Bench(monkeypatch, **changes))
        return benches[-1]

    yield open_bench
    for bench in benches:
        bench.transport.take_back()


def _records(count: int) -> list[SealedRecord]:
    return [
        SealedRecord.written(
            str(number), producer="p", sequence=number, key=b"k%d" % (number % 3), value=b"%d" % number
        )
        for number in range(count)
    ]


def test_acknowledged_records_reach_the_listener(opened: Callable[..., _Bench]) -> None:
    bench, records = opened(), _records(3)
    bench.transport.send(records, headers=[("batch", b"1")])
    bench.client.acknowledge(3)

    assert bench.transport.wait_empty(_LIMIT)
    assert bench.listener.records == records
    assert bench.transport.has_delivered
    assert bench.client.headers[0] == [("content-type", CONTENT_TYPE), ("batch", b"1")]


def test_leaves_of_a_checkpoint_are_a_header_of_its_record_alone(opened: Callable[..., _Bench]) -> None:
    bench = opened()
    checkpoint = SealedRecord.written("c", producer="p", sequence=None, key=b"p", value=b"note", leaves=b"\x01leaves")
    bench.transport.send([*_records(2), checkpoint], headers=[("batch", b"1")])
    bench.client.acknowledge(3)

    assert bench.transport.wait_empty(_LIMIT)
    common = [("content-type", CONTENT_TYPE), ("batch", b"1")]
    assert bench.client.headers == [common, common, [*common, ("telemetry-leaves", b"\x01leaves")]]


def test_one_report_confirms_a_partition(opened: Callable[..., _Bench]) -> None:
    bench, records = opened(), _records(200)
    bench.transport.send(records[:3])
    bench.client.acknowledge(3, partition=5)
    assert bench.transport.wait_empty(_LIMIT)

    bench.transport.send(records[3:])
    silent = [record for record in records[3:] if record.on_report is None]
    assert len(silent) > 150
    assert {partition for _, partition, _ in bench.client.pending} == {5}
    bench.client.acknowledge(197, partition=5)

    assert bench.transport.wait_empty(_LIMIT)
    assert bench.listener.records == records


def test_refused_record_fails_the_transport(opened: Callable[..., _Bench]) -> None:
    bench, records = opened(), _records(3)
    bench.transport.send(records)
    bench.client.acknowledge(1)
    bench.client.refuse(KafkaError.MSG_SIZE_TOO_LARGE)

    assert bench.listener.failed.wait(_LIMIT)
    assert isinstance(bench.transport.failure, RecordTooLargeError)
    assert bench.transport.take_back() == records[1:]
    assert [record.reported for record in records[1:]] == [False, False]


def test_late_record_fails_the_transport(opened: Callable[..., _Bench]) -> None:
    bench = opened(deadline=0.05)
    bench.transport.send(_records(1))

    assert bench.listener.failed.wait(_LIMIT)
    assert "did not acknowledge" in str(bench.transport.failure)


def test_late_record_before_acknowledged_one_fails(opened: Callable[..., _Bench]) -> None:
    """One partition has no leader while the one of the batch's last record works."""
    bench, records = opened(deadline=0.05), _records(2)
    bench.transport.send(records)
    bench.client.pending.popleft()
    bench.client.acknowledge()

    assert bench.listener.failed.wait(_LIMIT)
    assert bench.listener.records == records[1:]
    assert bench.transport.take_back() == records[:1]


def test_all_brokers_down_fails_the_transport(opened: Callable[..., _Bench]) -> None:
    bench = opened(unreachable_after=0.05)
    bench.client.emit_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    bench.transport.send(_records(1))

    assert bench.listener.failed.wait(_LIMIT)
    assert "no broker is reachable" in str(bench.transport.failure)


def test_fatal_error_in_poll_fails_the_transport(opened: Callable[..., _Bench]) -> None:
    bench = opened()
    bench.client.raise_in_poll(KafkaError(KafkaError._FATAL, "ended", fatal=True))

    assert bench.listener.failed.wait(_LIMIT)
    assert "ended" in str(bench.transport.failure)


def test_full_client_queue_waits_for_room(opened: Callable[..., _Bench]) -> None:
    bench, records = opened(), _records(3)
    bench.client.room = 2

    bench.client.when_full = lambda: bench.client.acknowledge(2)
    bench.transport.send(records)
    bench.client.acknowledge()

    assert bench.transport.wait_empty(_LIMIT)
    assert bench.listener.records == records


def test_client_queue_that_stays_full_fails(opened: Callable[..., _Bench]) -> None:
    bench, records = opened(deadline=0.05), _records(3)
    bench.client.room = 1
    bench.transport.send(records)

    assert bench.listener.failed.wait(_LIMIT)
    assert bench.transport.take_back() == records


def test_failing_listener_does_not_end_polling(opened: Callable[..., _Bench], caplog: pytest.LogCaptureFixture) -> None:
    class Failing(CollectingListener):
        def delivered(self, records: list[SealedRecord]) -> None:
            super().delivered(records)
            if len(self.records) == 1:
                message = "a meter of the application"
                raise RuntimeError(message)

    bench, records = opened(listener=Failing()), _records(2)
    with caplog.at_level(logging.ERROR):
        bench.transport.send(records[:1])
        bench.client.acknowledge()
        bench.transport.send(records[1:])
        bench.client.acknowledge()

        assert bench.transport.wait_empty(_LIMIT)
    assert bench.listener.records == records


def test_ended_transport_sends_nothing(opened: Callable[..., _Bench]) -> None:
    bench = opened()
    assert bench.transport.take_back() == []

    bench.transport.send(_records(1))

    assert len(bench.transport) == 0
    assert not bench.client.pending


def test_failure_ends_every_wait(opened: Callable[..., _Bench]) -> None:
    bench, records = opened(), _records(2)
    bench.transport.send(records)
    bench.transport.fail(TransportError("first"))
    bench.transport.fail(TransportError("second"))

    assert not bench.transport.wait_empty(_LIMIT)
    assert not bench.transport.wait_for(records)
    assert str(bench.transport.failure) == "first"
    assert bench.transport.outstanding() == records


def test_probe_of_good_topic_finds_nothing(opened: Callable[..., _Bench]) -> None:
    assert opened().transport.probe(_LIMIT) is None


def test_probe_names_unknown_topic(opened: Callable[..., _Bench]) -> None:
    bench = opened()
    bench.client.topic_error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)

    assert isinstance(bench.transport.probe(_LIMIT), UnknownTopicError)


def test_probe_tries_refused_password_once(opened: Callable[..., _Bench]) -> None:
    bench = opened()
    bench.client.refuses_lists = KafkaError(KafkaError._AUTHENTICATION)

    assert isinstance(bench.transport.probe(_LIMIT), TransportAuthenticationError)


def test_probe_gives_up_after_time(opened: Callable[..., _Bench]) -> None:
    bench = opened()
    bench.client.refuses_lists = KafkaError(KafkaError._TRANSPORT)

    assert "_TRANSPORT" in str(bench.transport.probe(0.1))
