"""Replays damaged, foreign, unreadable and refused objects: the others go on, and nothing is deleted unsent."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from telemetry.audit.fallback.backlog import in_order, listed
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.once import drain_store
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.send.connector import KafkaConnector
from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageError,
    StorageUnreachableError,
    TransportAuthorizationError,
)
from telemetry.format.objects.fallback_object import StoredRecord, decode_object, encode_object
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.events_at_rest import on_topic
from tests.support.leftovers import leave_segment, left_in, records, stored
from tests.support.memory_store import MemoryStore
from tests.support.quick_telemetry import as_shop, quick_config, running
from tests.support.replay_parts import own_shop
from tests.support.until import PATIENCE, until


@pytest.fixture
def kafka_beside() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.fixture
def config(kafka_beside: EmbeddedKafka, tmp_path: Path) -> AuditConfig:
    return quick_config(kafka_beside.bootstrap_servers, tmp_path)


def ledger_of(config: AuditConfig) -> Ledger:
    metrics = AuditMetrics(topic=config.kafka_topic)
    return Ledger(topic=config.kafka_topic, metrics=metrics)


def drain(store: StorageProvider, config: AuditConfig, *, rejected: bool = False) -> None:
    """Replay everything, as ``telemetry fallback replay`` does."""
    replayer = Replayer(
        store,
        topic=config.kafka_topic,
        kafka=KafkaConnector(config),
        outcomes=ObjectOutcomes(ledger_of(config)),
        own=own_shop(store),
        max_rate=1e6,
        max_refusals=None,
    )
    drain_store(store, replayer, topic=config.kafka_topic, owner="test", rejected=rejected)


def worker_on(store: StorageProvider, config: AuditConfig, **changes: Any) -> RetryWorker:
    """Return the worker of a process that logs."""
    values: dict[str, Any] = {
        "topic": config.kafka_topic,
        "kafka": KafkaConnector(config),
        "ledger": ledger_of(config),
        "owner": "test",
        "max_rate": 1e6,
        "max_refusals": 0,
        "listener": IgnoredSender(),
        "own": own_shop(store),
    }
    return RetryWorker(store, **{**values, **changes})


class IgnoredSender:
    """A sender that never returns to Kafka."""

    def kafka_is_ready(self) -> None:
        """Stay diverted."""


def sent(config: AuditConfig) -> list[int]:
    return sorted(int(value["sequence"]) for value in on_topic(config))


def names(store: MemoryStore, folder: str) -> list[str]:
    return [name for name in sorted(store.objects) if name.startswith(folder)]


def test_two_damaged_objects_of_one_name(config: AuditConfig) -> None:
    store, batch = MemoryStore(), records(6)
    name = stored(store, batch[:3])
    whole = store.objects[name]
    kept = []
    for damaged in (whole[:-2], whole.replace(b"user-1", b"user-2", 1)):
        store.objects[name] = damaged
        stored(store, batch[3:])
        drain(store, config)
        kept.append(damaged)

    assert [store.objects[name] for name in names(store, "quarantine/")] == kept
    assert names(store, "audit-events/") == []
    assert sent(config) == [3, 3, 4, 4, 5, 5]


def test_any_altered_byte_is_found(config: AuditConfig) -> None:
    batch = records(2)
    whole = MemoryStore()
    name = stored(whole, batch)
    data = whole.objects[name]
    store = MemoryStore()
    for place in range(0, len(data), 41):
        altered = bytearray(data)
        altered[place] ^= 1
        store.objects[name.replace("-0-1", f"-{2 * place}-{2 * place + 1}")] = bytes(altered)

    drain(store, config)

    assert on_topic(config) == []
    assert len(names(store, "quarantine/")) == len(range(0, len(data), 41))


def test_foreign_and_exchanged_objects_are_quarantined(config: AuditConfig) -> None:
    store, batch = MemoryStore(), records(6)
    first, second = stored(store, batch[:3]), stored(store, batch[3:])
    store.objects[first], store.objects[second] = store.objects[second], store.objects[first]
    store.objects["audit-events/README.txt"] = b"not ours"
    other = records(2)
    stored(store, other)

    drain(store, config)

    assert sent(config) == [0, 1]
    assert len(names(store, "quarantine/audit-events/")) == 3
    assert store.objects["quarantine/audit-events/README.txt"] == b"not ours"


def test_unreadable_object_blocks_only_its_producer(config: AuditConfig, caplog: pytest.LogCaptureFixture) -> None:
    store, batch, other = MemoryStore(), records(9), records(3)
    hidden = stored(store, batch[3:6])
    stored(store, batch[:3])
    stored(store, batch[6:])
    stored(store, other)

    def deny(operation: str, name: str) -> None:
        if operation == "get" and name == hidden:
            raise StorageAccessDeniedError(name)

    store.before = deny
    with caplog.at_level(logging.ERROR), pytest.raises(StorageAccessDeniedError, match=hidden):
        drain(store, config)
    assert sent(config) == [0, 0, 1, 1, 2, 2]
    assert sum(hidden in record.getMessage() for record in caplog.records) == 1

    store.before = lambda _operation, _name: None
    drain(store, config)
    assert sent(config) == [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8]
    assert store.objects.keys() == {name for name in store.objects if name.startswith("locks/")}


def test_slow_store_is_used_in_parallel(config: AuditConfig) -> None:
    store, batch = MemoryStore(), records(40)
    for start in range(0, 40, 2):
        stored(store, batch[start : start + 2])
    running = {"get": itertools.count(1), "delete": itertools.count(1)}
    together = {operation: threading.Event() for operation in running}

    def wait_for_others(operation: str, name: str) -> None:
        """Let nobody on before four of a kind are under way."""
        if operation in running and name.startswith("audit-events/"):
            if next(running[operation]) == 4:
                together[operation].set()
            assert together[operation].wait(60)

    store.before = wait_for_others
    drain(store, config)

    assert all(event.is_set() for event in together.values())
    assert sent(config) == list(range(40))
    assert names(store, "audit-events/") == []


@pytest.mark.parametrize("operation", ["get", "delete"])
def test_store_that_fails_now_and_then(config: AuditConfig, operation: str) -> None:
    store, batch = MemoryStore(), records(40)
    for start in range(0, 40, 2):
        stored(store, batch[start : start + 2])
    calls = itertools.count(1)

    def fail(called: str, name: str) -> None:
        if called == operation and name.startswith("audit-events/") and next(calls) % 7 == 0:
            raise StorageUnreachableError(name)

    store.before = fail
    while True:
        try:
            drain(store, config)
        except StorageUnreachableError:
            continue
        break

    order: dict[str, list[int]] = defaultdict(list)
    for value in on_topic(config):
        number = int(value["sequence"])
        if number not in order[value["data"]["user_id"]]:
            order[value["data"]["user_id"]].append(number)
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert sorted(number for numbers in order.values() for number in numbers) == list(range(40))
    assert names(store, "audit-events/") == []


class LateStore(MemoryStore):
    """The write of an event's object returns only after somebody has brought the object to the topic."""

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data)
        if name.startswith("audit-events/"):
            until(lambda: name not in self.objects, what="the replay")


