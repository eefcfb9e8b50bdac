"""Counts the records of a source while a trail reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from telemetry.reader.entry import SourceRecord
from telemetry.reader.sources.source import ClosableSource, LocatableSource, StoppableSource, describe


class SourceWatch(Protocol):
    """Learns what is read; all calls come from the thread that reads."""

    def read(self) -> None:
        """Called for each record, before it is used."""

    def quiet(self) -> None:
        """Called now and then while no record comes."""

    def reached_end(self) -> None:
        """Called when what the topic had at first was read, and new records are waited for."""


class WatchedSource:
    """A source whose records are counted.

    Args:
        source: The source.
        watch: Counts.
    """

    def __init__(self, source: Iterable[SourceRecord], watch: SourceWatch) -> None:
        self._source = source
        self._watch = watch

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records."""
        for record in self._source:
            self._watch.read()
            yield record

    def locate(self) -> None:
        """Find the range that is read, where the source has one."""
        if isinstance(self._source, LocatableSource):
            self._source.locate()

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return describe(self._source)

    def stop(self) -> None:
        """End the records soon; can be called from any thread."""
        if isinstance(self._source, StoppableSource):
            self._source.stop()

    def close(self) -> None:
        """Give the connection back."""
        if isinstance(self._source, ClosableSource):
            self._source.close()
