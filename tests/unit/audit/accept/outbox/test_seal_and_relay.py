"""``seal()`` and ``relay()`` as an application calls them, on pipelines that send and on those that do not."""

from __future__ import annotations

import asyncio
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

from telemetry import Telemetry, audit_context, sync
from telemetry.audit.accept.draft.fields import NAMED
from telemetry.audit.service import AuditService
from telemetry.exceptions import ConfigurationError, EventError, LifecycleError
from telemetry.testing import EmbeddedKafka, capture_events
from telemetry.types import AuditConfig, EncryptionConfig, SealedEvent, TelemetryConfig
from tests.support.quick_telemetry import NOWHERE, quick_config, running


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("keys") / "key"
    return {"provider": "local_key", "key_path": path, "passphrase": "correct horse battery staple"}


def sealing(folder: Path, key_file: dict[str, Any], **changes: Any) -> AuditConfig:
    values = {"encryption_enabled": True, "encryption_config": EncryptionConfig(**key_file), **changes}
    return quick_config(values.pop("brokers", NOWHERE), folder, **values)


def relay_only(folder: Path, **changes: Any) -> AuditConfig:
    return quick_config(changes.pop("brokers", NOWHERE), folder, encryption_enabled=True, relay_only=True, **changes)


def test_sealed_event_counts_as_nothing(tmp_path: Path, key_file: dict[str, Any]) -> None:
    with running(sealing(tmp_path, key_file)) as telemetry:
        telemetry.audit.seal("order.paid", {}, "ada")
        stats = telemetry.audit.get_audit_stats()
    assert (stats.logged, stats.queued, stats.refused) == (0, 0, 0)


def test_coroutine_seals_once_the_key_is_there(tmp_path: Path, key_file: dict[str, Any]) -> None:
    async def sealed() -> SealedEvent:
        async with Telemetry(sealing(tmp_path, key_file)) as telemetry:
            await telemetry.audit.key_ready()
            await telemetry.audit.key_ready()
            return telemetry.audit.seal("order.paid", {}, "ada")

    assert asyncio.run(sealed()).data


def test_context_goes_into_the_row(tmp_path: Path) -> None:
    with running(quick_config(NOWHERE, tmp_path)) as telemetry, audit_context(user_id="ada", tenant_id="acme"):
        sealed = telemetry.audit.seal("order.paid", {})
    assert sealed.key.startswith(b"ada:")
    assert b'"tenant_id":"acme"' in sealed.data


def test_call_that_log_refuses_is_refused(tmp_path: Path) -> None:
    with running(quick_config(NOWHERE, tmp_path)) as telemetry:
        wrong: list[tuple[Any, ...]] = [("", {}, "ada"), ("telemetry.x", {}, "ada"), ("t", object(), "ada"), ("t", {})]
        for arguments in wrong:
            with pytest.raises(EventError):
                telemetry.audit.seal(*arguments)
        with pytest.raises(EventError, match="wait_for"):
            telemetry.audit.seal("t", {}, "ada", wait_for="durable")


def test_relay_needs_no_key_and_no_section_for_one(tmp_path: Path, key_file: dict[str, Any]) -> None:
    with running(sealing(tmp_path, key_file)) as telemetry:
        rows = [telemetry.audit.seal("order.paid", {"n": number}, "ada").data for number in range(3)]
    with EmbeddedKafka(partitions=1) as kafka, running(relay_only(tmp_path, brokers=kafka.bootstrap_servers)) as relay:
        receipts = [relay.audit.relay(row, wait_for="delivered") for row in rows]
        stats = relay.audit.get_audit_stats()
    assert [receipt.sequence for receipt in receipts] == [0, 1, 2]
    assert [receipt.event_id for receipt in receipts] == [SealedEvent.of(row).event_id for row in rows]
    assert [receipt.delivery.offset for receipt in receipts if receipt.delivery] == [0, 1, 2]
    assert (stats.logged, stats.delivered) == (3, 3)