@contextmanager
def diverted_process(store: MemoryStore, config: AuditConfig) -> Iterator[tuple[FallbackHandler, Callable[[], bool]]]:
    """Yield the handler of a diverted process, and a function that returns whether its events may go to Kafka again."""
    handler = FallbackHandler(
        store,
        provider="memory",
        topic=config.kafka_topic,
        ledger=ledger_of(config),
        max_object_bytes=1 << 20,
        max_object_seconds=0.1,
    )
    free = threading.Event()

    class Sender:
        def kafka_is_ready(self) -> None:
            if handler.take_back() is not None:
                free.set()

    def is_free() -> bool:
        worker.start()
        return free.wait(PATIENCE)

    worker = worker_on(store, config, handler=handler, listener=Sender())
    worker.fallback_entered("unavailable")
    try:
        yield handler, is_free
    finally:
        worker.close()
        handler.close()


def test_object_replayed_before_its_write_returned(config: AuditConfig) -> None:
    store = LateStore()
    with diverted_process(store, config) as (handler, is_free):
        handler.add(records(3), reason="outage")
        until(lambda: len(store.objects) == 1, what="the object")

        assert is_free()
        assert sent(config) == [0, 1, 2]


def test_object_replayed_by_another_process(config: AuditConfig) -> None:
    store = MemoryStore()
    with diverted_process(store, config) as (handler, is_free):
        handler.add(records(3), reason="outage")
        until(lambda: handler.backlog()[0] == 1, what="the object")
        drain(store, config)

        assert is_free()
        assert sent(config) == [0, 1, 2]


def test_objects_are_sent_in_order() -> None:
    store, batch, other = MemoryStore(), records(9), records(2)
    late = stored(store, batch[6:])
    middle = stored(store, other)
    early = stored(store, batch[:6])  # what was adopted from a spool is stored later than what came after it

    assert [waiting.name for waiting in in_order(listed(store, "audit-events"))] == [middle, early, late]


def _limited(broker: KafkaBroker, folder: Path) -> AuditConfig:
    topic = f"{new_topic(broker)}-small"
    broker.create_topic(topic, config={"max.message.bytes": "3000"})
    return quick_config(broker.bootstrap(), folder, kafka_topic=topic)


def _with_large(count: int, *large: int) -> list[SealedRecord]:
    batch = records(count)
    for number in large:
        much = "".join(chr(0x4E00 + (n * n * 7919) % 20_000) for n in range(3_000))
        batch[number : number + 1] = records(1, producer=batch[0].producer, first=number, text=much)
    return batch


