"""Follows the offsets of a batch: what of each partition was read, what is no record, and what retention took away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from telemetry.format.archive.seal import OffsetGap, SealedRange


class PartitionReach:
    """How far one partition was read.

    Offsets without a record are usual: the broker writes some when a transaction ends. They count as lost only where the
    topic has them no more.

    Args:
        topic: The topic.
        partition: Number of the partition.
        start: Next offset to be archived.
    """

    def __init__(self, topic: str, partition: int, start: int) -> None:
        self._place = topic, partition
        self._start = start
        self._holes: list[tuple[int, int]] = []
        self.position = start

    def read(self, offset: int, after: int) -> bool:
        """Note a record, or a run of offsets that cannot be read.

        Args:
            offset: Its offset.
            after: The offset after it.

        Returns:
            Whether it is new: an offset that was read already is none.
        """
        if offset < self.position:
            return False
        self._pass(offset)
        self.position = after
        return True

    def end(self, end: int) -> None:
        """Note that the partition was read to an offset."""
        self._pass(end)
        self.position = max(self.position, end)

    def parts(self, first: int) -> Iterator[SealedRange | OffsetGap]:
        """Yield what was archived and what was lost, in the order of the offsets, without a hole.

        Args:
            first: First offset that the topic has, asked after the reading.
        """
        begin = self._start
        for start, end in self._lost(first):
            if begin < start:
                yield self._part(SealedRange, begin, start)
            yield self._part(OffsetGap, start, end)
            begin = end
        if begin < self.position:
            yield self._part(SealedRange, begin, self.position)

    def _lost(self, first: int) -> Iterator[tuple[int, int]]:
        for start, end in self._holes:
            if start < min(end, first):
                yield start, min(end, first)

    def _pass(self, offset: int) -> None:
        if offset > self.position:
            self._holes.append((self.position, offset))

    def _part(self, kind: type[SealedRange | OffsetGap], first: int, end: int) -> SealedRange | OffsetGap:
        topic, partition = self._place
        return kind(topic=topic, partition=partition, first=first, end=end)


def starts_of(
    topic: str, known: Mapping[int, int] | None, bounds: Mapping[int, tuple[int, int]]
) -> dict[int, PartitionReach]:
    """Return where a batch begins in each partition.

    Args:
        topic: The topic.
        known: Next offset of each partition that was archived; None if nothing of the topic was. A partition that came
            later begins at 0.
        bounds: First and end offset of each partition.
    """
    return {
        partition: PartitionReach(topic, partition, first if known is None else known.get(partition, 0))
        for partition, (first, _) in bounds.items()
    }
