"""Computes what a number of services and gateways needs, from what was measured (docs/sizing.md) and the default settings."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

_SEALED_PART = 4 / 3
_RECORD_BYTES = 1_200
_CPU_OF_EVENT = 75e-6
_CPU_OF_REQUEST = 1_000e-6
_USED_PART = 0.5
"""Part of a core that is planned to be used: the rest is for peaks."""
_PARTITION_BYTES = 5 << 20
_FEWEST_PARTITIONS = 6
_WRITTEN_TIMES = 3
_DISK_BYTES_OF_REQUEST = 46_000
_MEMORY_AT_REST = 100 << 20
_MEMORY_OF_QUEUE = 2 * (64 << 20)
_MEMORY_OF_STREAM = 1_600 << 10
_THREADS = 20
_FILES = 64
_FILES_OF_STREAM = 2
_SPOOL_OF_STREAM = 1_300 << 10
_KEY_SECONDS, _KEY_USES, _KEY_BYTES = 3_600, 1_000_000, 1 << 30
_CHECKPOINT_EVENTS, _CHECKPOINT_SECONDS, _HEARTBEAT_SECONDS = 1_000, 10, 300
_HOUR, _DAY = 3_600, 86_400
_UNITS = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_FEW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the services send.

    Attributes:
        services: Services that log, each with a stream of its own at every gateway.
        gateways: Gateways that share the load; of several, one may be away.
        events_per_second: Events of all services together, at their peak.
        payload_bytes: Payload of an event as JSON.
        events_per_request: Events in one request.
        outage_seconds: How long neither Kafka nor the fallback store may answer before events are refused.
    """

    services: int
    gateways: int
    events_per_second: float
    payload_bytes: int = 1_024
    events_per_request: int = 100
    outage_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What it needs; sizes in bytes.

    Attributes:
        record: Size of a record on the topic, uncompressed.
        topic_per_second: What all gateways write to the topic in a second, uncompressed and once.
        topic_per_day: The same in a day.
        partitions: Partitions of the topic.
        cores: Cores that all gateways together use at half of their capacity, when one of several is away.
        gateways: Fewest gateways: a process uses one core, and one more may be away.
        memory: Memory of one gateway.
        threads: Threads of one gateway.
        open_files: Open files and connections of one gateway, beside those of its callers.
        spool: Disk that the spool of one gateway takes at most.
        disk_per_second: What one gateway writes to its disk in a second, where callers wait for `durable`.
        fallback_per_hour: What all gateways store in the fallback in an hour without Kafka.
        key_calls_per_hour: Calls to the key service in an hour, of all gateways.
        checkpoints_per_hour: Checkpoints in an hour, of all gateways.
    """

    record: int
    topic_per_second: int
    topic_per_day: int
    partitions: int
    cores: float
    gateways: int
    memory: int
    threads: int
    open_files: int
    spool: int
    disk_per_second: int
    fallback_per_hour: int
    key_calls_per_hour: int
    checkpoints_per_hour: int

    def as_dict(self) -> dict[str, int | float]:
        """Return it for JSON."""
        return asdict(self)

    def as_rows(self) -> list[tuple[str, str]]:
        """Return a name and a text for each number, for people."""
        return [
            ("record on the topic", _bytes(self.record)),
            ("topic, uncompressed", f"{_bytes(self.topic_per_second)}/s, {_bytes(self.topic_per_day)} a day"),
            ("partitions", f"{self.partitions}"),
            ("cores, of all gateways", f"{self.cores:g}, half of them used"),
            ("gateways, at least", f"{self.gateways}"),
            ("memory of a gateway", _bytes(self.memory)),
            ("threads of a gateway", f"{self.threads}"),
            ("open files of a gateway", f"{self.open_files:,}, and one for each connection"),
            ("spool of a gateway", _bytes(self.spool)),
            ("disk writes of a gateway", f"{_bytes(self.disk_per_second)}/s"),
            ("fallback store", f"{_bytes(self.fallback_per_hour)} for an hour without Kafka"),
            ("calls of the key service", f"{self.key_calls_per_hour:,} an hour"),
            ("checkpoints", f"{self.checkpoints_per_hour:,} an hour"),
        ]


def size_of(load: Load) -> Sizing:
    """Return what a load needs with the default settings.

    Args:
        load: What the services send.
    """
    rate = load.events_per_second
    record = round(_SEALED_PART * load.payload_bytes) + _RECORD_BYTES
    # Planned for the moment when one of several gateways is away.
    carriers = max(load.gateways - 1, 1)
    busiest = rate / carriers
    cores = rate * (_CPU_OF_EVENT + _CPU_OF_REQUEST / load.events_per_request) / _USED_PART
    streams = load.services * load.gateways
    written = record * _WRITTEN_TIMES + _DISK_BYTES_OF_REQUEST / load.events_per_request
    return Sizing(
        record=record,
        topic_per_second=round(rate * record),
        topic_per_day=round(rate * record * _DAY),
        partitions=max(_FEWEST_PARTITIONS, math.ceil(rate * record / _PARTITION_BYTES)),
        cores=round(cores, 2),
        gateways=max(2, math.ceil(cores) + 1),
        memory=_MEMORY_AT_REST + _MEMORY_OF_QUEUE + load.services * _MEMORY_OF_STREAM,
        threads=_THREADS,
        open_files=_FILES + load.services * _FILES_OF_STREAM,
        # At most half of a segment may wait.
        spool=round(2 * busiest * record * load.outage_seconds) + load.services * _SPOOL_OF_STREAM,
        disk_per_second=round(busiest * written),
        fallback_per_hour=round(rate * record * _HOUR),
        key_calls_per_hour=streams * _times_per_hour(rate / streams, record),
        checkpoints_per_hour=round(streams * _checkpoints_per_hour(rate / streams)),
    )


def _bytes(count: float) -> str:
    """Return a number of bytes for people."""
    unit = next((unit for unit, size in _UNITS if count >= size), "B")
    amount = count / dict(_UNITS).get(unit, 1)
    return f"{amount:.1f} {unit}" if unit != "B" and amount < _FEW else f"{amount:,.0f} {unit}"


def _times_per_hour(rate: float, record: int) -> int:
    """Return how often an hour a stream needs a data key."""
    seconds = min(
        _KEY_SECONDS, _KEY_USES / rate if rate else math.inf, _KEY_BYTES / (rate * record) if rate else math.inf
    )
    return math.ceil(_HOUR / seconds)


def _checkpoints_per_hour(rate: float) -> float:
    """Return how many checkpoints a stream writes an hour: by number of events, by time with new events, as heartbeat."""
    if not rate:
        return _HOUR / _HEARTBEAT_SECONDS
    # The time runs from the first event that no checkpoint covers.
    pause = min(_CHECKPOINT_EVENTS / rate, _CHECKPOINT_SECONDS + 1 / rate, _HEARTBEAT_SECONDS)
    return _HOUR / pause
