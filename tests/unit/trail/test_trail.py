"""``open_trail`` on an embedded Kafka: one stream, blocking and async, and the read recorded in the trail."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from telemetry import open_trail
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.storage_keys import StorageKeys, storage_keys_of
from telemetry.exceptions import (
    ConfigurationError,
    LifecycleError,
    ReadNotRecordedError,
    TransportError,
)
from telemetry.format.value.event import AuditEvent, Outcome
from telemetry.reader import (
    DamagedRecord,
    Entry,
    EventFilter,
    FallbackSource,
    FileSource,
    KafkaSource,
    OpenedEvent,
    RawRecord,
    ReadRange,
    SealedEntry,
)
from telemetry.storage import StorageProviderFactory
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.trail.read_event import EVENT_TYPE
from tests.support.raw_records import raw_records

_TOPIC_AUTHORIZATION_FAILED = 29
_SECRET = "Jane Doe, born 1 April"


class Rig:
    """A trail of ten events."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        with Telemetry(self.config()) as telemetry:
            for number in range(10):
                outcome: Outcome = "denied" if number % 5 == 0 else "success"
                telemetry.audit.log("order_read", {"number": number}, f"user-{number % 3}", outcome=outcome)

    def config(self, **changes: Any) -> AuditConfig:
        values: dict[str, Any] = {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 20_000,
            "max_retries": 0,
            "fallback_enabled": False,
            "encryption_config": {
                "provider": "local_key",
                "key_path": self.folder / "key",
                "passphrase": "correct horse",
            },
        }
        return AuditConfig(**{**values, **changes})

    def with_store(self, **changes: Any) -> AuditConfig:
        return self.config(storage_config={"provider": "local_file", "base_path": self.folder / "fallback"}, **changes)

    def records(self) -> list[RawRecord]:
        with KafkaSource(self.config()) as source:
            return raw_records(source)

    def accesses(self) -> list[AuditEvent]:
        """Return the reads that were recorded."""
        with open_trail(self.config(read_audit="off"), wanted=EventFilter(types=(EVENT_TYPE,))) as trail:
            return [entry.event for entry in trail if isinstance(entry, OpenedEvent)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with EmbeddedKafka() as kafka:
        yield Rig(kafka, tmp_path)


def _numbers(entries: list[Entry]) -> list[int]:
    assert all(isinstance(entry, OpenedEvent) for entry in entries)
    return sorted(entry.event.payload["number"] for entry in entries if isinstance(entry, OpenedEvent))


def test_blocking_and_async_yield_the_same(rig: Rig) -> None:
    async def read() -> list[Entry]:
        async with open_trail(rig.config(read_audit="off")) as trail:
            return [entry async for entry in trail]

    with open_trail(rig.config(read_audit="off")) as trail:
        blocking = list(trail)

    assert _numbers(blocking) == list(range(10)) == _numbers(asyncio.run(read()))


def test_read_is_recorded_before_anything_is_opened(rig: Rig) -> None:
    wanted = EventFilter(users=frozenset(["user-1"]), outcomes=frozenset(["success"]), text="number")

    with open_trail(rig.config(), wanted=wanted, reader="auditor@example", reason="ticket 4711") as trail:
        receipt = trail.access
        entries = list(trail)

    assert _numbers(entries) == [1, 4, 7]
    assert trail.filtered == 7
    (found,) = rig.accesses()
    assert receipt is not None
    assert (found.id, found.user_id, found.action, found.outcome) == (
        receipt.event_id,
        "auditor@example",
        "read",
        "success",
    )
    assert (found.entity, found.entity_id) == ("audit_trail", "audit-events")
    assert found.payload["reason"] == "ticket 4711"
    assert found.payload["filters"] == {"users": ["user-1"], "outcomes": ["success"], "text": "number"}
    assert found.payload["os_user"]
    (source,) = found.payload["sources"]
    assert source["kind"] == "topic"
    assert sum(end - start for start, end in source["offsets"].values()) == 10


def test_system_user_is_recorded_beside_the_reader(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")

    with open_trail(rig.config()), open_trail(rig.config(), reader="somebody else"):
        pass

    own, claimed = sorted(rig.accesses(), key=lambda event: event.payload["reader"] or "")
    assert own.user_id == own.payload["os_user"] == claimed.payload["os_user"] != "somebody else"
    assert (claimed.user_id, claimed.payload["reader"]) == ("somebody else", "somebody else")


def test_following_does_not_yield_the_read_itself(rig: Rig) -> None:
    async def read() -> list[Entry]:
        found = []
        async with open_trail(rig.config(), within=ReadRange(follow=True)) as trail:
            async for entry in trail:
                found.append(entry)
                if len(found) == 10:
                    with Telemetry(rig.config()) as telemetry:
                        telemetry.audit.log("order_read", {"number": 10}, "user-1")
                if len(found) == 11:
                    break
        return found

    assert _numbers(asyncio.run(read())) == list(range(11))


def test_search_text_is_in_no_clear_byte(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        open_trail(rig.config(), wanted=EventFilter(text=_SECRET)) as trail,
    ):
        assert list(trail) == []

    values = b"".join((record.key or b"") + (record.value or b"") for record in rig.records())
    assert b"Jane" not in values
    assert "Jane" not in caplog.text
    assert rig.accesses()[0].payload["filters"]["text"] == _SECRET


def test_unsealed_trail_does_not_record_the_search(rig: Rig) -> None:
    config = rig.config(encryption_enabled=False, encryption_config=None)

    with open_trail(config, wanted=EventFilter(text=_SECRET)) as trail:
        list(trail)

    reads = [record.value for record in rig.records() if EVENT_TYPE.encode() in (record.value or b"")]
    assert len(reads) == 1
    assert json.loads(reads[0] or b"")["data"]["payload"]["filters"] == {"text": True}
    assert b"Jane" not in (reads[0] or b"")


def test_unrecorded_read_opens_nothing(rig: Rig) -> None:
    rig.kafka.fail_produce(_TOPIC_AUTHORIZATION_FAILED, 100)

    with (
        pytest.raises(ReadNotRecordedError, match="read_audit") as caught,
        open_trail(rig.config(kafka_timeout_ms=500)),
    ):
        pytest.fail("it was opened")

    assert caught.value.exit_code == 7
    assert "'audit-events'" in str(caught.value)


def test_failed_attempt_is_logged_and_reading_continues(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.kafka.fail_produce(_TOPIC_AUTHORIZATION_FAILED, 100)

    with caplog.at_level(logging.ERROR), open_trail(rig.config(read_audit="attempt", kafka_timeout_ms=500)) as trail:
        assert _numbers(list(trail)) == list(range(10))

    assert trail.access is None
    assert "could not be recorded" in caplog.text


def _keys(config: AuditConfig, provider: EncryptionProvider) -> StorageKeys:
    return storage_keys_of(TelemetryConfig(audit_config=config), provider=provider)


def test_read_event_goes_to_the_fallback(rig: Rig) -> None:
    config = rig.with_store(kafka_timeout_ms=500)
    rig.kafka.fail_produce(_TOPIC_AUTHORIZATION_FAILED, 1_000)

    with open_trail(config, reason="incident") as trail:
        assert _numbers(list(trail)) == list(range(10))

    assert config.storage_config is not None
    off = rig.with_store(read_audit="off")
    assert off.encryption_config is not None
    with (
        StorageProviderFactory.create(config.storage_config) as store,
        EncryptionProviderFactory.create(off.encryption_config) as provider,
        open_trail(off, FallbackSource(store, topic="audit-events", keys=_keys(off, provider))) as kept,
    ):
        events = [entry.event for entry in kept if isinstance(entry, OpenedEvent)]
    assert [event.payload["reason"] for event in events if event.event_type == EVENT_TYPE] == ["incident"]


def test_read_that_cannot_begin_is_not_recorded(rig: Rig) -> None:
    wrong = {"provider": "local_key", "key_path": rig.folder / "key", "passphrase": "wrong"}

    with pytest.raises(ConfigurationError, match="passphrase"), open_trail(rig.config(encryption_config=wrong)):
        pytest.fail("it was opened")

    assert rig.accesses() == []


def test_sealed_read_opens_and_records_nothing(rig: Rig) -> None:
    config = rig.config(encryption_enabled=False, encryption_config=None)

    with open_trail(config, sealed=True) as trail:
        entries = list(trail)

    assert len(entries) == 10
    assert all(isinstance(entry, SealedEntry) for entry in entries)
    assert rig.accesses() == []


def test_damaged_record_does_not_end_the_stream(rig: Rig) -> None:
    records = rig.records()
    broken = [(records[0].value or b"").replace(b"order_read", b"order_kept"), b"{}", b"\xff", None]
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap_servers})
    for value in broken:
        producer.produce("audit-events", value, records[0].key, partition=2)
    producer.produce("audit-events", records[0].value, records[0].key, partition=2)
    assert producer.flush(60) == 0

    with open_trail(rig.config(read_audit="off")) as trail:
        entries = list(trail)

    damaged = [entry for entry in entries if isinstance(entry, DamagedRecord)]
    assert len(damaged) == trail.damaged == 4
    assert {entry.place.partition for entry in damaged} == {2}
    assert len({entry.place.offset for entry in damaged}) == 4
    assert _numbers([entry for entry in entries if isinstance(entry, OpenedEvent)]) == list(range(10))
    assert trail.duplicates_dropped == 1


def test_empty_topic_yields_nothing(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic("other")
        rig = Rig(kafka, tmp_path)
        with open_trail(rig.config(kafka_topic="other")) as trail:
            assert list(trail) == []


def test_waiting_reader_is_cancelled(rig: Rig) -> None:
    async def read() -> int:
        found, reached = 0, asyncio.Event()

        async def follow() -> None:
            nonlocal found
            async with open_trail(rig.config(read_audit="off"), within=ReadRange(follow=True)) as trail:
                async for _ in trail:
                    found += 1
                    if found == 10:
                        reached.set()

        task = asyncio.create_task(follow())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return found

    assert asyncio.run(asyncio.wait_for(read(), 60)) == 10


def test_arguments_that_contradict_each_other(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match="within"):
        open_trail(rig.config(), FileSource(Path("x")), within=ReadRange())
    with pytest.raises(ConfigurationError, match="sealed"):
        open_trail(rig.config(), FileSource(Path("x")), wanted=EventFilter(), sealed=True)
    with pytest.raises(LifecycleError, match="with"):
        iter(open_trail(rig.config(), FileSource(Path("x"))))


def test_kafka_is_unreachable(rig: Rig) -> None:
    rig.kafka.stop_brokers()

    with pytest.raises(TransportError), open_trail(rig.config(kafka_timeout_ms=500)):
        pytest.fail("it was opened")
