"""Read the trail: records from a source, opened or verified. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.encryption.late_provider import opened_storage_keys
    from telemetry.format.value.disclosure import Disclosure, verify_disclosure
    from telemetry.reader.entry import (
        CheckpointEntry,
        DamagedRecord,
        Entry,
        OpenedEvent,
        Place,
        Proven,
        RawRecord,
        RosterEntry,
        SealedEntry,
    )
    from telemetry.reader.filters import EventFilter
    from telemetry.reader.open.opener import RecordOpener
    from telemetry.reader.open.trail_reader import TrailReader
    from telemetry.reader.sources.fallback import FallbackSource
    from telemetry.reader.sources.file import FileSource
    from telemetry.reader.sources.kafka import KafkaSource
    from telemetry.reader.sources.read_range import ReadRange

__all__ = [
    "CheckpointEntry",
    "DamagedRecord",
    "Disclosure",
    "Entry",
    "EventFilter",
    "FallbackSource",
    "FileSource",
    "KafkaSource",
    "OpenedEvent",
    "Place",
    "Proven",
    "RawRecord",
    "ReadRange",
    "RecordOpener",
    "RosterEntry",
    "SealedEntry",
    "TrailReader",
    "opened_storage_keys",
    "verify_disclosure",
]

_HOMES = {
    "CheckpointEntry": "telemetry.reader.entry",
    "RosterEntry": "telemetry.reader.entry",
    "DamagedRecord": "telemetry.reader.entry",
    "Disclosure": "telemetry.format.value.disclosure",
    "Entry": "telemetry.reader.entry",
    "EventFilter": "telemetry.reader.filters",
    "FallbackSource": "telemetry.reader.sources.fallback",
    "FileSource": "telemetry.reader.sources.file",
    "KafkaSource": "telemetry.reader.sources.kafka",
    "OpenedEvent": "telemetry.reader.entry",
    "Place": "telemetry.reader.entry",
    "Proven": "telemetry.reader.entry",
    "RawRecord": "telemetry.reader.entry",
    "ReadRange": "telemetry.reader.sources.read_range",
    "RecordOpener": "telemetry.reader.open.opener",
    "SealedEntry": "telemetry.reader.entry",
    "TrailReader": "telemetry.reader.open.trail_reader",
    "opened_storage_keys": "telemetry.encryption.late_provider",
    "verify_disclosure": "telemetry.format.value.disclosure",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
