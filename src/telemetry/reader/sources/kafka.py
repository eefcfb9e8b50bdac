"""Reads raw records from a Kafka topic."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from telemetry.config import AuditConfig
from telemetry.exceptions import TransportError
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.errors import transport_error
from telemetry.kafka.options import consumer_options
from telemetry.reader.entry import Place, RawRecord

logger = logging.getLogger("telemetry.kafka")

_CHUNK = 1_000
_WAIT_SECONDS = 0.5
_METADATA_SECONDS = 15.0
_RETRY_SECONDS = 0.1
_GROUP_ERRORS = frozenset((KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.COORDINATOR_NOT_AVAILABLE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRange:
    """Which part of a topic is read.

    Attributes:
        since: Not before this time by Kafka's timestamps, in seconds since the epoch; None from the beginning.
        until: Not after this time by Kafka's timestamps; what stands behind is not fetched.
        offset: From this offset in every partition; wins over ``since``.
        starts: From these offsets, by partition; a partition that is not named from its beginning.
        end_offset: Up to this offset in every partition, which itself is not read.
        last: Only about this many records at the end.
        follow: Go on with new records, without end.
        group: Continue where this consumer group stopped; an offset is committed when its record has been taken.
    """

    since: float | None = None
    until: float | None = None
    offset: int | None = None
    starts: Mapping[int, int] | None = None
    end_offset: int | None = None
    last: int | None = None
    follow: bool = False
    group: str | None = None


class KafkaSource:
    """A topic as a stream of raw records; ends where the topic ended when it began, unless it follows.

    Args:
        config: How to reach Kafka, and which topic.
        within: Which part is read.
        on_total: Told how many records there are to read, for progress.
        headers: Take the records' headers along; costs a few microseconds a record.

    Attributes:
        bounds: By partition, the first offset that is read and the end; known after :meth:`locate`.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        within: ReadRange | None = None,
        on_total: Callable[[int], None] | None = None,
        headers: bool = False,
    ) -> None:
        self._within = within or ReadRange()
        self._topic = config.kafka_topic
        self._timeout = max(config.kafka_timeout_ms / 1_000, 1.0)
        self._on_total = on_total
        self._with_headers = headers
        self._last_error: KafkaError | None = None
        self._client_log = ClientLog(logger)
        self._consumer = Consumer(
            {
                **consumer_options(config),
                "group.id": self._within.group or "telemetry-reader",
                "enable.partition.eof": False,
                "error_cb": self._note_error,
                "logger": self._client_log.logger,
            }
        )
        self._closed = self._stopping = self._located = False
        self.bounds: dict[int, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield the records, partition by partition as they arrive.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        self.locate()
        self._located = False
        ends = self.bounds
        remaining = {partition for partition, (start, end) in ends.items() if start < end}
        if self._on_total is not None:
            self._on_total(sum(max(end - start, 0) for start, end in ends.values()))
        if not self._within.follow:
            self._pause(ends.keys() - remaining)
        while (remaining or self._within.follow) and not (self._closed or self._stopping):
            found = self._consume()
            yield from self._records(found, ends)
            self._commit(found, ends)
            if not self._within.follow:
                finished = self._finished(remaining, ends)
                self._pause(finished)
                remaining -= finished

    def locate(self) -> None:
        """Find the range that is read; reading does so by itself, and what is written from now on is behind the end.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        if not self._located:
            self.bounds = self._assign()
            self._located = True

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the record of the read."""
        within = {name: value for name, value in asdict(self._within).items() if value not in (None, False)}
        offsets = {str(partition): list(range_) for partition, range_ in self.bounds.items()}
        return {"kind": "topic", "topic": self._topic, "range": within, "offsets": offsets}

    @property
    def is_endless(self) -> bool:
        """Whether new records are waited for."""
        return self._within.follow

    def stop(self) -> None:
        """Have the stream end soon; may be called from another thread than the one that reads."""
        self._stopping = True

    def close(self) -> None:
        """Leave Kafka."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _consume(self) -> list[Any]:
        try:
            found = self._consumer.consume(_CHUNK, _WAIT_SECONDS)
        except KafkaException as exc:
            raise transport_error(exc.args[0], self._topic) from exc
        records = []
        for message in found:
            error = message.error()
            if error is None:
                records.append(message)
            elif not self._needs_no(error):
                raise transport_error(error, self._topic)
        return records

    def _records(self, found: list[Any], ends: dict[int, tuple[int, int]]) -> Iterator[RawRecord]:
        topic, until, endless, headers = self._topic, self._within.until, self._within.follow, self._with_headers
        for message in found:
            partition, offset = message.partition(), message.offset()
            if not endless and offset >= ends[partition][1]:
                continue
            timestamp = message.timestamp()[1] / 1_000
            if until is None or timestamp <= until:
                record = RawRecord(message.key(), message.value(), Place(topic, partition, offset), timestamp)
                yield record._replace(headers=tuple(message.headers() or ())) if headers else record

    def _commit(self, found: list[Any], ends: dict[int, tuple[int, int]]) -> None:
        """Commit what was taken, for a group: no more, so that nothing is passed over when it continues."""
        if self._within.group is None:
            return
        taken: dict[int, int] = {}
        for message in found:
            if self._within.follow or message.offset() < ends[message.partition()][1]:
                taken[message.partition()] = message.offset() + 1
        if taken:
            offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in taken.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _pause(self, partitions: Collection[int]) -> None:
        """Fetch nothing more of these."""
        if partitions:
            self._consumer.pause([TopicPartition(self._topic, partition) for partition in partitions])

    def _needs_no(self, error: KafkaError) -> bool:
        """Whether the error is about a consumer group that this source does not use: the client asks for it anyway."""
        return self._within.group is None and error.code() in _GROUP_ERRORS

    def _finished(self, remaining: set[int], ends: dict[int, tuple[int, int]]) -> set[int]:
        """Return the partitions that were read to their ends; gaps of compaction and transactions are skipped."""
        positions = self._consumer.position([TopicPartition(self._topic, partition) for partition in remaining])
        return {found.partition for found in positions if found.offset >= ends[found.partition][1]}

    def _assign(self) -> dict[int, tuple[int, int]]:
        """Assign every partition; return first and end offset of each."""
        try:
            partitions = self._partitions()
            starts, limits = self._starts(partitions), self._limits(partitions)
            ends = {}
            for start in starts:
                low, high = self._watermarks(start)
                first = low if start.offset in (OFFSET_BEGINNING, -1001) else start.offset
                first = high if start.offset == OFFSET_END else max(first, low)
                high = min(high, limits.get(start.partition, high))
                if self._within.last is not None:
                    first = max(first, high - self._within.last)
                start.offset = first
                ends[start.partition] = (first, high)
            self._consumer.assign(starts)
        except KafkaException as exc:
            error = exc.args[0]
            if error.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):  # noqa: SLF001 - librdkafka's own codes
                error = self._last_error or error
            raise transport_error(error, self._topic) from exc
        return ends

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """Return first and end offset; a client that asks a broker which only just came back may not know it at once."""
        give_up = time.monotonic() + min(self._timeout, _METADATA_SECONDS)
        while True:
            try:
                return self._consumer.get_watermark_offsets(partition, timeout=self._timeout)
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError._UNKNOWN_PARTITION or time.monotonic() > give_up:  # noqa: SLF001
                    raise
                time.sleep(_RETRY_SECONDS)

    def _partitions(self) -> list[TopicPartition]:
        give_up = time.monotonic() + min(self._timeout * 3, _METADATA_SECONDS)
        while True:
            topic = self._consumer.list_topics(self._topic, timeout=self._timeout).topics[self._topic]
            if topic.error is None and topic.partitions:
                return [TopicPartition(self._topic, partition) for partition in sorted(topic.partitions)]
            if topic.error is None or not topic.error.retriable() or time.monotonic() > give_up:
                break
        if topic.error is not None:
            raise transport_error(topic.error, self._topic)
        message = f"topic {self._topic!r} has no partitions"
        raise TransportError(message)

    def _starts(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        within = self._within
        if within.group is not None:
            return self._consumer.committed(partitions, timeout=self._timeout)
        if within.starts is not None:
            starts = within.starts
            return [
                TopicPartition(self._topic, found.partition, starts.get(found.partition, OFFSET_BEGINNING))
                for found in partitions
            ]
        if within.offset is not None:
            return [TopicPartition(self._topic, found.partition, within.offset) for found in partitions]
        if within.since is not None:
            wanted = [TopicPartition(self._topic, found.partition, int(within.since * 1_000)) for found in partitions]
            return self._consumer.offsets_for_times(wanted, timeout=self._timeout)
        return [TopicPartition(self._topic, found.partition, OFFSET_BEGINNING) for found in partitions]

    def _limits(self, partitions: list[TopicPartition]) -> dict[int, int]:
        """Return the offsets at which the range ends, where it ends before the topic does."""
        within = self._within
        limits = {} if within.end_offset is None else {found.partition: within.end_offset for found in partitions}
        if within.until is None or within.follow:
            return limits
        after = int(within.until * 1_000) + 1
        wanted = [TopicPartition(self._topic, found.partition, after) for found in partitions]
        for found in self._consumer.offsets_for_times(wanted, timeout=self._timeout):
            if found.offset >= 0:  # otherwise nothing is as late as that
                limits[found.partition] = min(found.offset, limits.get(found.partition, found.offset))
        return limits

    def _note_error(self, error: KafkaError) -> None:
        if self._needs_no(error):
            return
        self._last_error = error
        self._client_log.error(error)
