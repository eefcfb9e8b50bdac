"""Reads back the events that are on the topic or in the fallback store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from telemetry.format.objects.fallback_object import decode_object
from telemetry.format.objects.stored_name import parse_object_name
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.storage import StorageProviderFactory
from telemetry.types import AuditConfig


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
