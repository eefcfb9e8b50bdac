"""Remembers how far each partition was read, and compares it with where the earlier verification has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from telemetry.reader.verify.verdicts import Finding, Verdict


class ReadPositions:
    """How far the partitions of all sources were read.

    Args:
        before: Offset after the last one that the earlier verification read, by source and partition; empty without one.

    Attributes:
        read: Offset after the last one that was read, by source and partition; the verifier writes it for each record.
        bounds: First offset and end of each partition, as far as they are known.
    """

    def __init__(self, before: Mapping[str, Mapping[int, int]]) -> None:
        self._before = before
        self.read: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.bounds: dict[tuple[str, int], tuple[int, int]] = {}

    def note_bounds(self, source: str, partition: int, *, low: int, high: int) -> Finding | None:
        """Remember a partition's first offset and its end; return what is wrong with them.

        Args:
            source: The topic.
            partition: Number of the partition.
            low: First offset that is still there.
            high: One more than the last offset.
        """
        self.bounds[source, partition] = low, high
        position = self._before.get(source, {}).get(partition)
        if position is None:
            return None
        place = f"{source}[{partition}]"
        if high < position:
            reason = (
                f"the partition ends at offset {high}, although {position} was read earlier: "
                "it was cut or created again, or the state is of another topic"
            )
            return Finding(Verdict.TRUNCATED, reason, place=place)
        if low > position:
            reason = f"the offsets {position} to {low - 1} were deleted before they were verified"
            return Finding(Verdict.MISSING, reason, place=place)
        return None

    def reached(self) -> dict[str, dict[int, int]]:
        """Return where the next verification begins, by source and partition."""
        positions = {source: dict(offsets) for source, offsets in self._before.items()}
        for source, ends in self.read.items():
            known = positions.setdefault(source, {})
            for partition, offset in ends.items():
                known[partition] = max(offset, known.get(partition, 0))
        # A position beyond the end must not be handed on: the next run would skip what is written until then.
        for (source, partition), (_, end) in self.bounds.items():
            if partition in positions.get(source, {}):
                positions[source][partition] = min(positions[source][partition], end)
        return positions
