"""Reads back the events that are on the topic or in the fallback store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from telemetry.cli.options.object_view import ObjectView
from telemetry.format.objects.stored_name import SHELVES, WAITING, parse_stored_name
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.storage import StorageProviderFactory
from telemetry.trail.stored import open_storage_keys
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.raw_records import raw_records


def on_topic(config: AuditConfig) -> list[dict[str, Any]]:
    """Return the values of every record on the topic, by partition and offset."""
    with KafkaSource(config) as source:
        return [json.loads(record.value) for record in raw_records(source) if record.value is not None]


def fallback_objects(config: AuditConfig, *, below: str = WAITING) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield name and values of each object in the fallback store."""
    if config.storage_config is None:
        return
    with ExitStack() as stack:
        store = stack.enter_context(StorageProviderFactory.create(config.storage_config))
        keys = open_storage_keys(TelemetryConfig(audit_config=config), stack)
        for shelf in SHELVES:
            for stored in store.list(shelf.below(below, f"{config.kafka_topic}/")):
                if parse_stored_name(stored.name) is not None:
                    view = ObjectView(store.stream(stored.name), name=stored.name, keys=keys)
                    yield stored.name, [json.loads(record.value) for record in view.records()]


def in_fallback(config: AuditConfig, *, below: str = WAITING) -> list[dict[str, Any]]:
    """Return the values of every record in the fallback store, in the order of the objects."""
    return [value for _, values in fallback_objects(config, below=below) for value in values]


def ids(values: list[dict[str, Any]]) -> set[str]:
    """Return the event ids of records."""
    return {value["id"] for value in values}
