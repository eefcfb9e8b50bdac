"""The life of a pipeline: start, fork, shutdown, the end of the process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry import TelemetryConfig
from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.receipt import Receipt
from telemetry.audit.reports import ShutdownReport
from telemetry.audit.runtime import EXIT_SECONDS, Runtime
from telemetry.exceptions import ConfigurationError, LifecycleError, UndeliveredError
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.sending_pipeline import sending_pipeline


@pytest.fixture
def config(tmp_path: Path) -> AuditConfig:
    parts: AuditConfig = quick_config(NOWHERE, tmp_path)
    return parts


@pytest.fixture
def runtime(config: AuditConfig) -> Iterator[Runtime]:
    parts = Runtime(config)
    yield parts
    parts.shutdown(10)


def log(runtime: Runtime) -> Receipt:
    accepted = runtime.pipeline().offer("login", {}, "ada", {})
    assert isinstance(accepted, Receipt)
    return accepted


def test_bare_audit_config_is_completed(config: AuditConfig) -> None:
    runtime = Runtime(config)

    assert isinstance(runtime.config, TelemetryConfig)
    assert runtime.config.audit_config is config


def test_foreign_config_is_refused_by_type() -> None:
    with pytest.raises(ConfigurationError, match="type dict"):
        Runtime({"kafka_brokers": "secret"})  # type: ignore[arg-type]


def test_nothing_is_logged_before_the_start(runtime: Runtime) -> None:
    with pytest.raises(LifecycleError, match="not started"):
        runtime.pipeline()


def test_second_start_does_nothing(runtime: Runtime) -> None:
    runtime.start()
    pipeline = runtime.pipeline()

    runtime.start()

    assert runtime.pipeline() is pipeline


def test_concurrent_starts_make_one_pipeline(runtime: Runtime) -> None:
    pipelines: list[int] = []

    def start() -> None:
        runtime.start()
        pipelines.append(id(runtime.pipeline()))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(pipelines) == 4
    assert len(set(pipelines)) == 1


def test_shutdown_ends_it_for_good(runtime: Runtime) -> None:
    runtime.start()
    receipt = log(runtime)

    report = runtime.shutdown(10)

    assert report == ShutdownReport(delivered=0, stored=1)
    assert receipt.is_settled
    assert runtime.shutdown(10) == report
    with pytest.raises(LifecycleError, match="shut down"):
        runtime.pipeline()
    with pytest.raises(LifecycleError, match="create a new Telemetry"):
        runtime.start()


def test_shutdown_without_start_reports_nothing(config: AuditConfig) -> None:
    assert Runtime(config).shutdown(1) == ShutdownReport(delivered=0, stored=0)


def test_failed_start_can_be_repeated(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        config: AuditConfig = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
        (tmp_path / "spool").touch()
        runtime = Runtime(config)
        with pytest.raises(ConfigurationError):
            runtime.start()
        (tmp_path / "spool").unlink()

        runtime.start()

        log(runtime)
        assert runtime.shutdown(20).delivered == 1


def test_exit_without_shutdown_saves_events(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    runtime.start()
    receipt = log(runtime)

    runtime.end_with_process(EXIT_SECONDS)

    assert receipt.delivery is not None
    assert "exiting without shutdown(); saving events for at most 5 s" in caplog.text


def test_exit_after_shutdown_is_silent(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    runtime.start()
    runtime.shutdown(10)
    caplog.clear()

    runtime.end_with_process(EXIT_SECONDS)

    assert "exiting" not in caplog.text


def test_exit_logs_lost_events(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.start()

    def lose(_timeout: float) -> ShutdownReport:
        message = "1 accepted event could be kept nowhere"
        raise UndeliveredError(message, count=1, event_ids=["id"])

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(runtime, "shutdown", lose)
        runtime.end_with_process(EXIT_SECONDS)

    assert "events were lost at exit" in caplog.text


def test_foreign_process_leaves_the_pipeline_alone(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.start()
    pipeline = runtime.pipeline()
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "pid", os.getpid() + 1)

        assert runtime.shutdown(1) == ShutdownReport(delivered=0, stored=0)
        runtime.end_with_process(1)

    assert pipeline.shutdown(10) == ShutdownReport(delivered=0, stored=0)


def test_forked_child_gets_its_own_pipeline(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.start()
    ours = sending_pipeline(runtime)
    # As in a child: another process id, and the hook that Python calls after a fork.
    monkeypatch.setattr(ours, "pid", os.getpid() + 1)
    runtime.renew_after_fork()

    theirs = runtime.pipeline()

    assert theirs is not ours
    assert runtime.pipeline() is theirs
    assert log(runtime).producer != ours._intake._stream.producer
    ours.shutdown(10)


def test_threads_of_a_child_share_one_pipeline(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.start()
    ours = runtime.pipeline()
    monkeypatch.setattr(ours, "pid", os.getpid() + 1)
    runtime.renew_after_fork()
    pipelines: list[EventPipeline] = []
    threads = [threading.Thread(target=lambda: pipelines.append(runtime.pipeline())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(pipelines) == 4
    assert len({id(pipeline) for pipeline in pipelines}) == 1
    ours.shutdown(10)
