"""Checks the harness itself: each listener accepts and refuses the right clients, and each fault is what it claims."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer

from tests.services.fixtures import new_topic
from tests.services.kafka import LISTENERS, KafkaBroker, Mechanism, Protocol
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 60.0
_QUIET = logging.getLogger("kafka-harness-test")
_QUIET.propagate = False
_QUIET.addHandler(logging.NullHandler())
_MECHANISMS: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
StartKafka = Callable[..., KafkaBroker]


class Client:
    """A producer that remembers its errors and delivery reports."""

    def __init__(self, options: dict[str, Any], *, patience: float = _LIMIT) -> None:
        self.errors: list[KafkaError] = []
        self.reports: list[KafkaError | None] = []
        quick = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200, "enable.idempotence": True}
        limits = {"message.timeout.ms": round(patience * 1_000)}
        self._producer = Producer({**options, **quick, **limits, "error_cb": self.errors.append}, logger=_QUIET)

    def send(self, topic: str, value: bytes = b"value") -> KafkaError | None:
        def on_delivery(error: KafkaError | None, message: Message) -> None:
            del message
            self.reports.append(error)

        self._producer.produce(topic, value=value, on_delivery=on_delivery)
        assert self._producer.flush(2 * _LIMIT) == 0
        return self.reports[-1]

    def until_error(self, *names: str) -> None:
        """Wait for an error of one of these names, however slow the machine is."""
        until(lambda: self._producer.poll(0.05) >= 0 and {error.name() for error in self.errors} & {*names})

    def until_text(self, text: str) -> None:
        """Wait for an error whose message has this text."""
        until(lambda: self._producer.poll(0.05) >= 0 and any(text in str(error) for error in self.errors))


def _code(error: KafkaError | None) -> str | None:
    return None if error is None else error.name()


def test_client_certificate_gets_in(kafka: KafkaBroker, topic: str) -> None:
    options = kafka.client_options("SSL")
    assert Client(options).send(topic, b"over TLS") is None
    consumer = Consumer({**options, "group.id": topic, "auto.offset.reset": "earliest"}, logger=_QUIET)
    try:
        consumer.subscribe([topic])
        messages = consumer.consume(1, timeout=_LIMIT)
        assert [(message.error(), message.value()) for message in messages] == [(None, b"over TLS")]
    finally:
        consumer.close()


def test_name_of_this_machine_matches_the_certificate(kafka: KafkaBroker, topic: str) -> None:
    options = kafka.client_options("SSL")
    options["bootstrap.servers"] = options["bootstrap.servers"].replace("127.0.0.1", "localhost")
    assert Client(options).send(topic) is None


@pytest.mark.parametrize("client", [None, "foreign", "expired"])
def test_bad_client_certificate_is_refused(kafka: KafkaBroker, topic: str, client: str | None) -> None:
    intruder = Client(kafka.client_options("SSL", client=client), patience=1.5)
    intruder.until_error("_TRANSPORT", "_SSL")
    assert _code(intruder.send(topic)) == "_MSG_TIMED_OUT"
    assert kafka.read(topic) == []


@pytest.mark.parametrize("protocol", ["SSL_WRONG_HOST", "SSL_EXPIRED", "SSL_FOREIGN"])
def test_client_refuses_a_wrong_server(kafka: KafkaBroker, topic: str, protocol: Protocol) -> None:
    client = Client(kafka.client_options(protocol), patience=1.5)
    client.until_text("certificate verify failed")
    assert _code(client.send(topic)) == "_MSG_TIMED_OUT"


@pytest.mark.parametrize("mechanism", _MECHANISMS)
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_user_with_a_password_gets_in(kafka: KafkaBroker, topic: str, protocol: Protocol, mechanism: Mechanism) -> None:
    assert Client(kafka.client_options(protocol, mechanism=mechanism)).send(topic) is None
    assert len(kafka.read(topic)) == 1


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_wrong_password_is_refused(kafka: KafkaBroker, topic: str, mechanism: Mechanism) -> None:
    client = Client(kafka.client_options("SASL_SSL", mechanism=mechanism, password="guess"), patience=1.5)
    client.until_error("_AUTHENTICATION")
    assert _code(client.send(topic)) == "_MSG_TIMED_OUT"


def test_certificate_without_an_acl_is_refused(kafka: KafkaBroker, topic: str) -> None:
    stranger = Client(kafka.client_options("SSL", client="stranger") | {"enable.idempotence": False})
    assert _code(stranger.send(topic)) in {"TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"}


def test_topic_without_an_acl_is_refused(kafka: KafkaBroker) -> None:
    name = "without-acl"
    kafka.create_topic(name)
    assert _code(Client(kafka.client_options("SSL")).send(name)) == "TOPIC_AUTHORIZATION_FAILED"


def test_misspelt_topic_is_not_created(kafka: KafkaBroker) -> None:
    assert _code(Client(kafka.client_options("PLAINTEXT"), patience=3.0).send("misspelt")) in {
        "_UNKNOWN_TOPIC",
        "UNKNOWN_TOPIC_OR_PART",
        "_MSG_TIMED_OUT",
    }
    assert "misspelt" not in kafka.admin().list_topics(timeout=_LIMIT).topics


def test_each_test_has_its_own_topic(kafka: KafkaBroker, topic: str) -> None:
    other = new_topic(kafka, partitions=2)
    assert other != topic
    topics = kafka.admin().list_topics(timeout=_LIMIT).topics
    assert [len(topics[name].partitions) for name in (topic, other)] == [4, 2]


def test_records_survive_kill_and_restart(own_kafka: StartKafka) -> None:
    broker = own_kafka()
    topic, address = new_topic(broker), broker.bootstrap("SSL")
    client = Client(broker.client_options("SSL"))
    assert client.send(topic, b"before") is None
    broker.kill()
    assert not broker.process.running
    broker.start()
    assert broker.bootstrap("SSL") == address
    assert client.send(topic, b"after") is None
    assert sorted(message.value() or b"" for message in broker.read(topic)) == [b"after", b"before"]


def test_frozen_broker_does_not_answer(own_kafka: StartKafka) -> None:
    broker = own_kafka()
    topic = new_topic(broker)
    assert Client(broker.client_options("SSL")).send(topic, b"before") is None
    broker.freeze()
    assert psutil.Process(broker.process.pid).status() == psutil.STATUS_STOPPED
    assert _code(Client(broker.client_options("SSL"), patience=1.5).send(topic, b"frozen")) == "_MSG_TIMED_OUT"
    broker.thaw()
    assert Client(broker.client_options("SSL")).send(topic, b"after") is None
    assert sorted(message.value() or b"" for message in broker.read(topic)) == [b"after", b"before"]


def test_options_apply_and_proxies_cut(own_kafka: StartKafka) -> None:
    broker = own_kafka(options={"message.max.bytes": "2000"}, proxied=("SSL",))
    topic = new_topic(broker)
    client = Client(broker.client_options("SSL"))
    assert _code(client.send(topic, os.urandom(4_000))) == "MSG_SIZE_TOO_LARGE"
    proxy = broker.proxy("SSL")
    assert proxy.connections > 0
    proxy.refuse()
    assert proxy.connections == 0
    assert _code(Client(broker.client_options("SSL"), patience=1.0).send(topic)) == "_MSG_TIMED_OUT"
    proxy.accept()
    assert client.send(topic, b"after") is None
    assert [message.value() for message in broker.read(topic)] == [b"after"]


def test_listeners_are_on_loopback_only(kafka: KafkaBroker) -> None:
    listening = {
        connection.laddr.port: connection.laddr.ip
        for connection in psutil.Process(kafka.process.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {int(kafka.bootstrap(listener).split(":")[1]) for listener in LISTENERS} <= listening.keys()
    assert {re.sub("^::ffff:", "", address) for address in listening.values()} == {"127.0.0.1"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_server_dies_with_its_test_run(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.services.process import ServiceProcess\n"
        "folder = Path(sys.argv[1])\n"
        "process = ServiceProcess(['sleep', '300'], log=folder / 'log', folder=folder)\n"
        "process.start()\n"
        "print(process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        server = psutil.Process(int(run.stdout.readline()))
        run.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs([server], timeout=_LIMIT)
    assert (gone, alive) == ([server], [])
