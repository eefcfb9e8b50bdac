"""Puts what an examination of Kafka found into the lines of the report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from telemetry.config import AuditConfig
from telemetry.doctor.report import CheckResult, Status
from telemetry.exceptions import ConfigurationError
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Diagnosis, Kind
from telemetry.kafka.diagnose.examination import Examination, largest_record
from telemetry.kafka.diagnose.identity import TlsIdentity
from telemetry.kafka.diagnose.topic_facts import TopicFacts
from telemetry.kafka.options import producer_options

CHECKS = ("kafka.connection", "kafka.login", "kafka.topic", "kafka.permission", "kafka.replication", "kafka.size")

_SOON = dt.timedelta(days=14)
_SAFE_REPLICAS = 2


def kafka_results(config: AuditConfig, found: Examination) -> Iterator[CheckResult]:
    """Yield a result for each of ``CHECKS``, and one for the topic's settings.

    Args:
        config: The audit pipeline's configuration.
        found: What ``telemetry.kafka.diagnose.examination.examine`` returned.
    """
    broken = _broken_check(found)
    for check in CHECKS:
        if check == broken:
            yield _failure(check, found.diagnosis)
            return
        yield _passed(check, config, found)
    if found.topic is not None:
        yield _settings_result(found.topic)


def _broken_check(found: Examination) -> str | None:
    kind = found.diagnosis.kind
    if kind is Kind.OK:
        return None
    if kind is Kind.RECORD_TOO_LARGE:
        return "kafka.size"
    if kind is Kind.TOO_FEW_REPLICAS:
        return "kafka.replication"
    if found.topic is not None:
        return "kafka.permission"
    if found.logged_in:
        return "kafka.topic"
    return "kafka.login" if found.listeners else "kafka.connection"


def _failure(check: str, diagnosis: Diagnosis) -> CheckResult:
    code = ConfigurationError.exit_code if diagnosis.kind is Kind.CONFIGURATION else diagnosis.error().exit_code
    return CheckResult(
        check, Status.FAILED, diagnosis.message, diagnosis.remedy, kind=diagnosis.kind.value, exit_code=code
    )


def _passed(check: str, config: AuditConfig, found: Examination) -> CheckResult:
    topic = found.topic
    if check == "kafka.connection":
        return _connection_result(config, found)
    if check == "kafka.login":
        who = (
            config.kafka_config.mechanism if config.security_protocol.startswith("SASL") and config.kafka_config else ""
        )
        return CheckResult(check, Status.OK, f"logged in{f' with {who}' if who else ''}")
    if topic is None:
        return CheckResult(check, Status.SKIPPED, "not looked at")
    if check == "kafka.topic":
        return CheckResult(check, Status.OK, f"{topic.name!r} has {topic.partitions} partitions, each with a leader")
    if check == "kafka.permission":
        known = topic.operations is not None
        told = "this principal may write" if known else "the broker does not tell what this principal may do"
        return CheckResult(check, Status.OK if known else Status.SKIPPED, told)
    return _replication_result(topic) if check == "kafka.replication" else _size_result(config, topic)


def _connection_result(config: AuditConfig, found: Examination) -> CheckResult:
    check = "kafka.connection"
    if found.faults:
        seen = "; ".join(f"{fault.message} [{fault.kind.value}]" for fault in found.faults)
        first = found.faults[0]
        message = f"some addresses cannot be used: {seen}"
        return CheckResult(check, Status.WARNING, message, first.remedy, kind=first.kind.value)
    ends = _first_end(config, found)
    if ends is not None and ends[0] - dt.datetime.now(dt.UTC) < _SOON:
        message = f"{ends[1]} expires on {ends[0]:%Y-%m-%d}"
        return CheckResult(check, Status.WARNING, message, "renew it; replaced files are taken up without a restart")
    versions = sorted({listener.tls or "without TLS" for listener in found.listeners})
    told = f"{len(found.listeners)} addresses answer, {', '.join(versions)}"
    return CheckResult(check, Status.OK, told + (f"; certificates are valid until {ends[0]:%Y-%m-%d}" if ends else ""))


def _first_end(config: AuditConfig, found: Examination) -> tuple[dt.datetime, str] | None:
    """Return which certificate expires first, and when."""
    ends = [
        (listener.certificate_ends, f"the certificate of {listener.address}")
        for listener in found.listeners
        if listener.certificate_ends is not None
    ]
    try:
        validity = TlsIdentity.load(config.kafka_config).validity
    except DiagnosedError:
        validity = None
    if validity is not None:
        ends.append((validity[1], "this client's certificate"))
    return min(ends, default=None)


def _replication_result(topic: TopicFacts) -> CheckResult:
    check = "kafka.replication"
    wanted = topic.setting("min.insync.replicas")
    if topic.replicas < _SAFE_REPLICAS:
        message = f"{topic.name!r} is kept on one broker only: acks=all waits for a single copy"
        return CheckResult(check, Status.WARNING, message, "give the topic 3 replicas and min.insync.replicas=2")
    if wanted is None:
        message = f"{topic.replicas} replicas; min.insync.replicas may not be read without DESCRIBE_CONFIGS"
        return CheckResult(check, Status.OK, message)
    if wanted < _SAFE_REPLICAS:
        message = f"{topic.replicas} replicas, but min.insync.replicas={wanted}: acks=all may wait for one copy only"
        return CheckResult(check, Status.WARNING, message, "set min.insync.replicas=2")
    if wanted >= topic.replicas:
        message = f"min.insync.replicas={wanted} of {topic.replicas} replicas: one broker down stops the topic"
        return CheckResult(check, Status.WARNING, message, "add a replica")
    return CheckResult(
        check, Status.OK, f"{topic.replicas} replicas, {wanted} must confirm, {topic.in_sync} are in sync"
    )


def _size_result(config: AuditConfig, topic: TopicFacts) -> CheckResult:
    check = "kafka.size"
    limit = topic.setting("max.message.bytes")
    if limit is None:
        message = "max.message.bytes may not be read without DESCRIBE_CONFIGS on the topic"
        return CheckResult(check, Status.SKIPPED, message, "compare it with max_event_bytes yourself")
    batch = int(producer_options(config)["batch.size"])
    if limit < batch:
        message = f"the topic takes {limit} bytes at once, batches grow to {batch}"
        remedy = 'raise max.message.bytes, or set kafka_options = {"batch.size": ...} below it'
        return CheckResult(check, Status.WARNING, message, remedy)
    return CheckResult(
        check, Status.OK, f"the topic takes {limit} bytes, an event needs {largest_record(config)} at most"
    )


def _settings_result(topic: TopicFacts) -> CheckResult:
    check = "kafka.settings"
    if topic.settings is None:
        message = "the topic's settings may not be read without DESCRIBE_CONFIGS"
        return CheckResult(check, Status.SKIPPED, message, "telemetry topic create makes them right")
    if "compact" in topic.settings.get("cleanup.policy", ""):
        message = f"{topic.name!r} is compacted: of each user's events only the last is kept"
        return CheckResult(check, Status.FAILED, message, "set cleanup.policy=delete", exit_code=6)
    wishes = {"message.timestamp.type": "LogAppendTime", "compression.type": "producer"}
    others = [f"{name}={topic.settings[name]}" for name, value in wishes.items() if topic.settings.get(name) != value]
    days = topic.setting("retention.ms") or -1
    kept = f"records are kept {days / 86_400_000:.0f} days" if days >= 0 else "records are kept for ever"
    if others:
        wish = ", ".join(f"{name}={value}" for name, value in wishes.items())
        return CheckResult(check, Status.WARNING, f"{kept}; {', '.join(others)}", f"set {wish}")
    return CheckResult(check, Status.OK, kept)
