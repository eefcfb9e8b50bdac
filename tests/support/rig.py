"""What the fault tests share: a quick configuration, a trail read back, and waiting for a condition."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uuid_utils

from telemetry.audit.accept.draft import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.format.objects.fallback_object import (
    StoredRecord,
    decode_object,
    encode_object,
    object_name,
    parse_object_name,
)
from telemetry.format.value.message import source_of
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, StorageConfig

PATIENCE = 30.0
NOWHERE = "127.0.0.1:9"
"""The discard port: nothing listens there, so a connection is refused at once."""


def quick_config(brokers: str, folder: Path, **changes: Any) -> AuditConfig:
    """Return a configuration for a broker that is there, or, with ``NOWHERE``, is known at once not to be."""
    values: dict[str, Any] = {
        "kafka_brokers": brokers,
        "security_protocol": "PLAINTEXT",
        "encryption_enabled": False,
        "kafka_timeout_ms": 100 if brokers == NOWHERE else 5_000,
        "max_retries": 0 if brokers == NOWHERE else 1,
        "batch_timeout_ms": 5,
        "fallback_object_seconds": 0.2,
        "storage_config": StorageConfig(provider="local_file", base_path=folder / "fallback"),
    }
    values |= changes
    if not values.get("fallback_enabled", True):
        del values["storage_config"]
    return AuditConfig(**values)


@contextmanager
def running(config: AuditConfig, *, timeout: float = 15.0) -> Iterator[Telemetry]:
    """Start telemetry, and shut it down whatever the test does; a lost event fails the test."""
    telemetry = Telemetry(config)
    telemetry.start()
    try:
        yield telemetry
    finally:
        telemetry.shutdown(timeout)


def until(condition: Callable[[], object], *, timeout: float = PATIENCE, what: str = "the condition") -> None:
    """Wait for a condition that another thread or process brings about."""
    give_up = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < give_up, f"{what} did not come true in {timeout:g} s"
        pause.wait(0.01)


def on_topic(config: AuditConfig) -> list[dict[str, Any]]:
    """Return the values of every record on the topic, by partition and offset."""
    with KafkaSource(config) as source:
        return [json.loads(record.value) for record in source if record.value is not None]


def fallback_objects(config: AuditConfig, *, below: str = "") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield name and values of each object in the fallback store."""
    if config.storage_config is None:
        return
    with StorageProviderFactory.create(config.storage_config) as store:
        for stored in store.list(f"{below}{config.kafka_topic}/"):
            if parse_object_name(stored.name.removeprefix(below)) is not None:
                records = decode_object(store.get(stored.name)).records
                yield stored.name, [json.loads(record.value) for record in records]


def in_fallback(config: AuditConfig, *, below: str = "") -> list[dict[str, Any]]:
    """Return the values of every record in the fallback store, in the order of the objects."""
    return [value for _, values in fallback_objects(config, below=below) for value in values]


def ids(values: list[dict[str, Any]]) -> set[str]:
    """Return the event ids of records."""
    return {value["id"] for value in values}


def records(count: int, *, producer: str | None = None, first: int = 0, size: int = 0) -> list[SealedRecord]:
    """Return records as the pipeline makes them, with encryption off."""
    producer = producer or str(uuid_utils.uuid7())
    factory = EventFactory(service_name="shop", environment="production", version="", max_event_bytes=1 << 20)
    encoder = ClearEncoder(source=source_of("production", "shop"))
    made = []
    for sequence in range(first, first + count):
        draft = factory.draft("login", {"n": sequence, "pad": "x" * size}, f"user-{sequence % 3}", {})
        made.append(encoder.seal(draft, producer, sequence))
    return made


def leave_segment(folder: Path, left: Sequence[SealedRecord], *, topic: str = "audit-events", settled: int = 0) -> Path:
    """Leave what a process leaves that was killed after it had spooled these records."""
    folder.mkdir(parents=True, exist_ok=True)
    segment = SpoolSegment.create(
        folder, producer=left[0].producer, topic=topic, source=source_of("production", "shop")
    )
    segment.append(left, settled_below=settled, tree=None)
    path = segment.path
    copy = folder / "copy"
    # Closing would move the log into the file; a killed process leaves both.
    for suffix in ("", "-wal"):
        shutil.copy2(f"{path}{suffix}", f"{copy}{suffix}")
    segment.close()
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").rename(f"{path}{suffix}")
    return path


def stored(store: StorageProvider, part: Sequence[SealedRecord], *, topic: str = "audit-events") -> str:
    """Store records as a process does; return the object's name."""
    sequences = [record.sequence for record in part if record.sequence is not None]
    name = object_name(
        topic,
        created_uuid7=str(uuid_utils.uuid7()),
        day="2025/11/23",
        producer=part[0].producer,
        first=sequences[0],
        last=sequences[-1],
    )
    lines = [StoredRecord(record.key, record.value, record.sequence) for record in part]
    store.put(name, encode_object(lines, topic=topic, producer=part[0].producer, reason="unavailable"))
    return name
