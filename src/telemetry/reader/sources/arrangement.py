"""Defines in which order fetched records are passed on; the simplest order is the one in which they were fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from telemetry.reader.sources.fetch.fetcher import BadRange
from telemetry.reader.sources.fetch.frames import FetchedRecord, Records

Fetched = FetchedRecord | BadRange


class Arrangement(Protocol):
    """Takes what is fetched, and gives it back in its order."""

    def add(self, fetched: Records | BadRange) -> None:
        """Take what was fetched."""

    def ready(self) -> Iterable[Fetched]:
        """Return what may be passed on now."""

    def crowded(self) -> Collection[int]:
        """Return the partitions of which nothing more is needed for now."""

    def positions(self) -> dict[int, int]:
        """Return, for each partition of which something was passed on, the offset after it."""


class AsFetched:
    """Passes everything on at once: only the records of one partition are in order."""

    def __init__(self) -> None:
        self._ready: list[Fetched] = []
        self._positions: dict[int, int] = {}

    def add(self, fetched: Records | BadRange) -> None:
        """Take what was fetched; what was taken before has been passed on."""
        if isinstance(fetched, BadRange):
            self._ready, self._positions = [fetched], {fetched.partition: fetched.after}
        else:
            self._ready, self._positions = list(fetched.records), fetched.positions

    def ready(self) -> Iterable[Fetched]:
        """Return what was fetched last."""
        return self._ready

    def crowded(self) -> Collection[int]:
        """Return none."""
        return ()

    def positions(self) -> dict[int, int]:
        """Return the positions after what was fetched last."""
        return self._positions
