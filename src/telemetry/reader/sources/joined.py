"""Joins several sources into one that yields their records one source after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import chain

from telemetry.reader.entry import Place, SourceRecord
from telemetry.reader.sources.source import GroupedSource, Source, StoppableSource


class JoinedSource:
    """Several sources as one, in their order.

    Args:
        sources: The sources; the caller closes them.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        # Set by the thread that stops, read by the one that reads.
        self._stopping = threading.Event()
        self._grouped: list[GroupedSource] = []

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records; after :meth:`stop` no further source is begun."""
        return chain.from_iterable(source for source in self._sources if not self._stopping.is_set())

    @property
    def is_endless(self) -> bool:
        """Whether one of the sources waits for new records."""
        return any(getattr(source, "is_endless", False) for source in self._sources)

    @property
    def has_group(self) -> bool:
        """Whether one of the sources reads for a consumer group."""
        return any(getattr(source, "has_group", False) for source in self._sources)

    @property
    def is_confirmed(self) -> bool:
        """Whether entries of one of the sources count as used when they are confirmed."""
        return any(getattr(source, "is_confirmed", False) for source in self._sources)

    def await_done(self) -> bool:
        """Count a record as used when :meth:`done` says so; return whether a source has a consumer group."""
        self._grouped = [each for each in self._sources if isinstance(each, GroupedSource) and each.await_done()]
        return bool(self._grouped)

    def done(self, place: Place) -> None:
        """Note that the entry of a record was used, also if it was left out."""
        for source in self._grouped:
            source.done(place)

    def stop(self) -> None:
        """End the records soon; may be called from another thread than the one that reads."""
        self._stopping.set()
        for source in self._sources:
            if isinstance(source, StoppableSource):
                source.stop()