def test_relay_in_a_coroutine_is_awaited(tmp_path: Path) -> None:
    async def relayed(brokers: str) -> int | None:
        async with Telemetry(quick_config(brokers, tmp_path)) as telemetry:
            row = telemetry.audit.seal("order.paid", {}, "ada").data
            return (await telemetry.audit.relay(row, wait_for="delivered")).sequence

    with EmbeddedKafka(partitions=1) as kafka:
        assert asyncio.run(relayed(kafka.bootstrap_servers)) == 0


def test_refused_row_takes_no_number(tmp_path: Path) -> None:
    with EmbeddedKafka(partitions=1) as kafka, running(quick_config(kafka.bootstrap_servers, tmp_path)) as telemetry:
        row = telemetry.audit.seal("order.paid", {}, "ada").data
        for bad in (b"", row[:-1], row.replace(b'"key":"ada', b'"key":"eve')):
            with pytest.raises(EventError, match="outbox row"):
                telemetry.audit.relay(bad)
        assert telemetry.audit.relay(row).sequence == 0
        assert telemetry.audit.get_audit_stats().refused == 3


@pytest.mark.parametrize("call", ["log", "seal"])
def test_process_that_only_relays_logs_nothing(tmp_path: Path, call: str) -> None:
    with running(relay_only(tmp_path)) as telemetry:
        with pytest.raises(LifecycleError, match="relay_only"):
            getattr(telemetry.audit, call)("order.paid", {}, "ada")
        assert telemetry.audit.get_audit_stats().logged == 0


def test_relay_without_a_key_cannot_audit_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="self_audit"):
        relay_only(tmp_path, self_audit=True)


def test_before_the_start_there_is_no_outbox(tmp_path: Path) -> None:
    audit = sync.Telemetry(quick_config(NOWHERE, tmp_path)).audit
    with pytest.raises(LifecycleError):
        audit.seal("t", {}, "ada")
    with pytest.raises(LifecycleError):
        audit.relay(b"")
    with pytest.raises(LifecycleError):
        asyncio.run(audit.key_ready())


def test_captured_row_is_an_event_once_relayed(tmp_path: Path) -> None:
    with capture_events() as captured, running(quick_config(NOWHERE, tmp_path)) as telemetry:
        rolled_back = telemetry.audit.seal("order.paid", {"n": 1}, "ada")
        committed = telemetry.audit.seal("order.paid", {"n": 2}, "ada", reason="web")
        captured.none("order.paid")
        receipt = telemetry.audit.relay(committed.data, wait_for="delivered")

        event = captured.one("order.paid", payload={"n": 2}, reason="web", user_id="ada")
        assert (event.id, event.producer, event.sequence) == (committed.event_id, receipt.producer, receipt.sequence)
        assert rolled_back.event_id != event.id
        with pytest.raises(EventError):
            telemetry.audit.relay(b"rubbish")


def test_events_of_a_laptop_are_relayed_too() -> None:
    config = TelemetryConfig(environment="development", audit_config=AuditConfig(kafka_brokers="memory:"))
    with running(config) as telemetry:
        telemetry.audit.relay(telemetry.audit.seal("order.paid", {}, "ada").data)
        assert telemetry.audit.get_audit_stats().unsent == 1


def test_threads_relay_in_the_order_of_their_calls(tmp_path: Path) -> None:
    with EmbeddedKafka(partitions=1) as kafka, running(quick_config(kafka.bootstrap_servers, tmp_path)) as telemetry:
        audit, sequences = telemetry.audit, list[list[int | None]]()

        def relay(user: str) -> None:
            rows = [audit.seal("t", {"n": number}, user).data for number in range(50)]
            sequences.append([audit.relay(row).sequence for row in rows])

        threads = [threading.Thread(target=relay, args=(f"user-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert all(each == sorted(each, key=lambda number: number or 0) for each in sequences)
    assert sorted(number for each in sequences for number in each if number is not None) == list(range(200))


def test_signature_of_seal_is_that_of_log() -> None:
    log, seal = inspect.signature(AuditService.log).parameters, inspect.signature(AuditService.seal).parameters
    assert [*seal] == [name for name in log if name != "wait_for"]
    assert set(seal) >= NAMED - {"idempotency_key"}
