"""Offers the two places into which changes go: the trail after the commit, or an outbox in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from telemetry.integrations.recorder import Recorder
from telemetry.integrations.sqlalchemy.row_change import RowChange
from telemetry.outbox.sqlalchemy import SqlAlchemyOutbox


class TrailSink:
    """Logs changes that are certain; a failure is counted.

    Args:
        recorder: Logs them.
        default_user: User of changes outside any audit context.
    """

    def __init__(self, recorder: Recorder, *, default_user: Any) -> None:
        self._recorder = recorder
        self._default_user = default_user

    def log(self, changes: Iterable[RowChange]) -> None:
        """Log them."""
        for change in changes:
            fields = {"user_id": self._default_user, **change.fields()}
            self._recorder.record(change.event_type, {"table": change.table, **change.payload}, **fields)

    def failed(self, error: Exception) -> None:
        """Count a failure; the application goes on."""
        self._recorder.failed(error)


class OutboxSink:
    """Writes changes into an outbox, in the transaction of the session; a failure fails the application's flush.

    Args:
        recorder: Knows what logs, and counts failures.
        outbox: Writes sealed events.
        default_user: User of changes outside any audit context.
    """

    def __init__(self, recorder: Recorder, outbox: SqlAlchemyOutbox, *, default_user: Any) -> None:
        self._recorder = recorder
        self._outbox = outbox
        self._default_user = default_user

    def write(self, session: Session, change: RowChange) -> None:
        """Write one; the event exists if, and only if, the transaction is committed."""
        fields = {"user_id": self._default_user, **change.fields()}
        if session.connection().dialect.is_async:
            # Sealing never blocks an event loop, and this runs where SQLAlchemy may wait for it.
            await_only(self._recorder.telemetry.audit.key_ready(fields["user_id"]))
        self._outbox.log(
            session, change.event_type, {"table": change.table, **change.payload}, unfit="repr", scrub=True, **fields
        )

    def failed(self, error: Exception) -> None:
        """Count a failure and raise it: without the event the data must not be there either."""
        self._recorder.failed(error)
        raise error


Sink = TrailSink | OutboxSink
