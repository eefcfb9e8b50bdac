"""Looks at a topic without reading it: where its partitions begin and end, what time an offset has, how long it keeps records."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from telemetry.config import AuditConfig
from telemetry.kafka.peek.batches import BatchPeek
from telemetry.kafka.peek.connection import PeekError
from telemetry.reader.sources.read_range import ReadRange
from telemetry.reader.sources.topic_client import TopicClient

_ALL = ReadRange()


@dataclass(frozen=True, slots=True)
class Lag:
    """What of a partition is not archived.

    Attributes:
        partition: The partition.
        position: Next offset that is to be archived.
        first: First offset that the topic has.
        end: One more than the last offset that the topic has.
        seconds: Age of the oldest record that is not archived, by Kafka's timestamps; None where there is none, and where
            no broker said.
    """

    partition: int
    position: int
    first: int
    end: int
    seconds: float | None

    @property
    def records(self) -> int:
        """Offsets that the topic has and the archive has not."""
        return max(self.end - max(self.position, self.first), 0)

    @property
    def lost(self) -> int:
        """Offsets that the topic has no more and that were not archived."""
        return max(self.first - self.position, 0)


class TopicView:
    """Answers questions about one topic.

    Args:
        config: How to reach Kafka, and the topic.
    """

    def __init__(self, config: AuditConfig) -> None:
        self._client = TopicClient(config, group=None)
        self._peek = BatchPeek(config, config.kafka_topic, leaders=self._client, timeout=self._client.timeout)
        self.topic = config.kafka_topic

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Return first and end offset of each partition.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        return self._client.bounds(_ALL)

    def offsets_at(self, seconds: float, partitions: Collection[int]) -> dict[int, int | None]:
        """Return the first offset of each partition whose time is not before a moment; None where there is none.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        return self._client.offsets_at(seconds, partitions)

    def lag(self, positions: Mapping[int, int], bounds: Mapping[int, tuple[int, int]]) -> list[Lag]:
        """Return what of each partition is not archived.

        Args:
            positions: Next offset to be archived, by partition; a partition that is not named was never archived.
            bounds: First and end offset of each partition.
        """
        return [
            Lag(partition, (position := positions.get(partition, 0)), first, end, self._age(partition, position, end))
            for partition, (first, end) in sorted(bounds.items())
        ]

    def retention_seconds(self) -> float | None:
        """Return how long the topic keeps records; None where it keeps them for ever, or may not be asked.

        Raises:
            TransportError: Kafka cannot be reached.
        """
        milliseconds = self._client.setting("retention.ms")
        return milliseconds / 1_000 if milliseconds is not None and milliseconds >= 0 else None

    def close(self) -> None:
        """Leave Kafka."""
        self._peek.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _age(self, partition: int, position: int, end: int) -> float | None:
        if position >= end:
            return None
        try:
            batch = self._peek.at(partition, position)
        except PeekError:
            return None
        return max(time.time() - batch.timestamp, 0.0) if batch is not None and batch.timestamp is not None else None
