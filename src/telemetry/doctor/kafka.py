"""Turns an examination of Kafka into the lines of the report."""

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


def kafka_results(config: AuditConfig, examination: Examination) -> Iterator[CheckResult]:
    """Yield a result for each of ``CHECKS``, and one for the topic's settings.

    Args:
        config: The audit pipeline's configuration.
        examination: Result of ``telemetry.kafka.diagnose.examination.examine``.
    """
    broken = _broken_check(examination)
    for check in CHECKS:
        if check == broken:
            yield _failure(check, examination.diagnosis)
            return
        yield _passed(check, config, examination)
    if examination.topic is not None:
        yield _settings_result(examination.topic)


def _broken_check(examination: Examination) -> str | None:
    # The check at which the examination stopped; the later ones were not reached.
    kind = examination.diagnosis.kind
    if kind is Kind.OK:
        return None
    if kind is Kind.RECORD_TOO_LARGE:
        return "kafka.size"
    if kind is Kind.TOO_FEW_REPLICAS:
        return "kafka.replication"
    if examination.topic is not None:
        return "kafka.permission"
    if examination.logged_in:
        return "kafka.topic"
    return "kafka.login" if examination.listeners else "kafka.connection"


def _failure(check: str, diagnosis: Diagnosis) -> CheckResult:
    code = ConfigurationError.exit_code if diagnosis.kind is Kind.CONFIGURATION else diagnosis.error().exit_code
    return CheckResult(
        check, Status.FAILED, diagnosis.message, diagnosis.remedy, kind=diagnosis.kind.value, exit_code=code
    )


def _passed(check: str, config: AuditConfig, examination: Examination) -> CheckResult:
    topic = examination.topic
    if check == "kafka.connection":
        return _connection_result(config, examination)
    if check == "kafka.login":
        uses_sasl = config.security_protocol.startswith("SASL") and config.kafka_config is not None
        how = f" with {config.kafka_config.mechanism}" if uses_sasl and config.kafka_config else ""
        return CheckResult(check, Status.OK, f"logged in{how}")
    if topic is None:
        return CheckResult(check, Status.SKIPPED, "not checked")
    if check == "kafka.topic":
        return CheckResult(check, Status.OK, f"{topic.name!r} has {topic.partitions} partitions, each with a leader")
    if check == "kafka.permission":
        known = topic.operations is not None
        message = "this principal may write" if known else "the broker does not say what this principal may do"
        return CheckResult(check, Status.OK if known else Status.SKIPPED, message)
    return _replication_result(topic) if check == "kafka.replication" else _size_result(config, topic)


def _connection_result(config: AuditConfig, examination: Examination) -> CheckResult:
    check = "kafka.connection"
    if examination.faults:
        faults = "; ".join(f"{fault.message} [{fault.kind.value}]" for fault in examination.faults)
        first = examination.faults[0]
        message = f"some addresses cannot be used: {faults}"
        return CheckResult(check, Status.WARNING, message, first.remedy, kind=first.kind.value)
    expiry = _first_expiry(config, examination)
    if expiry is not None and expiry[0] - dt.datetime.now(dt.UTC) < _SOON:
        message = f"{expiry[1]} expires on {expiry[0]:%Y-%m-%d}"
        return CheckResult(check, Status.WARNING, message, "renew it; replaced files are used without a restart")
    versions = sorted({listener.tls or "without TLS" for listener in examination.listeners})
    message = f"{len(examination.listeners)} addresses answer, {', '.join(versions)}"
    return CheckResult(
        check, Status.OK, message + (f"; certificates are valid until {expiry[0]:%Y-%m-%d}" if expiry else "")
    )


def _first_expiry(config: AuditConfig, examination: Examination) -> tuple[dt.datetime, str] | None:
    """Return when the first certificate expires, and its name."""
    # Both sides' certificates: each ends the connection on its day.
    ends = [
        (listener.certificate_ends, f"the certificate of {listener.address}")
        for listener in examination.listeners
        if listener.certificate_ends is not None
    ]
    try:
        validity = TlsIdentity.load(config.kafka_config).validity
    except DiagnosedError:
        # Reported as the failure of the connection; here it only has no date.
        validity = None
    if validity is not None:
        ends.append((validity[1], "this client's certificate"))
    return min(ends, default=None)


def _replication_result(topic: TopicFacts) -> CheckResult:
    check = "kafka.replication"
    required = topic.setting("min.insync.replicas")
    if topic.replicas < _SAFE_REPLICAS:
        message = f"{topic.name!r} has one replica only: acks=all waits for a single copy"
        return CheckResult(check, Status.WARNING, message, "give the topic 3 replicas and min.insync.replicas=2")
    if required is None:
        message = f"{topic.replicas} replicas; min.insync.replicas may not be read without DESCRIBE_CONFIGS"
        return CheckResult(check, Status.OK, message)
    if required < _SAFE_REPLICAS:
        message = f"{topic.replicas} replicas, but min.insync.replicas={required}: acks=all may wait for one copy only"
        return CheckResult(check, Status.WARNING, message, "set min.insync.replicas=2")
    # Every replica must then confirm: safe, but one broker less is an outage.
    if required >= topic.replicas:
        message = f"min.insync.replicas={required} of {topic.replicas} replicas: one broker down stops the topic"
        return CheckResult(check, Status.WARNING, message, "add a replica")
    return CheckResult(
        check, Status.OK, f"{topic.replicas} replicas, {required} must confirm, {topic.in_sync} are in sync"
    )


def _size_result(config: AuditConfig, topic: TopicFacts) -> CheckResult:
    check = "kafka.size"
    limit = topic.setting("max.message.bytes")
    if limit is None:
        message = "max.message.bytes may not be read without DESCRIBE_CONFIGS on the topic"
        return CheckResult(check, Status.SKIPPED, message, "compare it with max_event_bytes by hand")
    # A producer sends batches, and the broker's limit is on the batch.
    batch = int(producer_options(config)["batch.size"])
    if limit < batch:
        message = f"the topic accepts {limit} bytes at once, batches grow to {batch}"
        remedy = 'raise max.message.bytes, or set kafka_options = {"batch.size": ...} below it'
        return CheckResult(check, Status.WARNING, message, remedy)
    return CheckResult(
        check, Status.OK, f"the topic accepts {limit} bytes, a record needs {largest_record(config)} at most"
    )


def _settings_result(topic: TopicFacts) -> CheckResult:
    check = "kafka.settings"
    if topic.settings is None:
        message = "the topic's settings may not be read without DESCRIBE_CONFIGS"
        return CheckResult(check, Status.SKIPPED, message, "telemetry topic create sets them correctly")
    if "compact" in topic.settings.get("cleanup.policy", ""):
        message = f"{topic.name!r} is compacted: of each user's events only the last is kept"
        return CheckResult(check, Status.FAILED, message, "set cleanup.policy=delete", exit_code=6)
    # With LogAppendTime the time of a record is the broker's, which the clock check relies on.
    wishes = {"message.timestamp.type": "LogAppendTime", "compression.type": "producer"}
    others = [f"{name}={topic.settings[name]}" for name, value in wishes.items() if topic.settings.get(name) != value]
    days = topic.setting("retention.ms") or -1
    kept = f"records are kept {days / 86_400_000:.0f} days" if days >= 0 else "records are kept indefinitely"
    if others:
        wish = ", ".join(f"{name}={value}" for name, value in wishes.items())
        return CheckResult(check, Status.WARNING, f"{kept}; {', '.join(others)}", f"set {wish}")
    return CheckResult(check, Status.OK, kept)
