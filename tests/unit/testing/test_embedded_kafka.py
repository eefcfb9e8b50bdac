from __future__ import annotations

import logging
import multiprocessing
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from telemetry.exceptions import ConfigurationError, LifecycleError, TransportError
from telemetry.testing import EmbeddedKafka

_QUIET = logging.getLogger("embedded-kafka-test")
_QUIET.propagate = False
_QUIET.addHandler(logging.NullHandler())
_TIMED_OUT = 7
_LIMIT = 20.0


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as running:
        yield running


def _producer(broker: EmbeddedKafka, **options: object) -> Producer:
    fast = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 10}
    return Producer({"bootstrap.servers": broker.bootstrap_servers, **fast, **options}, logger=_QUIET)


def _send(producer: Producer, value: bytes = b"value", topic: str = "audit-events") -> KafkaError | None:
    reports: list[KafkaError | None] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        del message
        reports.append(error)

    producer.produce(topic, value=value, partition=0, on_delivery=on_delivery)
    assert producer.flush(_LIMIT) == 0
    return reports[0]


def _read(broker: EmbeddedKafka, count: int) -> list[bytes | None]:
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "g", "enable.auto.commit": False}, logger=_QUIET
    )
    try:
        consumer.assign([TopicPartition("audit-events", 0, 0)])
        return [message.value() for message in consumer.consume(count, timeout=_LIMIT)]
    finally:
        consumer.close()


def test_one_client_reads_records_of_another(broker: EmbeddedKafka) -> None:
    producer = _producer(broker)
    assert _send(producer, b"one") is None
    assert _send(producer, b"two") is None
    assert _read(broker, 2) == [b"one", b"two"]


def test_only_the_loopback_address_is_used() -> None:
    with EmbeddedKafka(brokers=3) as broker:
        addresses = broker.bootstrap_servers.split(",")
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_topic_has_the_partitions_asked_for() -> None:
    with EmbeddedKafka(partitions=6, topic="trail") as broker:
        broker.create_topic("other", partitions=2)
        topics = _producer(broker).list_topics(timeout=_LIMIT).topics
    assert {name: len(topic.partitions) for name, topic in topics.items()} == {"trail": 6, "other": 2}


def test_topic_created_twice_is_refused(broker: EmbeddedKafka) -> None:
    with pytest.raises(TransportError, match="'audit-events' could not be created"):
        broker.create_topic("audit-events")


def test_stopped_brokers_return_with_their_records(broker: EmbeddedKafka) -> None:
    producer = _producer(broker)
    assert _send(producer, b"before") is None
    broker.stop_brokers()
    host, port = broker.bootstrap_servers.split(":")
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), timeout=_LIMIT):
        pass
    failure = _send(_producer(broker, **{"message.timeout.ms": 300}), b"lost")
    assert failure is not None
    assert failure.code() == KafkaError._MSG_TIMED_OUT
    broker.start_brokers()
    assert _send(producer, b"after") is None
    assert _read(broker, 2) == [b"before", b"after"]


def test_failed_requests_are_counted(broker: EmbeddedKafka) -> None:
    broker.fail_produce(_TIMED_OUT, 2)
    producer = _producer(broker, retries=0)
    failures = [_send(producer) for _ in range(3)]
    assert [failure and failure.code() for failure in failures] == [_TIMED_OUT, _TIMED_OUT, None]


def test_failures_to_come_can_be_cleared(broker: EmbeddedKafka) -> None:
    broker.fail_produce(_TIMED_OUT, 1_000)
    broker.fail_produce(_TIMED_OUT, 0)
    assert _send(_producer(broker, retries=0)) is None


def test_idempotent_producer_survives_retriable_failures(broker: EmbeddedKafka) -> None:
    broker.fail_produce(_TIMED_OUT, 2)
    assert _send(_producer(broker, **{"enable.idempotence": True}), b"once") is None
    assert _read(broker, 1) == [b"once"]


def test_latency_delays_responses_until_it_ends(broker: EmbeddedKafka) -> None:
    producer = _producer(broker)
    assert _send(producer) is None
    broker.set_latency(0.3)
    begun = time.monotonic()
    assert _send(producer) is None
    assert time.monotonic() - begun >= 0.29
    broker.set_latency(0)
    assert _send(producer) is None


def test_clients_write_nothing_to_stderr() -> None:
    script = (
        "import contextlib, socket\n"
        "from telemetry.testing import EmbeddedKafka\n"
        "with EmbeddedKafka() as broker:\n"
        "    host, port = broker.bootstrap_servers.split(':')\n"
        "    with contextlib.suppress(ConnectionError), socket.create_connection((host, int(port))) as client:\n"
        "        client.sendall(b'\\x7f' * 64)\n"
        "        client.recv(1)\n"
        "    broker.stop_brokers()\n"
        "    broker.start_brokers()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_closed_twice_and_started_again() -> None:
    broker = EmbeddedKafka()
    broker.close()
    for _ in range(2):
        with broker:
            assert _send(_producer(broker)) is None
        broker.close()


def test_started_twice_is_refused(broker: EmbeddedKafka) -> None:
    with pytest.raises(LifecycleError, match="already running"):
        broker.start()


def test_stopped_object_refuses_every_call() -> None:
    broker = EmbeddedKafka()
    for call in (
        broker.stop_brokers,
        broker.start_brokers,
        lambda: broker.fail_produce(7),
        lambda: broker.set_latency(1),
    ):
        with pytest.raises(LifecycleError, match="not running"):
            call()
    with pytest.raises(LifecycleError, match="not running"):
        _ = broker.bootstrap_servers


@pytest.mark.parametrize(
    "arguments",
    [{"brokers": 0}, {"brokers": 33}, {"partitions": 0}, {"partitions": 1_001}, {"topic": ""}, {"topic": "a\0"}],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, int | str]) -> None:
    with pytest.raises(ConfigurationError, match=r"brokers|partitions|topic"):
        EmbeddedKafka(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [-0.1, 3_601.0, float("nan")])
def test_latency_out_of_range_is_refused(broker: EmbeddedKafka, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="seconds"):
        broker.set_latency(seconds)


@pytest.mark.parametrize("count", [-1, 100_001])
def test_failure_count_out_of_range_is_refused(broker: EmbeddedKafka, count: int) -> None:
    with pytest.raises(ConfigurationError, match="count"):
        broker.fail_produce(_TIMED_OUT, count)


def _use_in_child(broker: EmbeddedKafka, answers: multiprocessing.SimpleQueue[str]) -> None:
    try:
        broker.stop_brokers()
    except LifecycleError as exc:
        answers.put(str(exc))
    broker.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_forked_child_cannot_use_the_brokers(broker: EmbeddedKafka) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_use_in_child, args=(broker, answers))
    child.start()
    child.join(_LIMIT)
    assert child.exitcode == 0
    assert "forked" in answers.get()
    assert _send(_producer(broker)) is None


def test_faults_from_many_threads_at_once(broker: EmbeddedKafka) -> None:
    errors: list[BaseException] = []

    def disturb() -> None:
        try:
            for _ in range(3):
                broker.stop_brokers()
                broker.start_brokers()
        except BaseException as exc:  # noqa: BLE001 - every failure of a thread must reach the test
            errors.append(exc)

    threads = [threading.Thread(target=disturb) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LIMIT)
    assert errors == []
    broker.start_brokers()
    assert _send(_producer(broker)) is None
