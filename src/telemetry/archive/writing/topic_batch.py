"""Reads the next batch of a topic: from the positions of the last seal to one moment in all partitions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from telemetry.archive.writing.batch_ends import BatchEnds
from telemetry.archive.writing.gathered_rows import GatheredRows
from telemetry.archive.writing.partition_reach import PartitionReach, starts_of
from telemetry.archive.writing.topic_view import TopicView
from telemetry.config import AuditConfig
from telemetry.exceptions import ArchiveStateError
from telemetry.format.archive.seal import OffsetGap, SealedRange
from telemetry.reader.entry import DamagedRecord
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.reader.sources.read_range import ReadRange
from telemetry.trail.progress import StepProgress

logger = logging.getLogger("telemetry.archive")

_LOOK_EVERY = 512
"""Records between two looks at whether the batch is to end."""


class Stopping(Protocol):
    """Knows whether the process was asked to end."""

    @property
    def is_asked(self) -> bool:
        """Whether it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPart:
    """What a batch takes of a topic.

    Attributes:
        ranges: Offsets that were read.
        gaps: Offsets that the topic had no more.
        starts: Where partitions begin that have no records yet.
        is_last: Whether it reached the ends that the topic had when it began.
    """

    ranges: tuple[SealedRange, ...]
    gaps: tuple[OffsetGap, ...]
    starts: dict[int, int]
    is_last: bool


class TopicBatches:
    """Reads batches of one topic.

    Args:
        config: How to reach Kafka, and the topic.
        view: The same topic.
        stop: Ends a batch early; what was read of it is given up.
    """

    def __init__(self, config: AuditConfig, view: TopicView, *, stop: Stopping) -> None:
        self._config = config
        self._view = view
        self._ends = BatchEnds(view.offsets_at)
        self._stop = stop

    def read(
        self,
        known: Mapping[int, int] | None,
        rows: GatheredRows,
        *,
        most: int,
        bounds: Mapping[int, tuple[int, int]],
        progress: StepProgress,
    ) -> TopicPart | None:
        """Read the next batch.

        Args:
            known: Next offset of each partition that was archived; None if nothing of the topic was.
            rows: Takes the records; the batch ends early where it is full.
            most: Offsets that the batch may have.
            bounds: First and end offset of each partition, as the topic had them a moment ago.
            progress: Shows how far it is.

        Returns:
            What was read; None if the process is to end.

        Raises:
            ArchiveStateError: The topic ends before a position: it is another one, or has lost records.
            TransportError: Kafka cannot be reached, or refuses.
        """
        reaches = starts_of(self._view.topic, known, bounds)
        self._require_same_topic(reaches, bounds)
        positions = {
            partition: min(max(reach.position, bounds[partition][0]), bounds[partition][1])
            for partition, reach in reaches.items()
        }
        ends = self._ends.choose(positions, {partition: end for partition, (_, end) in bounds.items()}, most=most)
        is_whole = self._read(reaches, rows, starts=positions, ends=ends, progress=progress)
        if self._stop.is_asked:
            return None
        if is_whole:
            for partition, reach in reaches.items():
                reach.end(ends[partition])
        return self._part(reaches, bounds, is_first=known is None)

    def _read(
        self,
        reaches: Mapping[int, PartitionReach],
        rows: GatheredRows,
        *,
        starts: Mapping[int, int],
        ends: Mapping[int, int],
        progress: StepProgress,
    ) -> bool:
        """Read records into the rows; return whether every partition was read to its end."""
        if all(starts[partition] >= end for partition, end in ends.items()):
            return True
        source = KafkaSource(self._config, within=ReadRange(starts=starts, ends=ends), headers=True)
        with source:
            for count, record in enumerate(source, start=1):
                place = record.place
                after = record.end if isinstance(record, DamagedRecord) else None
                if not reaches[place.partition or 0].read(place.offset, after or place.offset + 1):
                    continue
                rows.add(record)
                if rows.is_full:
                    return False
                if count % _LOOK_EVERY == 0:
                    progress.advance(_LOOK_EVERY)
                    if self._stop.is_asked:
                        return False
        return True

    def _part(
        self, reaches: Mapping[int, PartitionReach], bounds: Mapping[int, tuple[int, int]], *, is_first: bool
    ) -> TopicPart:
        # Asked anew: retention may have taken away what was to be read meanwhile.
        firsts = {partition: first for partition, (first, _) in self._view.bounds().items()}
        parts = [part for partition, reach in reaches.items() for part in reach.parts(firsts.get(partition, 0))]
        gaps = tuple(part for part in parts if isinstance(part, OffsetGap))
        for gap in gaps:
            logger.error(
                "%s[%d]: the offsets %d to %d were deleted before they were archived. Lengthen retention.ms of the topic, or "
                "archive more often",
                gap.topic,
                gap.partition,
                gap.first,
                gap.end - 1,
            )
        named = {part.partition for part in parts}
        starts = {partition: reach.position for partition, reach in reaches.items() if partition not in named}
        return TopicPart(
            ranges=tuple(part for part in parts if isinstance(part, SealedRange)),
            gaps=gaps,
            starts=starts if is_first else {},
            is_last=all(reach.position >= bounds[partition][1] for partition, reach in reaches.items()),
        )

    def _require_same_topic(self, reaches: Mapping[int, PartitionReach], bounds: Mapping[int, tuple[int, int]]) -> None:
        for partition, reach in reaches.items():
            end = bounds[partition][1]
            if end < reach.position:
                message = (
                    f"{self._view.topic}[{partition}] ends at {end}, and the archive has it up to {reach.position}: it was "
                    "created anew, or has lost records. Nothing was archived. Give the topic another name, or begin another "
                    "archive for it"
                )
                raise ArchiveStateError(message)
