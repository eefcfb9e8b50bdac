"""Keeps the changes of a session until its transaction commits; what is rolled back, also to a savepoint, is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from sqlalchemy import Connection, event
from sqlalchemy.orm import SessionTransaction

from telemetry.integrations.sqlalchemy.row_change import Action, RowChange


class ChangeList:
    """Changes in their order; above a bound only how many there were.

    Args:
        limit: Most changes of single rows in a transaction.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changes: list[RowChange] = []
        self._uncounted: Counter[tuple[Action, str, str]] = Counter()
        self._who: dict[tuple[Action, str, str], RowChange] = {}

    def add(self, change: RowChange) -> None:
        """Add a change."""
        if len(self._changes) < self._limit:
            self._changes.append(change)
            return
        kind = change.action, change.entity, change.table
        self._uncounted[kind] += change.payload.get("rows") or 1
        self._who.setdefault(kind, change)

    def extend(self, other: ChangeList) -> None:
        """Add what another list has."""
        for change in other:
            self.add(change)

    def __iter__(self) -> Iterator[RowChange]:
        yield from self._changes
        for kind, rows in self._uncounted.items():
            action, entity, table = kind
            payload = {"rows": rows, "limit": self._limit}
            yield RowChange(action, entity, table, self._who[kind].who, payload=payload)


class ChangeLog(Protocol):
    """Logs changes that are certain."""

    def log(self, changes: Iterable[RowChange]) -> None:
        """Log them; never raises."""


class TransactionChanges:
    """The changes of one session, in a list for each savepoint that is open and one for the transaction itself.

    Args:
        limit: Most changes of single rows in a transaction.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lists: list[tuple[SessionTransaction | None, ChangeList]] = []

    def began(self, transaction: SessionTransaction) -> None:
        """Open a list where a transaction or a savepoint begins."""
        if transaction.nested or transaction.parent is None:
            self._lists.append((transaction, ChangeList(self._limit)))

    def add(self, change: RowChange) -> None:
        """Add a change to the innermost list."""
        if not self._lists:
            # The session was audited when its transaction had begun already.
            self._lists.append((None, ChangeList(self._limit)))
        self._lists[-1][1].add(change)

    def released(self, savepoint: SessionTransaction) -> None:
        """Give the changes of a savepoint to the transaction around it."""
        for index, (opened, changes) in enumerate(self._lists):
            if opened is savepoint:
                self._lists[index] = (opened, ChangeList(self._limit))
                self._lists[index - 1][1].extend(changes)
                return

    def take_committed(self) -> ChangeList:
        """Remove and return the changes of the transaction, which has committed."""
        committed = ChangeList(self._limit)
        for index, (opened, changes) in enumerate(self._lists):
            committed.extend(changes)
            self._lists[index] = (opened, ChangeList(self._limit))
        return committed

    def ended(self, transaction: SessionTransaction) -> None:
        """Forget a transaction or a savepoint; what it still has was rolled back."""
        if transaction.parent is None:
            self._lists.clear()
        else:
            self._lists = [(opened, changes) for opened, changes in self._lists if opened is not transaction]


class OuterTransaction:
    """Keeps the changes of sessions that joined a transaction of the application, until that one commits.

    A session that is bound to a connection with a transaction of its own commits nothing: the owner of the connection does.

    Args:
        connection: The connection.
        log: Logs what has happened.
        limit: Most changes of single rows in a transaction.
    """

    def __init__(self, connection: Connection, log: ChangeLog, *, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._lists = [ChangeList(limit)]
        event.listen(connection, "commit", self._commit)
        event.listen(connection, "rollback", self._rollback)
        event.listen(connection, "savepoint", self._savepoint)
        event.listen(connection, "rollback_savepoint", self._rollback_savepoint)
        event.listen(connection, "release_savepoint", self._release_savepoint)

    def add(self, changes: ChangeList) -> None:
        """Add what a session has changed."""
        self._lists[-1].extend(changes)

    # SQLAlchemy does not say the name of a savepoint when it opens one; the last one that was opened is the first to end.

    def _savepoint(self, *_: Any) -> None:
        self._lists.append(ChangeList(self._limit))

    def _rollback_savepoint(self, *_: Any) -> None:
        self._lists.pop()
        if not self._lists:  # it was opened before the first of these changes: none of them remains
            self._lists = [ChangeList(self._limit)]

    def _release_savepoint(self, *_: Any) -> None:
        if len(self._lists) > 1:
            released = self._lists.pop()
            self._lists[-1].extend(released)

    def _commit(self, connection: Connection) -> None:
        del connection
        lists, self._lists = self._lists, [ChangeList(self._limit)]
        for changes in lists:
            self._log.log(changes)

    def _rollback(self, connection: Connection) -> None:
        del connection
        self._lists = [ChangeList(self._limit)]
