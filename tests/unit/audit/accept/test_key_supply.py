from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.accept.key_supply import KeySupply
from telemetry.config import AuditConfig
from telemetry.exceptions import EncryptionError, KeyUnreachableError, TelemetryError
from telemetry.format.value.message import context_of
from tests.support.faulty_services import FaultyKeys
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.until import until


class Waiters:
    """Calls that wait for a data key."""

    def __init__(self) -> None:
        self.arrived = 0
        self.errors: list[TelemetryError] = []

    def waiting_subjects(self) -> list[str]:
        return []

    def key_arrived(self) -> None:
        self.arrived += 1

    def key_unavailable(self, error: TelemetryError) -> None:
        self.errors.append(error)


class Bench:
    def __init__(self, folder: Path, **changes: Any) -> None:
        self.service = FaultyKeys()
        self.config: AuditConfig = quick_config(
            NOWHERE, folder, encryption_enabled=True, encryption_config=self.service.config, **changes
        )
        self.keys = KeySupply(self.config, context=context_of("/production/shop"))
        self.waiters = Waiters()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    parts = Bench(tmp_path)
    yield parts
    parts.service.clear()
    parts.keys.close()


def test_key_arrives_for_the_calls_that_wait(bench: Bench) -> None:
    bench.keys.request(bench.waiters)

    until(lambda: bench.waiters.arrived == 1)
    assert bench.keys.keyring.take(1) is not None
    assert bench.waiters.errors == []


def test_check_fetches_the_first_key(bench: Bench) -> None:
    bench.keys.check()

    assert bench.keys.keyring.take(1) is not None


def test_one_request_at_a_time(bench: Bench) -> None:
    bench.service.begin("hanging")
    for _ in range(5):
        bench.keys.request(bench.waiters)
    bench.service.faults.wait_for("generate")

    bench.service.clear()

    until(lambda: bench.waiters.arrived == 1)
    assert bench.service.faults.calls.count("generate") == 1
    # The next one asks anew; a key that is there already is delivered in the same call.
    bench.keys.request(bench.waiters)
    until(lambda: bench.waiters.arrived == 2)


def test_unreachable_service_refuses_the_calls_that_wait(bench: Bench) -> None:
    bench.service.begin("failing")

    bench.keys.request(bench.waiters)

    until(lambda: len(bench.waiters.errors) == 1)
    assert isinstance(bench.waiters.errors[0], KeyUnreachableError)
    assert bench.waiters.arrived == 0
    assert isinstance(bench.keys.missing(), KeyUnreachableError)


def test_foreign_exception_becomes_an_encryption_error(bench: Bench) -> None:
    bench.service.faults.failure = RuntimeError("a bug")

    bench.keys.request(bench.waiters)

    until(lambda: len(bench.waiters.errors) == 1)
    assert isinstance(bench.waiters.errors[0], EncryptionError)


def test_missing_key_names_the_limit(bench: Bench) -> None:
    assert "data_key_wait_ms" in str(bench.keys.missing())


@pytest.mark.parametrize("self_audit", [True, False])
def test_rotations_are_remembered_for_the_self_audit(tmp_path: Path, self_audit: bool) -> None:
    bench = Bench(tmp_path, data_key_max_uses=1, self_audit=self_audit)
    taken: list[tuple[str, str]] = []
    for _ in range(3):
        while bench.keys.keyring.take(1) is None:
            bench.keys.keyring.request().result(60)
        taken += bench.keys.take_rotations()

    assert len({kid for kid, _ in taken}) == len(taken) == (3 if self_audit else 0)
    assert {key_uri for _, key_uri in taken} <= {"fixed://kek"}
    assert list(bench.keys.take_rotations()) == []
    bench.keys.close()


def test_rotations_taken_by_two_threads_come_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, self_audit=True)
    bench.keys.check()
    key = bench.keys.keyring.take(1)
    assert key is not None
    list(bench.keys.take_rotations())
    for _ in range(2_000):
        bench.keys.key_rotated(key)
    taken: list[list[tuple[str, str]]] = []
    threads = [threading.Thread(target=lambda: taken.append(list(bench.keys.take_rotations()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(len(part) for part in taken) == 2_000
    bench.keys.close()


def test_supply_without_a_configured_service(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="encryption_config"):
        KeySupply(quick_config(NOWHERE, tmp_path), context={})
