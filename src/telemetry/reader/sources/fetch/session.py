"""Fetches records with Kafka's client, and passes on what it cannot read as such instead of stopping there."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from telemetry.reader.sources.fetch.frames import (
    Failure,
    FetchedRecord,
    LogLine,
    Pause,
    Records,
    Report,
    Resume,
    Seek,
    Start,
    Unreadable,
)

_MOST_RECORDS = 1_000
_FIRST_RECORDS = 16
_FRAME_BYTES = 4 << 20
_WAIT_SECONDS = 0.5
_SHORT_SECONDS = 0.01
"""How long fetching waits where the next batch may be unreadable too: the client does not wait less for that."""
_HASTE_SECONDS = 1.0
"""How long after a batch that cannot be read the next one is expected to be no better."""
_CHECKPOINT_KEY_BYTES = 36
"""A checkpoint's key is its producer's UUID, and its headers belong to the trail."""
_MAX_HEADERS = 64
_MAX_TEXT = 1_000
_MAX_WAITING = 1_000

_BAD_BATCH = frozenset(
    (
        KafkaError._BAD_MSG,  # noqa: SLF001 - librdkafka's own codes have a leading underscore
        KafkaError._BAD_COMPRESSION,  # noqa: SLF001
        KafkaError._UNDERFLOW,  # noqa: SLF001
        KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001
        KafkaError.INVALID_MSG,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
    )
)


class FetchSession:
    """One consumer and its partitions. It is used by one thread.

    Args:
        start: What to fetch, and how.
    """

    def __init__(self, start: Start) -> None:
        self._topic = start.topic
        self._largest = start.largest
        self._with_headers = start.with_headers
        self._is_careful = start.is_careful
        # One by one, so that none is lost with the next one if there is no memory for that.
        self._most = 1 if start.is_careful else _MOST_RECORDS
        self._count = min(self._most, _FIRST_RECORDS)
        # What callbacks of the client say, until the next step passes it on.
        self._remarks: deque[Report] = deque(maxlen=_MAX_WAITING)
        # A partition with a batch that cannot be read waits here; what is still in the client's queue is dropped.
        self._waiting: set[int] = set()
        self._haste_until = 0.0
        self._consumer = Consumer(
            {
                **start.options,
                **(_CAREFUL if start.is_careful else {}),
                "error_cb": self._note_error,
                "logger": _logger(self._remarks),
            }
        )
        self._consumer.assign([TopicPartition(self._topic, *each) for each in start.starts])

    def step(self) -> Iterator[Report]:
        """Fetch some records; yield them and what else happened, at least one report."""
        is_hasty = self._is_careful or bool(self._waiting) or time.monotonic() < self._haste_until
        try:
            wait = _SHORT_SECONDS if is_hasty else _WAIT_SECONDS
            messages: Sequence[Message] = self._consumer.consume(self._count, wait)
        except KafkaException as exc:
            yield _failure(exc.args[0], is_remark=False)
            return
        while self._remarks:
            yield self._remarks.popleft()
        yield from self._reports(messages)

    def obey(self, command: Seek | Pause | Resume) -> None:
        """Continue a partition somewhere else, fetch nothing more from some, or fetch from them again."""
        if isinstance(command, Resume):
            self._consumer.resume([TopicPartition(self._topic, partition) for partition in command.partitions])
            return
        if isinstance(command, Pause):
            self._consumer.pause([TopicPartition(self._topic, partition) for partition in command.partitions])
            return
        self._waiting.discard(command.partition)
        self._haste_until = time.monotonic() + _HASTE_SECONDS
        self._consumer.seek(TopicPartition(self._topic, command.partition, command.offset))

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def drain(self) -> Iterator[Report]:
        """Yield what the client has fetched already."""
        while messages := self._consumer.consume(self._most, 0):
            yield from self._reports(messages)

    def _reports(self, messages: Sequence[Message]) -> Iterator[Report]:
        """Turn what came into reports of a bounded size."""
        records: list[FetchedRecord] = []
        positions: dict[int, int] = {}
        size = total = 0
        for message in messages:
            error = message.error()
            fault = self._oversize(message) if error is None else self._fault(message, error)
            if fault is not None:
                if isinstance(fault, Records):
                    positions |= fault.positions
                    continue
                yield Records(records, positions)
                yield fault
                records, positions, size = [], {}, 0
                continue
            if self._waiting and message.partition() in self._waiting:
                continue
            record = self._record(message)
            records.append(record)
            positions[record[0]] = record[1] + 1
            size += len(record[4] or b"") + len(record[5] or b"")
            if size >= _FRAME_BYTES:
                yield Records(records, positions)
                records, positions, total, size = [], {}, total + size, 0
        yield Records(records, positions)
        self._adapt(len(messages), total + size)

    def _record(self, message: Message) -> FetchedRecord:
        key, headers = message.key(), None
        if self._with_headers or (key is not None and len(key) == _CHECKPOINT_KEY_BYTES):
            found: Any = message.headers()  # a list, or None
            headers = found[:_MAX_HEADERS] if found else None
        kind, moment = message.timestamp()
        return message.partition(), message.offset(), kind, moment / 1_000, key, message.value(), headers  # type: ignore[return-value]

    def _adapt(self, count: int, size: int) -> None:
        """Ask for as many records at once as fit into a frame: they are all in memory at the same time."""
        fitting = count * _FRAME_BYTES // max(size, 1)
        self._count = max(1, min(self._most, self._count * 2, fitting or 1)) if count else self._count

    def _oversize(self, message: Message) -> Unreadable | None:
        size = len(message)
        if size <= self._largest:
            return None
        reason = f"the record has {size} bytes, more than {self._largest}: raise max_event_bytes here if it is genuine"
        return Unreadable(message.partition() or 0, message.offset() or 0, reason, is_batch=False)

    def _fault(self, message: Message, error: KafkaError) -> Report:
        """Return what an error means: the end of a partition, a batch that cannot be read, or a failure."""
        partition, offset = message.partition(), message.offset()
        # An error of the client as a whole, such as of a group that it may not use, has no place.
        if partition is None or partition < 0 or offset is None:
            return _failure(error, is_remark=False)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
            return Records([], {partition: offset})
        if error.code() not in _BAD_BATCH:
            return _failure(error, is_remark=False)
        if partition in self._waiting:
            # The client reports the same batch again until it is told to continue after it.
            return Records([])
        self._waiting.add(partition)
        return Unreadable(partition, offset, f"{error.name()}: {error.str()}"[:_MAX_TEXT], is_batch=True)

    def _note_error(self, error: KafkaError) -> None:
        # The client calls this inside consume(), in the thread of the session.
        self._remarks.append(_failure(error, is_remark=True))


_CAREFUL: dict[str, Any] = {
    # A broker sends the first batch whole, however large, and then no second one.
    "fetch.message.max.bytes": 1,
    "queued.min.messages": 1,
    "queued.max.messages.kbytes": 1,
    "fetch.queue.backoff.ms": 0,
}


def _failure(error: KafkaError, *, is_remark: bool) -> Failure:
    return Failure(error.code(), error.str()[:_MAX_TEXT], is_remark)


def _logger(remarks: deque[Report]) -> logging.Logger:
    logger = logging.Logger("librdkafka")  # noqa: LOG001 - private to this client, not in the global tree
    logger.addHandler(_Forward(remarks))
    return logger


class _Forward(logging.Handler):
    def __init__(self, remarks: deque[Report]) -> None:
        super().__init__()
        self._remarks = remarks

    def emit(self, record: logging.LogRecord) -> None:
        # The client calls this inside consume() too.
        self._remarks.append(LogLine(record.levelno, record.getMessage()[:_MAX_TEXT]))
