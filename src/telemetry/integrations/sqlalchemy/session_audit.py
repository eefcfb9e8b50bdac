"""Offers ``SessionAudit``: three lines, and every row that a session creates, changes or deletes is logged."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction, scoped_session, sessionmaker

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.integrations.recorder import Recorder
from telemetry.integrations.sqlalchemy.event_sinks import OutboxSink, Sink, TrailSink
from telemetry.integrations.sqlalchemy.mapper_hooks import listen_to_mappers
from telemetry.integrations.sqlalchemy.model_rules import ModelCatalogue
from telemetry.integrations.sqlalchemy.session_work import INFO_KEY, SessionWork
from telemetry.integrations.sqlalchemy.statement_watch import StatementWatch
from telemetry.integrations.sqlalchemy.transactions import OuterTransaction
from telemetry.outbox.sqlalchemy import SqlAlchemyOutbox

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig

_TRANSACTION_ROWS = 10_000


class AuditedSession(NamedTuple):
    """What an audited session carries in its ``info``."""

    owner: SessionAudit
    work: SessionWork
    sink: Sink


class SessionAudit:
    """Logs what sessions write, after the transaction has committed.

    It logs from now on; a second one for the same sessions logs nothing. ``with`` and ``async with`` start a ``Telemetry`` if none is started, and end it and this again.

    Each row is an event such as ``order.updated`` with old and new values; a statement that writes more than ``bulk_rows``
    rows is one event such as ``order.bulk_updated`` with their number. What is rolled back, also to a savepoint, is not
    logged. The user is that of the audit context at the moment of the flush.

    A failure in here never fails a flush or a commit: it is counted in ``failures`` and ``audit.hooks.failed_total``.

    Args:
        sessions: A ``sessionmaker`` or ``async_sessionmaker``, a scoped session, a session class or one session.
        telemetry: What logs; by default the one that is started in this process.
        config: Configuration of the one that ``with`` starts if there is none: an object, a TOML file, or None for
            ``TELEMETRY_*`` variables.
        models: Mapped classes to log, with their subclasses; all by default.
        skip: Mapped classes not to log, with their subclasses.
        bulk_rows: Most rows of one statement that are logged one by one.
        read_values: Read from the database what the session does not know: old values of expired objects and of rows that
            a statement changes, and values that the database computes. Each costs a SELECT in the same transaction.
        default_user: User of changes outside any audit context; nobody is known by default.
        delivery: ``after_commit``, or ``transactional``: events are written into an outbox in the same transaction, from where
            a relay sends them. They exist if, and only if, the data does; so one that cannot be written fails the flush.
        outbox: Writes them; one with a table of the default name if it is left out.

    Raises:
        ConfigurationError: ``models``, ``skip`` or ``delivery`` is wrong.
        TypeError: ``sessions`` is something else.
    """

    def __init__(
        self,
        sessions: Any,
        *,
        telemetry: Telemetry | None = None,
        config: TelemetryConfig | str | Path | None = None,
        models: Collection[type] | None = None,
        skip: Collection[type] = (),
        bulk_rows: int = 100,
        read_values: bool = True,
        default_user: Any = None,
        delivery: Literal["after_commit", "transactional"] = "after_commit",
        outbox: SqlAlchemyOutbox | None = None,
    ) -> None:
        if delivery not in {"after_commit", "transactional"}:
            raise ConfigurationError(Problem("delivery", "is unknown", 'give "after_commit" or "transactional"'))
        self._recorder = Recorder("sqlalchemy", telemetry=telemetry, config=config, use_started=True)
        self._models = ModelCatalogue(models, skip)
        self._statements = StatementWatch(self._models, rows=bulk_rows, reads=read_values)
        self._reads = read_values
        self._trail = TrailSink(self._recorder, default_user=default_user)
        self._outbox: OutboxSink | None = None
        if delivery == "transactional":
            outbox = outbox or SqlAlchemyOutbox(telemetry)
            self._outbox = OutboxSink(self._recorder, outbox, default_user=default_user)
        self._outer: weakref.WeakKeyDictionary[Connection, OuterTransaction] = weakref.WeakKeyDictionary()
        self._is_removed = False
        self._target = _target_of(sessions)
        self._hooks: dict[str, Callable[..., Any]] = {
            "after_transaction_create": self._transaction_created,
            "after_begin": self._begun,
            "before_flush": self._before_flush,
            "after_flush": self._after_flush,
            "after_commit": self._committed,
            "after_transaction_end": self._transaction_ended,
            "do_orm_execute": self._executes,
        }
        listen_to_mappers()
        for name, hook in self._hooks.items():
            event.listen(self._target, name, hook)

    @property
    def failures(self) -> int:
        """Events that could not be logged."""
        return self._recorder.failures

    @property
    def is_removed(self) -> bool:
        """Whether it logs nothing more."""
        return self._is_removed

    def remove(self) -> None:
        """Log nothing more; calling it again does nothing."""
        self._is_removed = True
        for name, hook in self._hooks.items():
            if event.contains(self._target, name, hook):
                event.remove(self._target, name, hook)

    def __enter__(self) -> Self:
        self._recorder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
        self._recorder.shutdown()

    async def __aenter__(self) -> Self:
        await self._recorder.astart()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
        await self._recorder.ashutdown()

    def _work(self, session: Session) -> SessionWork | None:
        """Return what a session does; None if another audit has it already, so that nothing is logged twice."""
        audited = session.info.get(INFO_KEY)
        if audited is None or audited.owner.is_removed:
            work = SessionWork(self._models, limit=_TRANSACTION_ROWS, reads=self._reads, outbox=self._outbox)
            audited = session.info[INFO_KEY] = AuditedSession(self, work, self._outbox or self._trail)
        return audited.work if audited.owner is self else None

    def _guarded(self, step: Callable[..., None], session: Session, *arguments: Any) -> None:
        try:
            work = self._work(session)
            if work is not None:
                step(work, *arguments)
        except Exception as exc:  # noqa: BLE001 - the application's transaction goes on; counted and logged
            self._recorder.failed(exc)

    def _transaction_created(self, session: Session, transaction: SessionTransaction) -> None:
        self._guarded(lambda work: work.changes.began(transaction), session)

    def _begun(self, session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        del transaction
        self._guarded(lambda work: work.connected(connection), session)

    def _before_flush(self, session: Session, context: UOWTransaction, instances: Any) -> None:
        del context, instances
        self._guarded(lambda work: work.flush_begins(), session)

    def _after_flush(self, session: Session, context: UOWTransaction) -> None:
        del context
        work = self._work(session)
        if work is None:
            return
        try:
            work.flush_ends(session)
        except Exception as exc:  # noqa: BLE001 - counted and logged; only an outbox raises it again
            (self._outbox or self._trail).failed(exc)

    def _committed(self, session: Session) -> None:
        # A savepoint that is released is announced like a commit.
        savepoint = session.get_nested_transaction()
        if savepoint is not None:
            self._guarded(lambda work: work.changes.released(savepoint), session)
        else:
            self._guarded(self._log_committed, session)

    def _log_committed(self, work: SessionWork) -> None:
        changes, connection = work.changes.take_committed(), work.joined
        if connection is None:
            self._trail.log(changes)
            return
        outer = self._outer.get(connection)
        if outer is None:
            outer = self._outer[connection] = OuterTransaction(connection, self._trail, limit=_TRANSACTION_ROWS)
        outer.add(changes)

    def _transaction_ended(self, session: Session, transaction: SessionTransaction) -> None:
        self._guarded(lambda work: work.ended(transaction), session)

    def _executes(self, state: ORMExecuteState) -> Any:
        if not (state.is_insert or state.is_update or state.is_delete):
            return None
        work = self._work(state.session)
        if work is None:
            return None
        return self._statements.run(state, work, self._outbox or self._trail, self._recorder)


def _target_of(sessions: Any) -> Any:
    """Return what SQLAlchemy can listen to."""
    match sessions:
        case async_sessionmaker():
            # Each factory gets a class of its own: sessions of another one are not audited.
            session_class = sessions.kw.get("sync_session_class") or sessions.class_.sync_session_class
            own = type(session_class.__name__, (session_class,), {})
            sessions.configure(sync_session_class=own)
            return own
        case async_scoped_session():
            return _target_of(sessions.session_factory)
        case AsyncSession():
            return sessions.sync_session
        case type() if issubclass(sessions, AsyncSession):
            return sessions.sync_session_class
        case Session() | sessionmaker() | scoped_session():
            return sessions
        case type() if issubclass(sessions, Session):
            return sessions
    message = f"sessions must be a session, its class or its factory, not of type {type(sessions).__name__}"
    raise TypeError(message)
