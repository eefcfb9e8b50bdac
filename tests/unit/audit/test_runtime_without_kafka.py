"""The life of a pipeline that sends nothing: local configurations, and captures that begin and end around it."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry import Telemetry
from telemetry.audit.local.captures import captures
from telemetry.audit.local.event_memory import EventMemory
from telemetry.audit.local.pipeline import LocalPipeline
from telemetry.audit.runtime import Runtime, _running
from telemetry.config import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, EventError, LifecycleError
from tests.support.quick_telemetry import NOWHERE, quick_config


@contextmanager
def _captured() -> Iterator[EventMemory]:
    memory = EventMemory()
    captures.begin(memory)
    try:
        yield memory
    finally:
        captures.end(memory)


def _local(**audit: Any) -> TelemetryConfig:
    return TelemetryConfig(environment="test", audit_config=AuditConfig(**audit))


def _unusable(folder: Path) -> AuditConfig:
    """Return a configuration whose broker, key and store do not exist."""
    return AuditConfig(
        kafka_brokers="nowhere.invalid:9093",
        encryption_config=EncryptionConfig(
            provider="local_key", key_path=folder / "no" / "key", passphrase=SecretStr("short")
        ),
        storage_config=StorageConfig(provider="local_file", base_path=folder / "no" / "store"),
        spool_path=folder / "no" / "spool",
    )


def _log(runtime: Runtime, event_type: str = "login") -> None:
    runtime.pipeline().offer(event_type, {}, "ada", {})


@pytest.fixture
def no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    # A thread of an earlier test, which examines its own broker, may still run.
    others = set(threading.enumerate()) - {threading.current_thread()}
    connect, create = socket.socket.connect, socket.create_connection

    def refuse(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread() not in others:
            pytest.fail("a socket was opened")
        return create(*arguments, **named)

    def refuse_to_connect(opened: socket.socket, address: Any) -> None:
        if threading.current_thread() not in others:
            pytest.fail("a socket was connected")
        connect(opened, address)

    monkeypatch.setattr(socket.socket, "connect", refuse_to_connect)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("values", [{"kafka_brokers": "memory:"}, {"kafka_brokers": "console:"}, {"enabled": False}])
def test_local_configuration_starts_logs_and_ends(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_socket: None
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(threading.enumerate())
    runtime = Runtime(_local(**values))
    runtime.start()
    _log(runtime)

    report = runtime.shutdown(10)

    assert (report.unsent, report.delivered, report.stored) == (1, 0, 0)
    assert set(threading.enumerate()) == before
    assert list(tmp_path.iterdir()) == []


def test_local_child_gets_its_own_pipeline(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime(_local(kafka_brokers="memory:"))
    runtime.start()
    ours = runtime.pipeline()
    monkeypatch.setattr(ours, "pid", os.getpid() + 1)
    runtime.renew_after_fork()

    assert runtime.pipeline() is not ours
    assert caplog.text.count("NOTHING IS SENT") == 1
    runtime.shutdown(1)


def test_exit_has_nothing_of_it_to_save() -> None:
    runtime = Runtime(_local(enabled=False))
    runtime.start()

    assert runtime not in _running
    runtime.shutdown(1)


@pytest.mark.parametrize("values", [{"kafka_brokers": "memory:"}, {"enabled": False}])
def test_read_cannot_be_recorded_in_memory(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="no trail in which this read could be recorded"):
        Runtime(_local(**values), for_reading=True).start()


def test_bare_configuration_is_for_production() -> None:
    with pytest.raises(ConfigurationError, match="production"):
        Runtime(AuditConfig(kafka_brokers="memory:"))


def test_captured_start_uses_nothing_of_the_configuration(tmp_path: Path, no_socket: None) -> None:
    before = set(threading.enumerate())
    with _captured() as memory:
        runtime = Runtime(_unusable(tmp_path))
        runtime.start()
        _log(runtime)
        report = runtime.shutdown(10)

    assert (len(memory), report.delivered) == (1, 1)
    assert set(threading.enumerate()) == before
    assert list(tmp_path.iterdir()) == []


async def test_captured_telemetry_starts_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with _captured():
        async with Telemetry(_unusable(tmp_path)) as telemetry:
            receipt = await telemetry.audit.log("login", {}, "ada", wait_for="delivered")

    assert receipt.delivery is not None
    assert set(threading.enumerate()) == before


def test_captured_log_needs_a_start(tmp_path: Path) -> None:
    with _captured():
        runtime = Runtime(_unusable(tmp_path))
        with pytest.raises(LifecycleError, match="not started"):
            runtime.pipeline()
        runtime.start()
        runtime.shutdown(1)
        with pytest.raises(LifecycleError, match="shut down"):
            runtime.pipeline()
        with pytest.raises(LifecycleError, match="create a new Telemetry"):
            runtime.start()


def test_captured_call_is_checked(tmp_path: Path) -> None:
    with _captured() as memory:
        runtime = Runtime(_unusable(tmp_path))
        runtime.start()
        with pytest.raises(EventError):
            _log(runtime, "")

    assert len(memory) == 0


def test_captured_start_sends_nothing_afterwards(tmp_path: Path) -> None:
    with _captured():
        runtime = Runtime(quick_config(NOWHERE, tmp_path))
        runtime.start()

    with pytest.raises(LifecycleError, match="the capture has ended; call start"):
        runtime.pipeline()

    with _captured() as memory:
        _log(runtime)
    assert len(memory) == 1


def test_captured_start_can_be_repeated_for_kafka(tmp_path: Path) -> None:
    with _captured():
        runtime = Runtime(quick_config(NOWHERE, tmp_path))
        runtime.start()

    runtime.start()

    _log(runtime)
    assert runtime.shutdown(20).stored == 1


def test_running_pipeline_sends_again_after_a_capture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runtime = Runtime(quick_config(NOWHERE, tmp_path))
    runtime.start()
    real = runtime.pipeline()
    _log(runtime)
    with caplog.at_level(logging.WARNING), _captured() as memory:
        assert isinstance(runtime.pipeline(), LocalPipeline)
        _log(runtime, "captured")
        _log(runtime, "captured")

    assert runtime.pipeline() is real
    assert [event.event_type for event in memory.events()] == ["captured", "captured"]
    assert caplog.text.count("captured by telemetry.testing and not sent") == 1
    assert runtime.shutdown(20).stored == 1


def test_several_objects_share_a_capture(tmp_path: Path) -> None:
    with _captured() as memory:
        runtimes = [Runtime(_unusable(tmp_path)) for _ in range(3)]
        for runtime in runtimes:
            runtime.start()
            _log(runtime)

    assert len({event.producer for event in memory.events()}) == 3


def test_captured_child_begins_a_stream_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _captured() as memory:
        runtime = Runtime(_unusable(tmp_path))
        runtime.start()
        _log(runtime)
        monkeypatch.setattr(runtime.pipeline(), "pid", os.getpid() + 1)
        runtime.renew_after_fork()
        _log(runtime)

    assert [event.sequence for event in memory.events()] == [0, 0]


def test_event_of_a_read_is_not_captured(tmp_path: Path) -> None:
    with _captured() as memory:
        runtime = Runtime(quick_config(NOWHERE, tmp_path), for_reading=True)
        runtime.start()
        _log(runtime)
        report = runtime.shutdown(20)

    assert (len(memory), report.stored) == (0, 1)
