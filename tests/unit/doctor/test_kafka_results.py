from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.doctor import CheckResult, Status
from telemetry.doctor.kafka import CHECKS, kafka_results
from telemetry.kafka.diagnose.diagnosis import Diagnosis, Kind
from telemetry.kafka.diagnose.examination import Examination
from telemetry.kafka.diagnose.listener import ListenerFacts
from telemetry.kafka.diagnose.topic_facts import TopicFacts

_CONFIG = AuditConfig(kafka_brokers="127.0.0.1:9", encryption_enabled=False, fallback_enabled=False)
_SETTINGS = {
    "min.insync.replicas": "2",
    "max.message.bytes": "2097152",
    "cleanup.policy": "delete",
    "message.timestamp.type": "LogAppendTime",
    "compression.type": "producer",
    "retention.ms": "86400000",
}


def _topic(**changes: Any) -> TopicFacts:
    facts: dict[str, Any] = {
        "name": "audit-events",
        "partitions": 6,
        "replicas": 3,
        "in_sync": 3,
        "leaderless": 0,
        "operations": frozenset({"WRITE", "DESCRIBE"}),
        "settings": _SETTINGS,
        "newest": None,
    }
    return TopicFacts(**(facts | changes))


def _examined(*, ends: dt.datetime | None = None, **changes: Any) -> Examination:
    examination = Examination(listeners=[ListenerFacts("127.0.0.1:9", "TLSv1.3", ends)], logged_in=True, topic=_topic())
    for name, value in changes.items():
        setattr(examination, name, value)
    return examination


def _results(examination: Examination) -> dict[str, CheckResult]:
    return {result.check: result for result in kafka_results(_CONFIG, examination)}


def test_healthy_cluster_passes_every_check() -> None:
    results = _results(_examined())

    assert [*results] == [*CHECKS, "kafka.settings"]
    assert {result.status for result in results.values()} == {Status.OK}


@pytest.mark.parametrize(
    ("kind", "reached", "check", "code"),
    [
        (Kind.UNREACHABLE, {"listeners": [], "logged_in": False, "topic": None}, "kafka.connection", 6),
        (Kind.CONFIGURATION, {"listeners": [], "logged_in": False, "topic": None}, "kafka.connection", 2),
        (Kind.WRONG_PASSWORD, {"logged_in": False, "topic": None}, "kafka.login", 6),
        (Kind.UNKNOWN_TOPIC, {"topic": None}, "kafka.topic", 6),
        (Kind.NO_ACL, {"topic": None}, "kafka.topic", 6),
        (Kind.NO_ACL, {}, "kafka.permission", 6),
        (Kind.TOO_FEW_REPLICAS, {}, "kafka.replication", 6),
        (Kind.RECORD_TOO_LARGE, {}, "kafka.size", 6),
    ],
)
def test_failure_ends_the_list_of_checks(kind: Kind, reached: dict[str, Any], check: str, code: int) -> None:
    results = list(kafka_results(_CONFIG, _examined(diagnosis=Diagnosis.of(kind, "seen"), **reached)))

    assert [result.check for result in results if result.status is Status.FAILED] == [check]
    assert results[-1].check == check
    assert (results[-1].kind, results[-1].exit_code) == (kind.value, code)
    assert results[-1].remedy


@pytest.mark.parametrize(
    ("changes", "check", "status"),
    [
        ({"replicas": 1}, "kafka.replication", Status.WARNING),
        ({"settings": _SETTINGS | {"min.insync.replicas": "1"}}, "kafka.replication", Status.WARNING),
        ({"settings": _SETTINGS | {"min.insync.replicas": "3"}}, "kafka.replication", Status.WARNING),
        ({"settings": _SETTINGS | {"max.message.bytes": "100000"}}, "kafka.size", Status.WARNING),
        ({"settings": None}, "kafka.size", Status.SKIPPED),
        ({"settings": None}, "kafka.settings", Status.SKIPPED),
        ({"settings": None}, "kafka.replication", Status.OK),
        ({"operations": None}, "kafka.permission", Status.SKIPPED),
        ({"settings": _SETTINGS | {"cleanup.policy": "compact,delete"}}, "kafka.settings", Status.FAILED),
        ({"settings": _SETTINGS | {"message.timestamp.type": "CreateTime"}}, "kafka.settings", Status.WARNING),
    ],
)
def test_weak_topic_setting_is_reported(changes: dict[str, Any], check: str, status: Status) -> None:
    assert _results(_examined(topic=_topic(**changes)))[check].status is status


def test_soon_expiring_certificate_is_reported() -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)

    assert _results(_examined(ends=soon))["kafka.connection"].status is Status.WARNING
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=300)
    assert _results(_examined(ends=later))["kafka.connection"].status is Status.OK


def test_one_dead_address_is_a_warning() -> None:
    fault = Diagnosis.of(Kind.UNREACHABLE, "nothing answers")

    connection = _results(_examined(faults=[fault]))["kafka.connection"]

    assert (connection.status, connection.kind) == (Status.WARNING, "unreachable")
