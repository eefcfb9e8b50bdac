"""Defines the streams of a share of the producers, as they are joined with those of other shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.unproven.waiting import WaitingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsPart:
    """The streams of a share of the producers, when all their records were read.

    Attributes:
        trusted: Streams with a checkpoint that is believed.
        young: Streams without one that are in memory.
        rivals: Records outside of memory that name the producer of a trusted stream.
        waiting: How many records were outside of memory, rivals included.
        dropped: How many records found no room anywhere.
        evicted: How many young streams had to leave memory.
    """

    trusted: Mapping[StreamName, StreamCheck]
    young: Mapping[StreamName, StreamCheck]
    rivals: tuple[tuple[StreamName, WaitingRecord], ...] = ()
    waiting: int = 0
    dropped: int = 0
    evicted: int = 0

    def without(self, producers: frozenset[str]) -> StreamsPart:
        """Return the same without some producers."""
        return replace(
            self,
            trusted={name: each for name, each in self.trusted.items() if name.producer not in producers},
            young={name: each for name, each in self.young.items() if name.producer not in producers},
            rivals=tuple(each for each in self.rivals if each[0].producer not in producers),
        )
