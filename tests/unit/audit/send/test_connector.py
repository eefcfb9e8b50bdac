"""The connector on a client that never connects; real brokers are in tests/kafka."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from telemetry.audit.record import SealedRecord
from telemetry.audit.send import connector as connector_module
from telemetry.audit.send import transport as transport_module
from telemetry.audit.send.connector import IgnoreReports, KafkaConnector
from telemetry.config import AuditConfig
from telemetry.exceptions import (
    ConfigurationError,
    RecordTooLargeError,
    TransportError,
    TransportTLSError,
    UnknownTopicError,
)
from telemetry.kafka.diagnose import examination
from telemetry.kafka.diagnose.diagnosis import Diagnosis, Kind
from telemetry.system.worker import Worker
from tests.support.fake_producer import FakeProducer
from tests.support.until import until

_NOT_TLS = Diagnosis.of(Kind.NOT_TLS, "127.0.0.1:9 speaks Kafka's protocol without TLS")
_OK = Diagnosis.of(Kind.OK, "Kafka accepts records")


class _Cluster:
    """Creates clients, and says what an examination finds."""

    def __init__(self) -> None:
        self.clients: list[FakeProducer] = []
        self.options: dict[str, Any] = {}
        self.diagnosis = _NOT_TLS
        self.examinations = 0
        self.may_examine = threading.Event()
        self.may_examine.set()
        self.topic_error: KafkaError | None = None
        self.list_error: KafkaError | None = None
        self.client_error: str | None = None

    def create(self, options: dict[str, Any]) -> FakeProducer:
        if self.client_error is not None:
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, self.client_error))
        client = FakeProducer(options)
        client.topic_error, client.refuses_lists = self.topic_error, self.list_error
        self.options = options
        self.clients.append(client)
        return client

    def diagnose(self, _config: AuditConfig, *, timeout: float) -> Diagnosis:
        assert timeout > 0
        self.examinations += 1
        assert self.may_examine.wait(60)
        return self.diagnosis


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Cluster]:
    cluster = _Cluster()
    monkeypatch.setattr(transport_module, "Producer", cluster.create)
    monkeypatch.setattr(examination, "diagnose", cluster.diagnose)
    yield cluster
    cluster.may_examine.set()


def _connector(**fields: Any) -> KafkaConnector:
    values: dict[str, Any] = {
        "kafka_brokers": "127.0.0.1:9",
        "encryption_enabled": False,
        "fallback_enabled": False,
        "kafka_timeout_ms": 100,
        "max_retries": 3,
    }
    return KafkaConnector(AuditConfig(**(values | fields)))


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "telemetry.kafka"]


def test_deadline_covers_every_attempt() -> None:
    assert _connector(kafka_timeout_ms=500, max_retries=3).deadline == 2.0


@pytest.mark.usefixtures("cluster")
def test_patient_transport_reports_each_record() -> None:
    connector = _connector()
    silent = []
    for transport in (
        connector.open(IgnoreReports(), name="eager"),
        connector.open_patient(IgnoreReports(), name="patient"),
    ):
        record = SealedRecord.written("0", producer="p", sequence=0, key=b"k", value=b"v")
        record.partition = 4
        transport._delivery_reports.learn(record)
        records = [SealedRecord.written(str(n), producer="p", sequence=n, key=b"k", value=b"v") for n in range(100)]
        transport.send(records)
        silent.append(sum(record.on_report is None for record in records))
        transport.take_back()

    assert silent[0] > 50
    assert silent[1] == 0


def test_check_creates_a_client_only(cluster: _Cluster) -> None:
    _connector().check()

    assert len(cluster.clients) == 1
    assert not any(thread.name == "telemetry-check-poller" for thread in threading.enumerate())


def test_unusable_setting_is_configuration_error(cluster: _Cluster) -> None:
    cluster.client_error = 'No such configuration property: "no.such.setting"'

    with pytest.raises(ConfigurationError, match=r"no\.such\.setting"):
        _connector().check()


def test_probe_of_healthy_cluster_finds_nothing(cluster: _Cluster) -> None:
    assert _connector().probe(1.0) is None
    assert cluster.examinations == 0


def test_probe_returns_why_no_client_opens(cluster: _Cluster) -> None:
    cluster.client_error = "ssl.ca.location failed"

    assert "no connection to Kafka can be opened" in str(_connector().probe(1.0))


def test_required_cluster_that_works_is_not_examined(cluster: _Cluster) -> None:
    _connector().require()

    assert cluster.examinations == 0


def test_cause_named_by_broker_is_not_examined(cluster: _Cluster) -> None:
    cluster.topic_error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)

    with pytest.raises(UnknownTopicError):
        _connector().require()
    assert cluster.examinations == 0


def test_unclear_cause_is_examined(cluster: _Cluster) -> None:
    cluster.list_error = KafkaError(KafkaError._TRANSPORT)

    with pytest.raises(TransportTLSError, match="without TLS"):
        _connector().require()


def test_healthy_examination_keeps_first_error(cluster: _Cluster) -> None:
    cluster.list_error, cluster.diagnosis = KafkaError(KafkaError._TRANSPORT), _OK

    with pytest.raises(TransportError, match="_TRANSPORT"):
        _connector().require()


def test_explained_cause_is_logged_once(cluster: _Cluster, caplog: pytest.LogCaptureFixture) -> None:
    connector = _connector()
    for count in (1, 2):
        connector.explain(TransportError("late"))
        until(lambda count=count: cluster.examinations == count)  # type: ignore[misc]
        until(lambda: not connector._diagnosis.is_alive)  # type: ignore[union-attr]

    assert _errors(caplog) == [f"Kafka cannot be used: {_NOT_TLS}"]


def test_other_cause_is_logged_too(cluster: _Cluster, caplog: pytest.LogCaptureFixture) -> None:
    connector = _connector()
    for diagnosis in (_NOT_TLS, _OK):
        cluster.diagnosis = diagnosis
        connector.explain(TransportError("late"))
        until(lambda: not connector._diagnosis.is_alive)  # type: ignore[union-attr]

    assert _errors(caplog)[1] == "Kafka is usable again; it had failed with: late"


@pytest.mark.usefixtures("cluster")
def test_cause_is_logged_again_after_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "_REPEAT_SECONDS", 0.0)
    connector = _connector()
    for _ in range(2):
        connector.explain(TransportError("late"))
        until(lambda: not connector._diagnosis.is_alive)  # type: ignore[union-attr]

    assert len(_errors(caplog)) == 2


def test_failures_together_are_examined_once(cluster: _Cluster) -> None:
    cluster.may_examine.clear()
    connector = _connector()
    for _ in range(3):
        connector.explain(TransportError("late"))
    until(lambda: cluster.examinations > 0)
    cluster.may_examine.set()
    until(lambda: not connector._diagnosis.is_alive)  # type: ignore[union-attr]

    assert cluster.examinations == 1


def test_refused_record_needs_no_examination(cluster: _Cluster) -> None:
    connector = _connector()
    connector.explain(RecordTooLargeError("too large"))

    assert connector._diagnosis is None
    assert cluster.examinations == 0


def test_missing_thread_does_not_stop_later_diagnosis(
    cluster: _Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_worker: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    caplog.set_level(logging.WARNING)
    connector = _connector()
    with monkeypatch.context() as limited:
        limited.setattr(Worker, "start", refuse)
        connector.explain(TransportError("late"))
    assert cluster.examinations == 0

    connector.explain(TransportError("late"))

    until(lambda: _errors(caplog))


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("is_traced", [False, True])
def test_spans_only_where_configured(*, is_traced: bool) -> None:
    transport = _connector(trace_batches=is_traced).open(IgnoreReports(), name="test")
    transport.close()

    assert (transport._spans is not None) == is_traced
