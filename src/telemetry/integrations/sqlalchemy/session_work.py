"""Follows the work of one session: its flushes, its transaction, and what it has changed so far."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction

from telemetry.context import current_audit_context
from telemetry.integrations.sqlalchemy.event_sinks import OutboxSink
from telemetry.integrations.sqlalchemy.flush_watch import FlushWatch
from telemetry.integrations.sqlalchemy.model_rules import ModelCatalogue, ModelRules
from telemetry.integrations.sqlalchemy.row_change import RowChange
from telemetry.integrations.sqlalchemy.transactions import TransactionChanges

INFO_KEY = "telemetry.integrations.sqlalchemy"
"""Where a session keeps its work, in ``Session.info``."""


class SessionWork:
    """What one session does.

    Args:
        models: Knows which classes are logged.
        limit: Most changes of single rows in a transaction.
        reads: Whether values that the session does not know are read from the database.
        outbox: Takes changes at once; None if they wait for the commit.
    """

    def __init__(self, models: ModelCatalogue, *, limit: int, reads: bool, outbox: OutboxSink | None = None) -> None:
        self.models = models
        self._outbox = outbox
        self._reads = reads
        self._changes = TransactionChanges(limit)
        self._watch: FlushWatch | None = None
        self._connections: set[Connection] = set()

    @property
    def changes(self) -> TransactionChanges:
        """What the transaction has changed so far."""
        return self._changes

    @property
    def joined(self) -> Connection | None:
        """The connection whose transaction goes on although the session has committed; None if there is none."""
        return next((each for each in self._connections if not each.closed and each.in_transaction()), None)

    def connected(self, connection: Connection) -> None:
        """Remember a connection that the transaction uses."""
        self._connections.add(connection)

    def ended(self, transaction: SessionTransaction) -> None:
        """Forget a transaction or a savepoint that has ended."""
        self._changes.ended(transaction)
        if transaction.parent is None:
            self._connections.clear()
            self._watch = None

    def flush_begins(self) -> None:
        """Watch a flush; one that failed before is forgotten."""
        self._watch = FlushWatch(reads=self._reads)

    def watching(self, mapper: Mapper[object]) -> tuple[FlushWatch, ModelRules] | None:
        """Return what watches the flush, and the rules of a class; None if it is not logged."""
        rules = self.models.rules_of(mapper) if self._watch is not None else None
        return None if self._watch is None or rules is None else (self._watch, rules)

    def flush_ends(self, session: Session) -> None:
        """Keep what the flush has changed until the transaction commits."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        who = current_audit_context()
        for target in session.deleted:
            rules = self.models.rules_of(_mapper_of(target))
            if rules is not None:
                self.keep(session, watch.replaced(rules, target, who))
        self.keep(session, watch.changes(who))

    def keep(self, session: Session, changes: Iterable[RowChange]) -> None:
        """Keep changes until the transaction commits, or write them into the outbox."""
        for change in changes:
            if self._outbox is None:
                self._changes.add(change)
            else:
                self._outbox.write(session, change)


def _mapper_of(target: object) -> Mapper[object]:
    state: InstanceState[object] = inspect(target)
    return state.mapper
