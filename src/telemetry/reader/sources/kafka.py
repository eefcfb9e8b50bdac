"""Reads raw records from a Kafka topic."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import asdict
from types import TracebackType
from typing import Any, Protocol, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from telemetry.config import AuditConfig
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.errors import transport_error
from telemetry.kafka.options import consumer_options
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.sources.read_range import ReadRange
from telemetry.reader.sources.topic_bounds import TopicBounds

logger = logging.getLogger("telemetry.kafka")

_CHUNK = 1_000
_WAIT_SECONDS = 0.5
_GROUP_ERRORS = frozenset((KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.COORDINATOR_NOT_AVAILABLE))


class ReadProgress(Protocol):
    """Shows how far the reading has come."""

    def expect(self, records: int) -> None:
        """Called once, before the first record, with the number of records to read."""


class KafkaSource:
    """A topic as a stream of raw records; it ends where the topic ended at first, unless it follows.

    Args:
        config: How to reach Kafka, and the topic.
        within: The part of the topic that is read.
        progress: Called with the number of records to read.
        headers: Whether to read the records' headers too; this costs a few microseconds a record.

    Attributes:
        bounds: First and end offset that are read, by partition; known after :meth:`locate`.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        within: ReadRange | None = None,
        progress: ReadProgress | None = None,
        headers: bool = False,
    ) -> None:
        self._within = within or ReadRange()
        self._topic = config.kafka_topic
        self._timeout = max(config.kafka_timeout_ms / 1_000, 1.0)
        self._progress = progress
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
        # stop() may set _stopping in another thread; the thread that reads looks at it between two requests.
        self._closed = self._stopping = self._located = False
        self.bounds: dict[int, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield the records, partition by partition as they arrive.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        self.locate()
        # The next iteration finds its own range.
        self._located = False
        ends = self.bounds
        remaining = {partition for partition, (start, end) in ends.items() if start < end}
        if self._progress is not None:
            self._progress.expect(sum(max(end - start, 0) for start, end in ends.values()))
        if not self._within.follow:
            self._pause(ends.keys() - remaining)
        while (remaining or self._within.follow) and not (self._closed or self._stopping):
            messages = self._consume()
            yield from self._records(messages, ends)
            # Only now: a reader that stops in between gets these records again when its group continues.
            self._commit(messages, ends)
            if not self._within.follow:
                finished = self._finished(remaining, ends)
                self._pause(finished)
                remaining -= finished

    def locate(self) -> None:
        """Find the range that is read, unless it is known; records written later are outside of it.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        if not self._located:
            self.bounds = self._assign()
            self._located = True

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        within = {name: value for name, value in asdict(self._within).items() if value not in (None, False)}
        offsets = {str(partition): list(range_) for partition, range_ in self.bounds.items()}
        return {"kind": "topic", "topic": self._topic, "range": within, "offsets": offsets}

    @property
    def is_endless(self) -> bool:
        """Whether the source waits for new records."""
        return self._within.follow

    def stop(self) -> None:
        """End the records soon; may be called from another thread than the one that reads."""
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
            messages = self._consumer.consume(_CHUNK, _WAIT_SECONDS)
        except KafkaException as exc:
            raise transport_error(exc.args[0], self._topic) from exc
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif not self._may_ignore(error):
                raise transport_error(error, self._topic)
        return records

    def _records(self, messages: list[Any], ends: dict[int, tuple[int, int]]) -> Iterator[RawRecord]:
        topic, until, endless, headers = self._topic, self._within.until, self._within.follow, self._with_headers
        for message in messages:
            partition, offset = message.partition(), message.offset()
            if not endless and offset >= ends[partition][1]:
                continue
            timestamp = message.timestamp()[1] / 1_000
            if until is None or timestamp <= until:
                record = RawRecord(message.key(), message.value(), Place(topic, partition, offset), timestamp)
                yield record._replace(headers=tuple(message.headers() or ())) if headers else record

    def _commit(self, messages: list[Any], ends: dict[int, tuple[int, int]]) -> None:
        """Commit the records that were yielded, for a group: no more, so that it skips none when it continues."""
        if self._within.group is None:
            return
        yielded: dict[int, int] = {}
        for message in messages:
            if self._within.follow or message.offset() < ends[message.partition()][1]:
                yielded[message.partition()] = message.offset() + 1
        if yielded:
            offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in yielded.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _pause(self, partitions: Collection[int]) -> None:
        """Fetch nothing more from these partitions."""
        if partitions:
            self._consumer.pause([TopicPartition(self._topic, partition) for partition in partitions])

    def _may_ignore(self, error: KafkaError) -> bool:
        """Return whether an error is about a consumer group that is not used: the client asks for one in any case."""
        return self._within.group is None and error.code() in _GROUP_ERRORS

    def _finished(self, remaining: set[int], ends: dict[int, tuple[int, int]]) -> set[int]:
        """Return the partitions that were read to their ends, by the client's position: the last offsets may hold no record."""
        positions = self._consumer.position([TopicPartition(self._topic, partition) for partition in remaining])
        return {each.partition for each in positions if each.offset >= ends[each.partition][1]}

    def _assign(self) -> dict[int, tuple[int, int]]:
        """Begin every partition where the range begins; return first and end offset of each."""
        try:
            starts, bounds = TopicBounds(
                self._consumer, self._topic, within=self._within, timeout=self._timeout
            ).locate()
            self._consumer.assign(starts)
        except KafkaException as exc:
            error = exc.args[0]
            # A time-out says nothing about its cause; what the client reported last does.
            if error.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):  # noqa: SLF001 - librdkafka's own codes
                error = self._last_error or error
            raise transport_error(error, self._topic) from exc
        return bounds

    def _note_error(self, error: KafkaError) -> None:
        # The client calls this inside consume() and other requests, in the thread that reads.
        if self._may_ignore(error):
            return
        self._last_error = error
        self._client_log.error(error)
