"""Offers what a search has found as a source of a trail, with the checkpoints that prove it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.searching.hits import Hit
from telemetry.reader.entry import RawRecord, SourceRecord


class HitSource:
    """Records that were found; checkpoints first, so that each event can be judged at once.

    Args:
        reader: The archive that was searched.
        hits: What was found.
        checkpoints: The checkpoints that cover it.
        asked: What was searched for beside the filter of the read, for the record of the read.
    """

    def __init__(
        self,
        reader: ArchiveReader,
        *,
        hits: Sequence[Hit],
        checkpoints: Sequence[RawRecord],
        asked: dict[str, Any],
    ) -> None:
        self._reader = reader
        self._hits = hits
        self._checkpoints = checkpoints
        self._asked = asked

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records."""
        yield from self._checkpoints
        for hit in self._hits:
            yield hit.record

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return {**self._reader.describe(), "searched": self._asked, "found": len(self._hits)}
