"""The read side: sources, opening, and what is found."""

from telemetry.reader.entry import CheckpointEntry, DamagedRecord, Entry, OpenedEvent, Place, RawRecord, SealedEntry
from telemetry.reader.fallback_source import FallbackSource
from telemetry.reader.file_source import FileSource
from telemetry.reader.filters import EventFilter
from telemetry.reader.kafka_source import KafkaSource, ReadRange
from telemetry.reader.opener import RecordOpener
from telemetry.reader.trail import TrailReader

__all__ = [
    "CheckpointEntry",
    "DamagedRecord",
    "Entry",
    "EventFilter",
    "FallbackSource",
    "FileSource",
    "KafkaSource",
    "OpenedEvent",
    "Place",
    "RawRecord",
    "ReadRange",
    "RecordOpener",
    "SealedEntry",
    "TrailReader",
]
