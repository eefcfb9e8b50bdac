"""Runs all checks of the doctor, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.doctor.kafka import kafka_results
from telemetry.doctor.machine import clock_result, disk_results
from telemetry.doctor.report import CheckResult, Report, Status
from telemetry.doctor.secrets import secret_results
from telemetry.doctor.stores import key_result, spool_results, store_results
from telemetry.doctor.subjects import subject_results
from telemetry.exceptions import ConfigurationError, EncryptionError
from telemetry.kafka.diagnose.examination import EXAMINATION_SECONDS
from telemetry.kafka.diagnose.examination import examine as examine_kafka
from telemetry.kafka.options import producer_options


def examine(
    config: TelemetryConfig,
    *,
    timeout: float = EXAMINATION_SECONDS,
    on_result: Callable[[CheckResult], None] = lambda _result: None,
) -> Report:
    """Check configuration, secrets, key, subject store, Kafka, fallback store, spool, disk and clock.

    It writes no record to the topic. The key service wraps and unwraps a trial key; the store keeps a trial object for a
    moment.

    Args:
        config: The whole configuration.
        timeout: Seconds for each question to Kafka.
        on_result: Called with each result as soon as it is known.

    Returns:
        The report.
    """
    results = []
    for result in _results(config, timeout):
        results.append(result)
        on_result(result)
    return Report(results)


def examine_files(config: AuditConfig) -> Iterator[CheckResult]:
    """Check what can be checked without asking anybody: settings, the files that they name, and secrets.

    Args:
        config: The audit pipeline.
    """
    yield _configuration_result(config)
    if config.local_mode is None:
        yield from secret_results(config)


def _results(whole: TelemetryConfig, timeout: float) -> Iterator[CheckResult]:
    config = whole.audit_config
    # The first failure decides the exit code, so the checks go from the cause to its effects: what the operator wrote,
    # the services it names, then this machine.
    yield from examine_files(config)
    if config.local_mode is not None:
        return  # nothing else is used
    yield key_result(config)
    yield from subject_results(whole)
    examination = examine_kafka(config, timeout=timeout)
    yield from kafka_results(config, examination)
    yield from store_results(config)
    yield from spool_results(config)
    yield from disk_results(config)
    yield clock_result(examination.topic)


def _configuration_result(config: AuditConfig) -> CheckResult:
    try:
        # The settings of a client are derived, not used: this finds missing files and refused options.
        producer_options(config)
    except (ConfigurationError, EncryptionError) as exc:
        return CheckResult.failed("configuration", exc)
    weaknesses = []
    if not config.encryption_enabled:
        weaknesses.append("encryption is off, anyone who reads the topic reads the events")
    if not config.security_protocol.endswith("SSL"):
        weaknesses.append("the connection to Kafka is not encrypted")
    if weaknesses:
        return CheckResult("configuration", Status.WARNING, "; ".join(weaknesses), "allowed, but not for production")
    return CheckResult("configuration", Status.OK, "complete and consistent")
