"""Defines what the relay asks of a database: the leader's lock, and the rows of one table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from telemetry.outbox.rows import Backlog, HeldRow, WaitingRow

MAX_ROW_BYTES = 160 << 20
"""No row of an event of the largest ``max_event_bytes`` is larger; a larger one is not even read."""
MAX_BATCH_BYTES = 16 << 20
"""The rows that are read at once stop after the one that reaches this size."""
COUNTED_ROWS = 100_000
"""A backlog is counted up to here: the count of a table of millions would cost more than it tells."""


class OutboxDatabase(ABC):
    """The table as the relay sees it, through one connection that one thread uses.

    Of all relays of a table one is the leader. The lock belongs to the connection: if that is lost, so is the lock, and
    every method but :meth:`acquire` and :meth:`close` raises.
    """

    @abstractmethod
    def acquire(self) -> bool:
        """Connect if need be, and try to become the leader, without waiting.

        Returns:
            Whether this is the leader now.

        Raises:
            OutboxTableError: There is no such table, it is of another version, or it may not be used.
            OutboxError: The database did not answer.
        """

    @abstractmethod
    def read(self, limit: int) -> list[WaitingRow]:
        """Return the first rows that are not held, in the order of their ids.

        Args:
            limit: Number of rows at most.

        Raises:
            OutboxError: The database did not answer, or this is no longer the leader.
        """

    @abstractmethod
    def delete(self, ids: Sequence[int]) -> None:
        """Delete rows in one transaction; errors as :meth:`read`."""

    @abstractmethod
    def hold(self, reasons: Mapping[int, str]) -> None:
        """Have rows passed over from now on, each for a reason; errors as :meth:`read`."""

    @abstractmethod
    def count_failures(self, ids: Sequence[int]) -> None:
        """Count a failed delivery of each of these rows; errors as :meth:`read`."""

    @abstractmethod
    def backlog(self) -> Backlog:
        """Return how much there is in the table; any relay may ask."""

    @abstractmethod
    def held(self, limit: int) -> list[HeldRow]:
        """Return the first rows that are held; anyone may ask."""

    @abstractmethod
    def release_held(self) -> int:
        """Have the rows that are held relayed again, and return how many there were; anyone may ask."""

    @abstractmethod
    def connect(self) -> None:
        """Connect if need be, without asking for the lock; errors as :meth:`acquire`."""

    @abstractmethod
    def close(self) -> None:
        """Give the lock back and close the connection; it may be used again after that."""

    @abstractmethod
    def abandon(self) -> None:
        """Forget, in a forked child, the connection and the lock of its parent, without closing them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
