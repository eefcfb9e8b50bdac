"""Read raw records from a topic, a fallback store or a file. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.reader.sources.fallback import FallbackSource
    from telemetry.reader.sources.file import FileSource
    from telemetry.reader.sources.joined import JoinedSource
    from telemetry.reader.sources.kafka import KafkaSource, ReadProgress
    from telemetry.reader.sources.read_range import ReadRange
    from telemetry.reader.sources.source import Source

__all__ = [
    "FallbackSource",
    "FileSource",
    "JoinedSource",
    "KafkaSource",
    "ReadProgress",
    "ReadRange",
    "Source",
]

_HOMES = {
    "FallbackSource": "telemetry.reader.sources.fallback",
    "FileSource": "telemetry.reader.sources.file",
    "JoinedSource": "telemetry.reader.sources.joined",
    "KafkaSource": "telemetry.reader.sources.kafka",
    "ReadProgress": "telemetry.reader.sources.kafka",
    "ReadRange": "telemetry.reader.sources.read_range",
    "Source": "telemetry.reader.sources.source",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
