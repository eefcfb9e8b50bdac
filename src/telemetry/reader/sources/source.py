"""Defines what a source of raw records is, and what it may offer beyond its records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from telemetry.reader.entry import Place, SourceRecord

Source = Iterable[SourceRecord]
"""Any iterable of raw records; the protocols below are optional."""


@runtime_checkable
class LocatableSource(Protocol):
    """A source that has to find where it begins and ends."""

    def locate(self) -> None:
        """Find the range that is read; records written later are outside of it."""


@runtime_checkable
class DescribedSource(Protocol):
    """A source that can say what it reads."""

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""


@runtime_checkable
class StoppableSource(Protocol):
    """A source whose records can be ended from another thread."""

    def stop(self) -> None:
        """End the records soon."""


@runtime_checkable
class GroupedSource(Protocol):
    """A source that may read for a consumer group, which continues after the last record that was used."""

    def await_done(self) -> bool:
        """Count a record as used when :meth:`done` says so; return whether there is a group."""

    def done(self, place: Place) -> None:
        """Note that the entry of a record was used, also if it was left out.

        Args:
            place: Place of the record.
        """


@runtime_checkable
class ClosableSource(Protocol):
    """A source that holds a connection."""

    def close(self) -> None:
        """Give the connection back."""


def describe(source: Source) -> dict[str, Any]:
    """Return what a source reads; of an unknown kind, the name of its class."""
    return source.describe() if isinstance(source, DescribedSource) else {"kind": type(source).__name__}
