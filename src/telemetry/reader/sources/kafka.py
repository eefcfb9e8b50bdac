"""Reads raw records from a Kafka topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, Protocol, Self

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from telemetry.config import AuditConfig
from telemetry.exceptions import MalformedRecordError
from telemetry.kafka.options import fetch_options, largest_value
from telemetry.kafka.peek.batches import BatchPeek
from telemetry.kafka.peek.connection import PeekError
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.open_transaction import OpenTransaction
from telemetry.reader.sources.arrangement import Arrangement, AsFetched, Fetched
from telemetry.reader.sources.ending import Ending
from telemetry.reader.sources.fetch.fetcher import BadRange, Fetcher
from telemetry.reader.sources.fetch.frames import Start
from telemetry.reader.sources.group_offsets import Committer, GroupOffsets
from telemetry.reader.sources.partition_merge import WINDOW_SECONDS, PartitionMerge
from telemetry.reader.sources.read_range import ReadRange
from telemetry.reader.sources.topic_client import TopicClient

_ROOM = 64 << 20
_COPIES = 6
"""How often the largest record is in the memory of the process that fetches: packed, unpacked, copied, and sent on."""


class ReadProgress(Protocol):
    """Shows how far the reading has come."""

    def expect(self, records: int) -> None:
        """Called once, before the first record, with the number of records to read."""


class KafkaSource:
    """A topic as a stream of raw records; it ends where the topic ended at first, unless it follows.

    What transactions wrote is read too, ended or not, and a batch that cannot be read is yielded as a damaged record
    that names its offsets; reading continues after it.

    Args:
        config: How to reach Kafka, and the topic.
        within: The part of the topic that is read.
        progress: Called with the number of records to read.
        headers: Whether to read the headers of all records; those of checkpoints are read in any case.
        merged: Whether to yield the records in the order in which they arrived, over all partitions. Otherwise they come as
            they are fetched, which costs less: only those of one partition are in order then.
        committer: Commits for the group instead of a client of the source's own: a member of the group.

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
        merged: bool = False,
        committer: Committer | None = None,
    ) -> None:
        self._config = config
        self._within = within or ReadRange()
        self._progress = progress
        self._with_headers = headers
        self._is_merged = merged
        self._client = TopicClient(config, group=self._within.group)
        self._peek = BatchPeek(config, config.kafka_topic, leaders=self._client, timeout=self._client.timeout)
        # stop() may set _stopping in another thread; the thread that reads looks at it between two requests.
        self._closed = self._stopping = self._located = False
        self._group = GroupOffsets(committer or self._client) if self._within.group is not None else None
        self.bounds: dict[int, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        self.locate()
        # The next iteration finds its own range.
        self._located = False
        records = self._read(self.bounds)
        if self._group is None:
            return records
        self._group.begin({partition: start for partition, (start, _) in self.bounds.items()})
        return self._group.watch(records)

    def locate(self) -> None:
        """Find the range that is read, unless it is known; records written later are outside of it.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        if not self._located:
            self.bounds = self._client.bounds(self._within)
            self._located = True

    def ending(self, count: int) -> Ending:
        """Return the last records of each partition, within the range as it was located first.

        Args:
            count: Number of offsets of each partition, at least 1.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        self.locate()
        bounds = {
            partition: (max(start, end - count) if start < end else start, end)
            for partition, (start, end) in self.bounds.items()
        }
        cut = [partition for partition, (start, _) in bounds.items() if start > self.bounds[partition][0]]
        return Ending(self._read(bounds), cut=cut)

    def open_transactions(self) -> list[OpenTransaction]:
        """Return the transactions that are open now and were begun within the range that was read.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        stable = self._client.stable_ends({partition: end for partition, (_, end) in self.bounds.items()})
        return [
            OpenTransaction(
                self._topic, partition, offset, self.bounds[partition][1], self._appended(partition, offset)
            )
            for partition, offset in sorted(stable.items())
            if 0 <= offset < self.bounds[partition][1]
        ]

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        within = {name: _described(value) for name, value in asdict(self._within).items() if value not in (None, False)}
        offsets = {str(partition): list(range_) for partition, range_ in self.bounds.items()}
        return {"kind": "topic", "topic": self._topic, "range": within, "offsets": offsets}

    @property
    def topic(self) -> str:
        """The topic."""
        return self._topic

    @property
    def is_endless(self) -> bool:
        """Whether the source waits for new records."""
        return self._within.follow

    @property
    def has_group(self) -> bool:
        """Whether the source reads for a consumer group."""
        return self._group is not None

    @property
    def is_confirmed(self) -> bool:
        """Whether entries count as used when they are confirmed, not when the next one is asked for."""
        return self._within.confirmed and self.has_group

    def positions(self) -> dict[int, int]:
        """Return how far a source with a group was read: the offset after the last record, by partition; from any thread."""
        return self._group.positions() if self._group is not None else {}

    def await_done(self) -> bool:
        """Count a record as used when :meth:`done` says so; return whether there is a group."""
        if self._group is not None:
            self._group.await_done()
        return self._group is not None

    def done(self, place: Place) -> None:
        """Note that the entry of a record was used, so that the group continues after it."""
        if self._group is not None and place.name is None and place.source == self._topic:
            self._group.done(place)

    def stop(self) -> None:
        """End the records soon; may be called from another thread than the one that reads."""
        self._stopping = True

    def close(self) -> None:
        """Leave Kafka."""
        if not self._closed:
            self._closed = True
            self._peek.close()
            if self._group is not None:
                self._group.end()
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _topic(self) -> str:
        return self._config.kafka_topic

    def _read(self, bounds: Mapping[int, tuple[int, int]]) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records of a range whose offsets are known."""
        if self._progress is not None:
            self._progress.expect(sum(max(end - start, 0) for start, end in bounds.values()))
        fetcher = Fetcher(
            self._template(bounds),
            ends=None if self._within.follow else {partition: end for partition, (_, end) in bounds.items()},
            peek=self._peek,
            listener=self._client,
        )
        arrangement = self._arrangement(bounds)
        try:
            for fetched in fetcher:
                if self._closed or self._stopping:
                    return
                arrangement.add(fetched)
                yield from self._entries(arrangement.ready(), bounds)
                if self._group is not None:
                    self._group.reached(self._within_ends(arrangement.positions(), bounds))
                fetcher.hold(arrangement.crowded())
        finally:
            fetcher.close()

    def _arrangement(self, bounds: Mapping[int, tuple[int, int]]) -> Arrangement:
        if not self._is_merged or len(bounds) < 2:  # noqa: PLR2004 - one partition is in order
            return AsFetched()
        return PartitionMerge(bounds, window=WINDOW_SECONDS if self._within.follow else 0.0)

    def _template(self, bounds: Mapping[int, tuple[int, int]]) -> Start:
        largest = largest_value(self._config)
        return Start(
            options={**fetch_options(self._config), "group.id": self._within.group or "telemetry-reader"},
            topic=self._topic,
            starts=[(partition, start) for partition, (start, _) in bounds.items()],
            largest=largest,
            room=_ROOM + _COPIES * largest,
            is_careful=False,
            with_headers=self._with_headers,
        )

    def _entries(
        self, ready: Iterable[Fetched], bounds: Mapping[int, tuple[int, int]]
    ) -> Iterator[RawRecord | DamagedRecord]:
        topic, until, endless = self._topic, self._within.until, self._within.follow
        for fetched in ready:
            if isinstance(fetched, BadRange):
                yield self._damaged(fetched)
                continue
            partition, offset, kind, timestamp, key, value, headers = fetched
            if not endless and offset >= bounds[partition][1]:
                continue
            if until is not None and timestamp > until:
                continue
            appended = timestamp if kind == TIMESTAMP_LOG_APPEND_TIME else None
            known = () if headers is None else tuple([(name, content or b"") for name, content in headers])
            yield RawRecord(key, value, Place(topic, partition, offset), timestamp, known, appended)

    def _damaged(self, bad: BadRange) -> DamagedRecord:
        place = Place(self._topic, bad.partition, bad.first)
        last = bad.after - 1
        offsets = f"offset {bad.first}" if bad.first == last else f"offsets {bad.first} to {last}"
        error = MalformedRecordError(f"{offsets} cannot be read: {bad.reason}")
        return DamagedRecord(place, error, RawRecord(None, None, place), end=bad.after)

    def _within_ends(self, positions: dict[int, int], bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        """Return positions, or the ends that are before them: the group of a range must not skip what follows it."""
        if self._within.follow:
            return positions
        return {partition: min(offset, bounds[partition][1]) for partition, offset in positions.items()}

    def _appended(self, partition: int, offset: int) -> float | None:
        """Return the broker's own time of the batch at an offset."""
        try:
            batch = self._peek.at(partition, offset)
        except PeekError:
            return None
        finally:
            if self._closed:
                self._peek.close()
        return batch.timestamp if batch is not None and batch.has_append_time else None


def _described(value: Any) -> Any:
    # Names in JSON are texts.
    return {str(partition): offset for partition, offset in value.items()} if isinstance(value, Mapping) else value