@pytest.mark.services
def test_too_large_records_are_rejected_and_restored(kafka: KafkaBroker, tmp_path: Path) -> None:
    config, store = _limited(kafka, tmp_path), MemoryStore()
    batch = _with_large(300, 0, 17, 299)
    stored(store, batch, topic=config.kafka_topic)
    later = records(5)
    stored(store, later, topic=config.kafka_topic)

    drain(store, config)

    (name,) = names(store, "rejected/")
    rejected = decode_object(store.objects[name])
    assert [record.sequence for record in rejected.records] == [0, 17, 299]
    assert rejected.header.reason == "too_large"
    assert set(sent(config)) == set(range(300)) - {17, 299}

    wider = quick_config(kafka.bootstrap(), tmp_path, kafka_topic=config.kafka_topic)
    _widen(kafka, config.kafka_topic)
    drain(store, wider, rejected=True)
    assert set(sent(config)) == set(range(300))
    assert names(store, "rejected/") == []


@pytest.mark.services
def test_refused_again_after_a_kill(kafka: KafkaBroker, tmp_path: Path) -> None:
    config, store = _limited(kafka, tmp_path), MemoryStore()
    batch = _with_large(10, 3)
    name = stored(store, batch, topic=config.kafka_topic)
    # The earlier attempt refused this record for another reason, and did not come to delete the object.
    earlier = encode_object(
        [StoredRecord(batch[3].key, batch[3].value, 3)],
        topic=config.kafka_topic,
        producer=batch[0].producer,
        reason="authorization",
    )
    before = f"rejected/{name.removesuffix('-0-9.jsonl')}-3-3.jsonl"
    store.objects[before] = earlier

    drain(store, config)

    assert len(names(store, "rejected/")) == 2
    assert store.objects[before] == earlier
    assert set(sent(config)) == set(range(10)) - {3}
    assert names(store, f"{config.kafka_topic}/") == []


@pytest.mark.services
def test_missing_write_right_rejects_or_raises(kafka: KafkaBroker, tmp_path: Path) -> None:
    topic = f"{new_topic(kafka)}-read"
    kafka.create_topic(topic)
    kafka.add_acl("payments", topic, ["DESCRIBE", "READ"])
    config = quick_config("", tmp_path, kafka_topic=topic, **kafka.audit_options("SSL"))
    store, batch = MemoryStore(), records(4)
    name = stored(store, batch, topic=topic)

    with pytest.raises(TransportAuthorizationError):
        drain(store, config)
    assert names(store, topic) == [name]

    ledger = Ledger(topic=topic, metrics=AuditMetrics(topic=topic))
    handler = FallbackHandler(
        store, provider="memory", topic=topic, ledger=ledger, max_object_bytes=1 << 20, max_object_seconds=1.0
    )
    worker = worker_on(store, config, handler=handler, ledger=ledger, max_refusals=1)
    worker.start()
    until(lambda: ledger.counts.rejected == 4, what="the refusal for good")
    worker.close()
    handler.close()
    (name,) = names(store, "rejected/")
    assert decode_object(store.objects[name]).header.reason == "authorization"

    kafka.add_acl("payments", topic, ["WRITE"])
    drain(store, config, rejected=True)
    assert sent(config) == [0, 1, 2, 3]


def _widen(broker: KafkaBroker, topic: str) -> None:
    change = ConfigEntry("max.message.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    admin = broker.admin()
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(60)


def test_adopted_events_wait_for_the_backlog(kafka_beside: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka_beside.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    batch = records(60)
    assert config.storage_config is not None
    with StorageProviderFactory.create(config.storage_config) as store:
        stored(store, batch[:20])
        stored(store, batch[20:40])
    leave_segment(tmp_path / "spool", batch[40:])

    with running(as_shop(config)) as telemetry:
        receipt = telemetry.audit.log("after", {}, "user-1")
        until(lambda: telemetry.audit.get_audit_stats().recovered == 20)
        assert receipt.wait_delivered(60) is not None
        until(lambda: not telemetry.audit.get_audit_stats().diverted, what="direct sending")
        assert telemetry.audit.log("direct", {}, "user-1").wait_delivered(60).topic is not None

    order: dict[str, list[int]] = defaultdict(list)
    for value in on_topic(config):
        if value["producer"] == batch[0].producer:
            order[value["data"]["user_id"]].append(int(value["sequence"]))
    assert sorted(number for numbers in order.values() for number in numbers) == list(range(60))
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert left_in(tmp_path / "spool") == []


def test_unlistable_store_leaves_the_spool(
    kafka_beside: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick_config(kafka_beside.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    batch = records(5)
    leave_segment(tmp_path / "spool", batch)

    def fails(*_given: object, **_named: object) -> Iterator[object]:
        message = "not now"
        raise StorageError(message)

    with monkeypatch.context() as patched:
        patched.setattr("telemetry.audit.replay.fallback_parts.listed", fails)
        with running(as_shop(config)) as telemetry:
            assert telemetry.audit.log("own", {}, "ada").wait_delivered(60).topic is not None
    assert {value["producer"] for value in on_topic(config)} & {batch[0].producer} == set()

    with running(as_shop(config)) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().recovered == 5)
    assert {value["id"] for value in on_topic(config)} >= {record.event_id for record in batch}
