"""Defines what a rewriting does to the rows of a day, and how its outcome is checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import pyarrow as pa

from telemetry.archive.upkeep.fingerprint import Fingerprint
from telemetry.exceptions import ArchiveError


class RowChange(ABC):
    """Changes the rows of one day, and checks what was written by reading it again. It is used once."""

    @abstractmethod
    def changed(self, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the rows that are to be written, in the order of the table.

        Args:
            rows: The rows of the inputs, in the order of the table.
        """

    @abstractmethod
    def require_kept(self, written: Iterable[pa.Table]) -> None:
        """Check that what was written is what was to be written, and that nothing was lost by it.

        Args:
            written: The rows of the new files, read from the store again, in the order of the table.

        Raises:
            ArchiveError: It is not; nothing may be sealed.
        """


class Unchanged(RowChange):
    """Keeps every row as it is: the files alone become fewer."""

    def __init__(self) -> None:
        self._before = Fingerprint()

    def changed(self, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the rows as they are."""
        for table in rows:
            self._before = self._before.of(table)
            yield table

    def require_kept(self, written: Iterable[pa.Table]) -> None:
        """Check that the same rows are there, each as often as before."""
        require_same(self._before, written)


def require_same(expected: Fingerprint, written: Iterable[pa.Table]) -> None:
    """Raise ``ArchiveError`` unless the rows have a fingerprint."""
    found = Fingerprint()
    for table in written:
        found = found.of(table)
    if found != expected:
        message = (
            f"the rows that were written are not those that were to be written ({found.rows:,} rows, expected "
            f"{expected.rows:,}); nothing was changed. Check memory and disk of this machine, and run it again"
        )
        raise ArchiveError(message)
