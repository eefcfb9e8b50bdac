"""The read side: sources, opening, and what is found."""

from telemetry.reader.entry import CheckpointEntry, DamagedRecord, Entry, OpenedEvent, Place, RawRecord, SealedEntry
from telemetry.reader.filters import EventFilter
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.open.trail_reader import TrailReader
from telemetry.reader.sources.fallback import FallbackSource
from telemetry.reader.sources.file import FileSource
from telemetry.reader.sources.kafka import KafkaSource, ReadRange

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
