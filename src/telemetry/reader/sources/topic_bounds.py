"""Finds the offsets at which a range of a topic begins and ends."""

from __future__ import annotations

import logging
import time
from functools import partial

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from telemetry.exceptions import ConfigurationError, Problem, TransportError
from telemetry.kafka.errors import transport_error
from telemetry.reader.sources.coordinator import asked_again
from telemetry.reader.sources.read_range import ReadRange
from telemetry.system.deadline import Deadline

logger = logging.getLogger("telemetry.kafka")

_METADATA_SECONDS = 15.0
_RETRY_SECONDS = 0.1


class TopicBounds:
    """Asks Kafka where a range begins and ends in each partition of a topic.

    Args:
        consumer: The client that asks.
        topic: Name of the topic.
        within: The range.
        timeout: Seconds that one request may take.
    """

    def __init__(self, consumer: Consumer, topic: str, *, within: ReadRange, timeout: float) -> None:
        self._consumer = consumer
        self._topic = topic
        self._within = within
        self._timeout = timeout

    def locate(self) -> tuple[list[TopicPartition], dict[int, tuple[int, int]]]:
        """Return where to begin in each partition, and the first and the end offset of each.

        Raises:
            KafkaException: Kafka cannot be reached, or refuses.
            TransportError: The topic does not exist or has no partitions.
        """
        partitions = self._partitions()
        committed = self._committed(partitions)
        starts = [committed.get(each.partition, each) for each in self._starts(partitions)]
        limits = self._limits(partitions)
        bounds = {}
        for start in starts:
            low, high = self._watermarks(start)
            first = low if start.offset in (OFFSET_BEGINNING, OFFSET_INVALID) else start.offset
            first = high if start.offset == OFFSET_END else max(first, low)
            if start.partition in committed:
                first = self._continued(start, low, high)
            self._require_reached(start.partition, high)
            high = min(high, limits.get(start.partition, high))
            if self._within.last is not None:
                first = max(first, high - self._within.last)
            start.offset = first
            bounds[start.partition] = (first, high)
        return starts, bounds

    def _partitions(self) -> list[TopicPartition]:
        deadline = Deadline(min(self._timeout * 3, _METADATA_SECONDS))
        while True:
            topic = self._consumer.list_topics(self._topic, timeout=self._timeout).topics[self._topic]
            if topic.error is None and topic.partitions:
                return [TopicPartition(self._topic, partition) for partition in sorted(topic.partitions)]
            if topic.error is None or not topic.error.retriable() or deadline.is_over:
                break
        if topic.error is not None:
            raise transport_error(topic.error, self._topic)
        message = f"topic {self._topic!r} has no partitions; ask the operator of the Kafka cluster"
        raise TransportError(message)

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Return first and end offset of a partition."""
        deadline = Deadline(min(self._timeout, _METADATA_SECONDS))
        while True:
            try:
                return self._consumer.get_watermark_offsets(partition, timeout=self._timeout)
            except KafkaException as exc:
                # A client that asks a broker which has only just returned may not know its partitions at once.
                if exc.args[0].code() != KafkaError._UNKNOWN_PARTITION or deadline.is_over:  # noqa: SLF001 - its own code
                    raise
                time.sleep(_RETRY_SECONDS)

    def _committed(self, partitions: list[TopicPartition]) -> dict[int, TopicPartition]:
        """Return where the group continues; a partition of which it has read nothing is not among them."""
        if self._within.group is None:
            return {}
        ask = partial(self._consumer.committed, partitions, timeout=self._timeout)
        places = asked_again(ask, seconds=_METADATA_SECONDS)
        return {each.partition: each for each in places if each.offset >= 0}

    def _continued(self, committed: TopicPartition, low: int, high: int) -> int:
        """Return where the group continues within what the partition has, and say what it can no longer read."""
        place = f"{self._topic}[{committed.partition}]"
        if committed.offset > high:
            logger.error(
                "group %r has read %s up to offset %d, but it ends at %d: it is another topic now, or has lost records."
                " It is read from its beginning",
                self._within.group,
                place,
                committed.offset,
                high,
            )
            return low
        if committed.offset < low:
            logger.error(
                "group %r has read %s up to offset %d, but it begins at %d: the records in between were deleted before"
                " they were read. Lengthen retention.ms of the topic, or read more often",
                self._within.group,
                place,
                committed.offset,
                low,
            )
        return max(committed.offset, low)

    def _starts(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        within = self._within
        if within.starts is not None:
            starts = within.starts
            return [self._at(each, starts.get(each.partition, OFFSET_BEGINNING)) for each in partitions]
        if within.offset is not None:
            return [self._at(each, within.offset) for each in partitions]
        if within.since is not None:
            return self._offsets_at(partitions, int(within.since * 1_000))
        return [self._at(each, OFFSET_BEGINNING) for each in partitions]

    def _limits(self, partitions: list[TopicPartition]) -> dict[int, int]:
        """Return the offsets at which the range ends, for each partition that goes on after the range."""
        within = self._within
        limits = {} if within.end_offset is None else {each.partition: within.end_offset for each in partitions}
        if within.ends is not None:
            self._require_known(within.ends.keys() - {each.partition for each in partitions})
            limits = {each.partition: within.ends.get(each.partition, 0) for each in partitions}
        if within.until is None or within.follow:
            return limits
        for each in self._offsets_at(partitions, int(within.until * 1_000) + 1):
            if each.offset >= 0:  # negative: no record is that late
                limits[each.partition] = min(each.offset, limits.get(each.partition, each.offset))
        return limits

    def _require_known(self, unknown: set[int]) -> None:
        if unknown:
            problem = Problem(
                "--end", f"{self._topic} has no partition {min(unknown)}", "copy it from an earlier export"
            )
            raise ConfigurationError(problem)

    def _require_reached(self, partition: int, high: int) -> None:
        """Check that a partition still has all of a range that was read before."""
        end = (self._within.ends or {}).get(partition, 0)
        if end > high:
            reason = f"{self._topic}[{partition}] ends at {high}, before {end}"
            advice = "it is another topic now, or has lost records: the same cannot be read again"
            raise ConfigurationError(Problem("--end", reason, advice))

    def _offsets_at(self, partitions: list[TopicPartition], milliseconds: int) -> list[TopicPartition]:
        """Return the first offset of each partition at or after a time."""
        # The protocol puts the time where the answer has the offset.
        wanted = [self._at(each, milliseconds) for each in partitions]
        return self._consumer.offsets_for_times(wanted, timeout=self._timeout)

    def _at(self, partition: TopicPartition, offset: int) -> TopicPartition:
        return TopicPartition(self._topic, partition.partition, offset)
