"""Looks at the batches of a partition before a client fetches them, and stops before one that would only harm it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from telemetry.kafka.peek.batch_header import BatchHeader, parse_batch_header
from telemetry.kafka.peek.bomb import bomb_reason
from telemetry.kafka.peek.connection import PeekError


class Bomb(NamedTuple):
    """A batch that no client is given.

    Attributes:
        base: Offset of its first record.
        reason: Why it is not unpacked.
    """

    base: int
    reason: str


class Stretch(NamedTuple):
    """Batches in a row that a client may have.

    Attributes:
        until: The offset after the last one with records; where the stretch begins, if there is none.
        batches: How many there are.
        bomb: What comes after them; None for what was not looked at, or the end.
    """

    until: int
    batches: int
    bomb: Bomb | None = None


class BatchWindows(Protocol):
    """Fetches batches as they are on the topic."""

    def window(self, partition: int, offset: int) -> bytes:
        """Return batches from the one that contains an offset; only the first is sure to be complete.

        Raises:
            PeekError: No broker can be asked.
        """


class Lookahead:
    """Judges batches as they are on the topic.

    What a batch states of its size and end is used to find the next one. If that is wrong, batches are given to a client
    unseen: that costs time and hides no record. A bomb is only what the broker gives as the first batch at its offset.

    Args:
        peek: Fetches the batches.
        largest: Bytes of the largest record that a reader accepts.
    """

    def __init__(self, peek: BatchWindows, *, largest: int) -> None:
        self._peek = peek
        self._largest = largest

    def stretch(self, partition: int, offset: int, *, most: int, end: int | None) -> Stretch:
        """Return what a client may have from an offset.

        Args:
            partition: Number of the partition.
            offset: Where to begin.
            most: Batches to look at, at least 1.
            end: Where the partition ends for the reader; None for nowhere.
        """
        until, batches = offset, 0
        try:
            for header, batch, is_first in self._batches(partition, offset):
                reason = bomb_reason(header, batch, largest=self._largest)
                if reason is not None and not is_first:
                    reason = self._confirmed(partition, header.base)
                if reason is not None:
                    return Stretch(until, batches, Bomb(header.base, reason))
                # A client passes on nothing of what the broker wrote to end a transaction.
                if not header.is_control:
                    until, batches = max(header.after or 0, until + 1), batches + 1
                if batches >= most or (end is not None and until >= end):
                    break
        except PeekError:
            # The client shows what is there.
            return Stretch(offset + most, most)
        return Stretch(until, batches)

    def _confirmed(self, partition: int, base: int) -> str | None:
        """Return why the batch with a base is a bomb, if there is one: the sizes of those before it may be wrong."""
        window = self._peek.window(partition, base)
        header = parse_batch_header(window)
        if header is None or header.base != base:
            return None
        return bomb_reason(header, memoryview(window), largest=self._largest)

    def _batches(self, partition: int, offset: int) -> Iterator[tuple[BatchHeader, memoryview, bool]]:
        """Yield batches, and whether each is the first of an answer; to the end, or to one without a true end."""
        while window := self._peek.window(partition, offset):
            left, begin = memoryview(window), offset
            # Only the last one of an answer is incomplete; the next answer begins with it.
            while (header := parse_batch_header(left)) is not None and (header.size <= len(left) or offset == begin):
                yield header, left, offset == begin
                if header.after is None or header.after <= offset or header.size <= 0:
                    return
                offset, left = header.after, left[header.size :]
            if offset == begin:
                return
