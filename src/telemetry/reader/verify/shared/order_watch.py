"""Notices streams whose records may be in another order than that of their sequences, where they are read by sequence.

An archive is sorted by sequence, so the order of arrival says nothing. The places do: in each partition the offsets must rise
with the sequences. Where they do, no record of any Kafka key is out of order. Where they do not, only the order of the
places tells, and the stream has to be read once more in that order.
"""

from __future__ import annotations

from typing import Any

from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder

MAX_PARTITIONS = 500_000
"""Pairs of a stream and a partition of one generation; the last 500,000 to 1,000,000 are watched."""

_NONE = (-1, -1)


class OrderWatch(KeyOrder):
    """Compares the offsets of each stream on each partition with the sequences; finds nothing by itself.

    Args:
        most: Pairs of one generation; there are two.

    Attributes:
        disordered: Numbers of the streams that have to be read in the order of their places.
    """

    __slots__ = ("_former", "_last", "_limit", "disordered")

    def __init__(self, *, most: int = MAX_PARTITIONS) -> None:
        super().__init__()
        self.disordered: set[int] = set()
        self._limit = most
        self._last: dict[tuple[int, str, int | None], tuple[int, int]] = {}
        self._former: dict[tuple[int, str, int | None], tuple[int, int]] = {}

    def add(self, stream: int, place: Place, key: bytes, sequence: int) -> int | None:  # noqa: ARG002 - of a key order
        """Compare a record with the one read before it of its stream and partition.

        Args:
            stream: Number of the stream.
            place: Place of the record.
            key: Not looked at: an order of all records is one of each key.
            sequence: Sequence of the record.

        Returns:
            None.
        """
        source, partition, offset, _ = place
        name = stream, source, partition
        before = self._last.get(name)
        if before is None:
            before = self._former.get(name, _NONE)
            if len(self._last) >= self._limit:
                self._former, self._last = self._last, {}
        # Both must rise; a file that was read late may bring both down, which is as good as a wrong order here.
        if sequence < before[0] or offset < before[1]:
            self.disordered.add(stream)
        self._last[name] = sequence, offset
        return None

    def note_copy(self, stream: int, place: Place, sequence: int) -> None:
        """Compare a copy with the record read before it: a copy at an earlier place is the one that counts on the topic."""
        source, partition, offset, _ = place
        name = stream, source, partition
        before = self._last.get(name) or self._former.get(name, _NONE)
        if before[0] != sequence or offset < before[1]:
            self.disordered.add(stream)

    def forget(self, stream: int, place: Place, key: bytes, sequence: int) -> None:
        """Do nothing: no record was found to be late."""

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyOrder, ()
