"""Each step of assembling a pipeline fails in turn, and everything that was opened before it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import TelemetryConfig
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.assembly import assemble
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import (
    ConfigurationError,
    EncryptionError,
    KeyUnreachableError,
    StorageNotFoundError,
    StorageUnreachableError,
    TransportError,
)
from telemetry.storage import StorageProviderFactory
from telemetry.types import AuditConfig
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.leftovers import STORAGE_SECRET, leave_segment, left_in, owner, records
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.until import until


class Bench:
    """A configuration with every part, each of which can fail; and what is left of a pipeline."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.store = FaultyKeys(), FaultyStore()
        self.spool = folder / "spool"
        self.closed: list[str] = []
        self._folder = folder
        self._before = {thread.ident for thread in threading.enumerate()}
        SigningKey.create(folder / "signing", "correct horse", name="audit")

    def config(self, **changes: Any) -> TelemetryConfig:
        values: dict[str, Any] = {
            "encryption_enabled": True,
            "encryption_config": self.keys.config,
            "storage_config": self.store.config,
            "spool_path": self.spool,
            "storage_secret": STORAGE_SECRET,
            "signing_config": {"key_path": self._folder / "signing", "passphrase": "correct horse"},
            "self_audit": True,
        }
        audit: AuditConfig = quick_config(NOWHERE, self._folder, **{**values, **changes})
        return TelemetryConfig(service_name="shop", environment="test", audit_config=audit)

    def require_nothing_left(self) -> None:
        until(lambda: not self._threads(), what="the end of every thread", state=self._threads)
        assert not self.spool.exists() or left_in(self.spool) == []

    def _threads(self) -> list[str]:
        return [
            thread.name
            for thread in threading.enumerate()
            if thread.ident not in self._before and thread.name.startswith("telemetry-")
        ]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    parts = Bench(tmp_path)

    def counted(owner: type, name: str) -> None:
        close: Callable[[Any], None] = owner.close  # type: ignore[attr-defined]

        def closing(part: Any) -> None:
            parts.closed.append(name)
            close(part)

        monkeypatch.setattr(owner, "close", closing)

    counted(KeySupply, "keys")
    store = type(StorageProviderFactory.create(parts.store.config))
    counted(store, "store")
    monkeypatch.setattr(store, "check", lambda _store: parts.store.faults.meet("check"))
    yield parts
    parts.keys.clear()
    parts.store.clear()


def test_pipeline_that_is_shut_down_leaves_nothing(bench: Bench) -> None:
    pipeline = assemble(bench.config())
    assert pipeline.stats().logged == 1, "that it started is an event"

    pipeline.shutdown(20)

    assert sorted(bench.closed) == ["keys", "store"]
    bench.require_nothing_left()


def test_unusable_signing_key_opens_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "signing").write_text("not a key")

    with pytest.raises(ConfigurationError):
        assemble(bench.config())

    assert bench.closed == []
    bench.require_nothing_left()


def test_unusable_data_key_stops_before_the_store(bench: Bench) -> None:
    bench.keys.begin("failing")

    with pytest.raises(KeyUnreachableError):
        assemble(bench.config())

    assert bench.closed == ["keys"]
    assert bench.store.faults.calls == []
    bench.require_nothing_left()


def test_unusable_store_closes_the_keys(bench: Bench) -> None:
    bench.store.begin("failing")

    with pytest.raises(StorageUnreachableError):
        assemble(bench.config())

    assert bench.closed == ["store", "keys"]
    bench.require_nothing_left()


def test_misconfigured_store_is_a_configuration_error(bench: Bench) -> None:
    bench.store.faults.failure = StorageNotFoundError("no such bucket")

    with pytest.raises(ConfigurationError, match="no such bucket"):
        assemble(bench.config())

    bench.require_nothing_left()


def test_unusable_spool_closes_store_and_keys(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="spool"):
        assemble(bench.config(spool_path=tmp_path / "file" / "spool"))

    assert bench.closed == ["store", "keys"]
    bench.require_nothing_left()


@pytest.mark.parametrize(
    "part",
    [
        "opening.spooling.Segments.create",
        "opening.spooling.Spool",
        "opening.streaming.Intake",
        "assembly.Diversion",
        "assembly.store_fallback",
        "assembly.SelfAudit",
        "assembly.checkpointer_of",
        "assembly.BatchMetrics",
        "assembly.SenderLink",
        "assembly.Dispatcher",
        "assembly.Dispatcher.start",
        "assembly.RetryWorker.start",
        "assembly.PipelineGauges",
        "assembly.SelfAudit.started",
        "assembly.Shutdown",
        "assembly.AuditPipeline",
    ],
)
def test_any_part_that_fails_closes_those_before(bench: Bench, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise MemoryError(part)

    monkeypatch.setattr(f"telemetry.audit.{part}", fail)

    with pytest.raises(MemoryError, match=part):
        assemble(bench.config())

    assert bench.closed == ["store", "keys"]
    bench.require_nothing_left()


@pytest.mark.parametrize("part", ["keeper_of", "FallbackHandler", "RetryWorker"])
def test_fallback_that_fails_closes_those_before(bench: Bench, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise MemoryError(part)

    monkeypatch.setattr(f"telemetry.audit.replay.fallback_parts.{part}", fail)

    with pytest.raises(MemoryError, match=part):
        assemble(bench.config())

    assert bench.closed == ["store", "keys"]
    bench.require_nothing_left()


def test_failed_start_leaves_segments_of_dead_processes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    path = leave_segment(bench.spool, records(3), of=owner(is_sealed=True, environment="test"))
    with monkeypatch.context() as patched:
        patched.setattr("telemetry.audit.assembly.Dispatcher.start", _fail)
        with pytest.raises(EncryptionError):
            assemble(bench.config())
    assert path.exists()

    pipeline = assemble(bench.config())
    until(lambda: pipeline.stats().recovered == 3)
    pipeline.shutdown(20)

    assert not path.exists()


def _fail(*_arguments: object, **_named: object) -> None:
    message = "at the wrong moment"
    raise EncryptionError(message)


def test_unreachable_kafka_without_fallback_stops_start(bench: Bench) -> None:
    config = bench.config(fallback_enabled=False)

    with pytest.raises(TransportError):
        assemble(config)

    assert bench.closed == ["keys"]
    bench.require_nothing_left()


def test_forked_child_makes_no_trials(bench: Bench) -> None:
    bench.store.begin("failing")

    pipeline = assemble(bench.config(), check=False)

    assert "check" not in bench.store.faults.calls
    bench.store.clear()
    pipeline.shutdown(20)
    bench.require_nothing_left()


def test_smallest_pipeline_has_no_optional_part(tmp_path: Path) -> None:
    config: AuditConfig = quick_config(NOWHERE, tmp_path, encryption_enabled=False, fallback_enabled=False)

    pipeline = assemble(TelemetryConfig(service_name="shop", audit_config=config), check=False)

    gauges = pipeline.gauges()
    assert not {name for name in gauges if name.startswith(("audit.spool", "audit.fallback", "audit.data_key"))}
    pipeline.shutdown(5)
