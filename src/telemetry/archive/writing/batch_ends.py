"""Chooses where a batch ends in each partition: at one moment in all of them.

Consecutive events of a producer are spread over the partitions by their keys. A batch that ends at a number of records has
some of them and not others, so that the runs of consecutive sequences in the archive are short, and every later step dear.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from telemetry.system.clock import Clock

OffsetsAt = Callable[[float, Collection[int]], Mapping[int, int | None]]
"""Returns the first offset of each partition whose time is not before a moment."""

_AHEAD_SECONDS = 300.0
"""How far the time of a record may be ahead of the clock here before the order of times means nothing on its partition."""
_PRECISION_SECONDS = 0.001
_ENOUGH = 0.5


class BatchEnds:
    """Chooses ends. It remembers the moment of the last batch, where the next search begins.

    Args:
        offsets_at: Asks the topic.
        clock: Seconds since the epoch.
    """

    def __init__(self, offsets_at: OffsetsAt, *, clock: Clock = time.time) -> None:
        self._offsets_at = offsets_at
        self._clock = clock
        self._moment = 0.0

    def choose(self, positions: Mapping[int, int], ends: Mapping[int, int], *, most: int) -> dict[int, int]:
        """Return where the next batch ends in each partition; it is never empty while there are records.

        1. What is left fits: the batch ends where the partitions end now.
        2. Else it ends at the latest moment up to which there are no more than ``most`` offsets.
        3. A record from the future hides the times after it, and one moment may have more than ``most`` records: there a
           partition gets its share.

        Args:
            positions: Where the batch begins, by partition.
            ends: Where the topic ends, by partition.
            most: Offsets that the batch may have, at least one for each partition.
        """
        open_ones = [partition for partition, end in ends.items() if positions[partition] < end]
        # 1.
        if sum(ends[partition] - positions[partition] for partition in open_ones) <= most:
            return dict(ends)
        # 2.
        chosen = self._at_one_moment(positions, ends, most)
        # 3.
        share = max(most // len(open_ones), 1)
        stuck = self._untimed(open_ones, positions)
        if all(chosen[partition] == positions[partition] for partition in open_ones):
            stuck = open_ones
        for partition in stuck:
            chosen[partition] = max(chosen[partition], min(ends[partition], positions[partition] + share))
        return chosen

    def _at_one_moment(self, positions: Mapping[int, int], ends: Mapping[int, int], most: int) -> dict[int, int]:
        early, late = 0.0, self._clock() + _PRECISION_SECONDS
        best = dict(positions)
        moment = self._moment if 0.0 < self._moment < late else (early + late) / 2
        while late - early > _PRECISION_SECONDS:
            found = self._ends_at(moment, positions, ends)
            taken = sum(found.values()) - sum(positions[partition] for partition in found)
            if taken <= most:
                best, early = found, moment
                if taken >= most * _ENOUGH:
                    break
            else:
                late = moment
            moment = (early + late) / 2
        self._moment = early
        return best

    def _ends_at(self, moment: float, positions: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
        found = self._offsets_at(moment, list(ends))
        return {
            partition: end if (at := found.get(partition)) is None else min(max(at, positions[partition]), end)
            for partition, end in ends.items()
        }

    def _untimed(self, partitions: Collection[int], positions: Mapping[int, int]) -> list[int]:
        """Return the partitions on which a record that was read, or comes next, claims a time in the future."""
        found = self._offsets_at(self._clock() + _AHEAD_SECONDS, partitions)
        return [
            partition
            for partition in partitions
            if (at := found.get(partition)) is not None and at <= positions[partition]
        ]
