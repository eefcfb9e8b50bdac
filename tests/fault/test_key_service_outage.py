"""Hangs and fails the key service while events are logged: nothing is lost, and one call is in flight."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry import Telemetry
from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import KeyAccessDeniedError, KeyUnreachableError, TelemetryError
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, StorageConfig
from tests.services.stub_keys import StubKeys

USES = 1_000


@pytest.fixture
def keys() -> Iterator[StubKeys]:
    stub = StubKeys()
    yield stub
    stub.gate.set()


@pytest.fixture
def name(keys: StubKeys) -> str:
    name = f"stub-{uuid.uuid4().hex}"

    class Provider(StubKeys):
        def __new__(cls, _: EncryptionConfig) -> StubKeys:  # type: ignore[misc]  # always the test's own object
            return keys

    EncryptionProviderFactory.register(name, Provider)
    return name


@pytest.fixture
def config(name: str, tmp_path: Path) -> Iterator[AuditConfig]:
    with EmbeddedKafka() as kafka:
        yield AuditConfig(
            kafka_brokers=kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            encryption_config=EncryptionConfig(provider=name),
            storage_config=StorageConfig(provider="local_file", base_path=tmp_path / "fallback"),
            data_key_max_uses=USES,
            data_key_wait_ms=60_000,
            batch_size_kb=64,
        )


async def log(telemetry: Telemetry, count: int) -> list[str]:
    receipts = [await telemetry.audit.log("user_login", {"n": n}, f"user-{n % 10}") for n in range(count)]
    return [receipt.event_id for receipt in receipts]


async def test_hanging_service_blocks_after_the_last_use(config: AuditConfig, keys: StubKeys) -> None:
    async with Telemetry(config) as telemetry:
        keys.gate.clear()
        await log(telemetry, USES)
        assert keys.calls == 2, "the first key, and the one call that hangs"
        waiting = [asyncio.create_task(log(telemetry, 1)) for _ in range(200)]
        beats = 0
        while beats < 1_000:  # the event loop goes on
            await asyncio.sleep(0)
            beats += 1
        assert not any(task.done() for task in waiting)
        assert (keys.calls, keys.most_in_flight) == (2, 1)
        keys.gate.set()
        ids = [event_id for task in waiting for event_id in await task]
        assert len(set(ids)) == 200
        report = await telemetry.shutdown()
    assert report.delivered + report.stored == USES + 200
    assert keys.most_in_flight == 1


async def test_lasting_outage_reaches_the_caller(config: AuditConfig, keys: StubKeys) -> None:
    impatient = config.model_copy(update={"data_key_wait_ms": 200})
    async with Telemetry(impatient) as telemetry:
        keys.gate.clear()
        await log(telemetry, USES)
        with pytest.raises(KeyUnreachableError) as caught:
            await log(telemetry, 1)
        assert caught.value.retriable
        keys.gate.set()
        await log(telemetry, USES // 2)
        report = await telemetry.shutdown()
    assert report.delivered + report.stored == USES + USES // 2, "what was refused was not logged, all else was"


async def test_refusal_reaches_the_caller_and_passes(config: AuditConfig, keys: StubKeys) -> None:
    async with Telemetry(config) as telemetry:
        keys.failure = KeyAccessDeniedError("denied")
        await log(telemetry, USES)
        with pytest.raises(KeyAccessDeniedError):
            await log(telemetry, 1)
        keys.failure = None
        await log(telemetry, 10)
        report = await telemetry.shutdown()
    assert report.delivered + report.stored == USES + 10


async def test_shutdown_ignores_a_hanging_key_service(config: AuditConfig, keys: StubKeys) -> None:
    telemetry = Telemetry(config)
    await telemetry.start()
    keys.gate.clear()
    await log(telemetry, USES)
    waiting = asyncio.create_task(log(telemetry, 1))
    keys.wait_for_calls(2)
    report = await asyncio.wait_for(telemetry.shutdown(10), timeout=60)
    assert report.delivered + report.stored == USES
    with pytest.raises(TelemetryError):
        await asyncio.wait_for(waiting, timeout=60)


async def test_unusable_key_stops_the_start(config: AuditConfig, keys: StubKeys) -> None:
    keys.failure = KeyAccessDeniedError("denied")
    with pytest.raises(KeyAccessDeniedError):
        await Telemetry(config).start()
