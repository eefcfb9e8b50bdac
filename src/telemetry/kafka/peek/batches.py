"""Asks a topic's brokers for its batches as they are stored, and finds out where a batch ends."""

from __future__ import annotations

import struct
from types import TracebackType
from typing import Protocol, Self

from telemetry.config import AuditConfig
from telemetry.kafka.peek.batch_header import HEADER_BYTES, BatchHeader, parse_batch_header
from telemetry.kafka.peek.connection import BrokerConnection, PeekError

_FETCH = (1, 4)
"""The version that every broker from 0.11 to 4.x knows."""
_ONE_BATCH = 1
"""Bytes that are asked for: a broker sends the first batch whole, however large, and no second one (KIP-74)."""
_WINDOW_BYTES = 1 << 20
_MOST_WINDOW_BYTES = 2 << 20
"""More than a batch has where the topic's limit is the usual 1 MB; of a larger one the beginning is enough."""
_WAIT_MS = 0
_NOT_LEADER = frozenset({3, 5, 6, 74, 76})
_OUT_OF_RANGE = 1
_MAX_ABORTED = 10_000
_ATTEMPTS = 3


class LeaderBook(Protocol):
    """Knows which broker leads a partition."""

    def leader(self, partition: int) -> tuple[str, int]:
        """Return host and port of the broker that leads a partition.

        Raises:
            PeekError: No broker leads it now.
        """

    def forget(self) -> None:
        """Ask the cluster again: a broker said that it does not lead the partition."""


class BatchPeek:
    """Batches as they are on the topic: also those that no client can unpack.

    Args:
        config: How to reach Kafka.
        topic: The topic.
        leaders: Which broker to ask.
        timeout: Seconds for each step.
    """

    def __init__(self, config: AuditConfig, topic: str, *, leaders: LeaderBook, timeout: float) -> None:
        self._config = config
        self._topic = topic.encode()
        self._leaders = leaders
        self._timeout = timeout
        self._connections: dict[tuple[str, int], BrokerConnection] = {}
        # The last window, with its partition and offset: what is on a topic at an offset does not change.
        self._window: tuple[int, int, bytes] = (-1, -1, b"")

    def at(self, partition: int, offset: int) -> BatchHeader | None:
        """Return the header of the batch that contains an offset, or of the first one after it; None at the end.

        Raises:
            PeekError: No broker can be asked.
        """
        if self._window[:2] == (partition, offset):
            return parse_batch_header(self._window[2])
        return parse_batch_header(self._batches(partition, offset, wanted=_ONE_BATCH, most=HEADER_BYTES))

    def window(self, partition: int, offset: int) -> bytes:
        """Return the batches from the one that contains an offset, about 1 MB of them; nothing at the end.

        The last one may be incomplete, and so may the first one if it has more than 2 MB.

        Raises:
            PeekError: No broker can be asked.
        """
        if self._window[:2] != (partition, offset):
            found = self._batches(partition, offset, wanted=_WINDOW_BYTES, most=_MOST_WINDOW_BYTES)
            if not found:
                return b""
            self._window = partition, offset, found
        return self._window[2]

    def end_of(self, partition: int, offset: int, *, limit: int) -> int:
        """Return the offset after the batch that contains ``offset``, at most ``limit``.

        What the batch says of its own end may be damaged, so the broker's index decides: the offsets for which it
        gives the same batch belong to it. Where the index agrees with the batch, two questions are enough; else the
        last of its offsets is found by doubling the step, then by halving it.

        Raises:
            PeekError: No broker can be asked.
        """
        inside, step = offset, 1
        batch = self.at(partition, offset)
        if batch is None or batch.base > offset:
            return offset
        stated = min(batch.after or 0, limit)
        if stated > offset and self._ends_at(batch, partition, offset, stated, limit):
            return stated
        while inside + step < limit and self._is_in(batch, partition, inside + step):
            inside += step
            step *= 2
        after = min(inside + step, limit)
        while after - inside > 1:
            middle = (inside + after) // 2
            if self._is_in(batch, partition, middle):
                inside = middle
            else:
                after = middle
        return after

    def close(self) -> None:
        """Leave all brokers."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _batches(self, partition: int, offset: int, *, wanted: int, most: int) -> bytes:
        """Return the beginning of the batches at an offset; nothing at the end.

        Args:
            partition: Number of the partition.
            offset: The offset.
            wanted: Bytes that the broker is asked for.
            most: Bytes that are returned of what it sends.
        """
        code, data = self._ask(partition, offset, wanted, most)
        for _ in range(_ATTEMPTS - 1):
            if code not in _NOT_LEADER:
                break
            self._leaders.forget()
            code, data = self._ask(partition, offset, wanted, most)
        if code == _OUT_OF_RANGE:
            return b""
        if code:
            message = f"the broker refuses with error {code} of Kafka's protocol"
            raise PeekError(message)
        return data

    def _ask(self, partition: int, offset: int, wanted: int, most: int) -> tuple[int, bytes]:
        """Return the error code of the broker's answer, and the beginning of the batches in it."""
        body = self._request(partition, offset, wanted)
        answer = self._connection(partition).ask(_FETCH, body, most=_answer_bytes(self._topic, most))
        return _parse_answer(answer, self._topic)

    def _ends_at(self, batch: BatchHeader, partition: int, offset: int, after: int, limit: int) -> bool:
        """Return whether the broker confirms that a batch which contains an offset ends before another one."""
        if after - 1 > offset and not self._is_in(batch, partition, after - 1):
            return False
        if after == limit:
            return True
        if batch.size > _WINDOW_BYTES // 4:
            # Reading continues there, and another bomb may follow: with this answer it is measured at once.
            following = parse_batch_header(self.window(partition, after))
        else:
            following = self.at(partition, after)
        return following is None or following.base != batch.base

    def _is_in(self, batch: BatchHeader, partition: int, offset: int) -> bool:
        other = self.at(partition, offset)
        return other is not None and other.base == batch.base

    def _connection(self, partition: int) -> BrokerConnection:
        address = self._leaders.leader(partition)
        if address not in self._connections:
            self._connections[address] = BrokerConnection(address, self._config, timeout=self._timeout)
        return self._connections[address]

    def _request(self, partition: int, offset: int, wanted: int) -> bytes:
        # Replica, wait, least bytes, most bytes, isolation (uncommitted), one topic, one partition.
        head = struct.pack(">iiiibih", -1, _WAIT_MS, 1, wanted, 0, 1, len(self._topic))
        return head + self._topic + struct.pack(">iiqi", 1, partition, offset, wanted)


def _answer_bytes(topic: bytes, most: int) -> int:
    # Throttle, topics, name, partitions, then one partition with its aborted transactions, and the batches.
    return 4 + 4 + 2 + len(topic) + 4 + 4 + 2 + 8 + 8 + 4 + 16 * _MAX_ABORTED + 4 + most


def _parse_answer(answer: bytes, topic: bytes) -> tuple[int, bytes]:
    """Return the partition's error code and the beginning of its batches."""
    try:
        at = 4 + 4 + 2 + len(topic) + 4 + 4
        code, _, _, aborted = struct.unpack_from(">hqqi", answer, at)
        at += struct.calcsize(">hqqi") + 16 * max(aborted, 0)
        (size,) = struct.unpack_from(">i", answer, at)
    except struct.error as exc:
        message = "the broker's answer is not one of Kafka's protocol"
        raise PeekError(message) from exc
    return code, answer[at + 4 : at + 4 + max(size, 0)]
