"""Watches statements that write rows without a flush: ``session.execute(update(...))`` and its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ClauseElement, CursorResult, Delete, Insert, Result, Table, Update
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import ColumnClause

from telemetry.context import current_audit_context
from telemetry.integrations.recorder import Recorder
from telemetry.integrations.sqlalchemy.event_sinks import Sink
from telemetry.integrations.sqlalchemy.flush_watch import masked_changes
from telemetry.integrations.sqlalchemy.model_rules import ModelCatalogue, ModelRules
from telemetry.integrations.sqlalchemy.row_change import Action, RowChange
from telemetry.integrations.sqlalchemy.row_values import identity_text
from telemetry.integrations.sqlalchemy.session_work import SessionWork
from telemetry.integrations.sqlalchemy.written_rows import WrittenRows

_Dml = Insert | Update | Delete


class StatementWatch:
    """Logs each row that a statement writes, or how many they are if they are too many.

    Args:
        models: Knows which classes are logged.
        rows: Most rows of one statement that are logged one by one.
        reads: Whether rows are read before and after a statement; if not, all are only counted.
    """

    def __init__(self, models: ModelCatalogue, *, rows: int, reads: bool) -> None:
        self._models = models
        self._rows = rows
        self._reads = reads

    def run(self, state: ORMExecuteState, work: SessionWork, sink: Sink, recorder: Recorder) -> Result[Any] | None:
        """Run a statement that writes, and keep what it has written; None if nothing of it is logged.

        An error of the statement is the application's. Rows that cannot be read are counted by the statement alone; what
        becomes of an event that cannot be made depends on where it goes.
        """
        statement = state.statement
        if not isinstance(statement, _Dml):
            return None
        mapper = state.bind_mapper
        rules = self._models.rules_of(mapper) if mapper is not None else None
        if rules is None and (mapper is not None or not self._models.takes_tables):
            return None
        written: WrittenRows | None = None
        if rules is not None and self._reads and not isinstance(statement, Insert):
            # As the statement itself would do next: what is pending belongs to the rows that are read.
            if state.execution_options.get("autoflush", True):
                state.session._autoflush()  # noqa: SLF001 - there is no public name that does nothing inside a flush
            written = WrittenRows(state, rules, limit=self._rows)
            if not _succeeds(written.read, recorder):
                written = None
        result = state.invoke_statement()
        _succeeds(lambda: self._keep(_Finished(state, statement, rules, result), written, work), sink)
        return result

    def _keep(self, finished: _Finished, written: WrittenRows | None, work: SessionWork) -> None:
        who = current_audit_context()
        changes: Sequence[RowChange] | None = None
        if written is not None:
            changes = written.changes(finished.rows, who)
        elif finished.action in {"create", "upsert"}:
            changes = finished.inserted(who, limit=self._rows)
        work.keep(finished.session, [finished.counted(who)] if changes is None else changes)


class _Finished:
    """A statement that has run.

    Args:
        state: What SQLAlchemy says about it.
        statement: The statement.
        rules: The class whose rows it wrote; None for a table without one.
        result: Its result, which belongs to the application: no row of it is fetched.
    """

    def __init__(self, state: ORMExecuteState, statement: _Dml, rules: ModelRules | None, result: Result[Any]) -> None:
        self._state = state
        self._statement = statement
        self._rules = rules
        self._result = result
        table = statement.table
        self._table = rules.table if rules else table.fullname if isinstance(table, Table) else str(table.description)

    @property
    def session(self) -> Session:
        """The session that ran it."""
        return self._state.session

    @property
    def action(self) -> Action:
        """What it did."""
        if isinstance(self._statement, Insert):
            # ON CONFLICT and ON DUPLICATE KEY: nobody knows which rows were there before.
            return "create" if self._statement._post_values_clause is None else "upsert"  # noqa: SLF001 - no public name
        return "update" if isinstance(self._statement, Update) else "delete"

    @property
    def rows(self) -> int | None:
        """How many rows it wrote; None if the database did not say."""
        if isinstance(self._result, CursorResult) and self._result.rowcount >= 0:
            return self._result.rowcount
        parameters = self._state.parameters
        return len(parameters) if isinstance(parameters, list) else None

    def counted(self, who: Mapping[str, Any]) -> RowChange:
        """Return one event for all rows."""
        payload: dict[str, Any] = {"rows": self.rows}
        if not isinstance(self._statement, Insert):
            payload["criteria"] = _column_names(self._statement.whereclause)
        names = self._set_names()
        if names:
            payload["set"] = names
        entity = self._rules.entity if self._rules else self._table
        return RowChange(self.action, entity, self._table, who, payload=payload)

    def inserted(self, who: Mapping[str, Any], *, limit: int) -> list[RowChange] | None:
        """Return an event for each new row; None if they are too many, or come from a query."""
        rules, given = self._rules, self._given_rows()
        if rules is None or given is None or len(given) > limit:
            return None
        keys = self._inserted_key(rules) if len(given) == 1 else {}
        changes = []
        for values in given:
            known = {name: value for name, value in {**keys, **values}.items() if name in rules.columns}
            identity = identity_text({**keys, **values}.get(name) for name in rules.keys)
            shown = masked_changes(rules, {name: {"new": value} for name, value in known.items()})
            changes.append(RowChange(self.action, rules.entity, rules.table, who, identity, shown))
        return changes

    def _given_rows(self) -> list[dict[str, Any]] | None:
        parameters, statement = self._state.parameters, self._statement
        if not isinstance(statement, Insert) or statement.select is not None:
            return None
        common = _plain_values(statement._values or {})  # noqa: SLF001 - what `.values()` was given has no public name
        if isinstance(parameters, list):
            return [{**common, **each} for each in parameters]
        if isinstance(parameters, Mapping) and parameters:
            return [{**common, **parameters}]
        several = [row for rows in statement._multi_values for row in rows]  # noqa: SLF001 - as above
        if not several:
            return [common]
        # Rows may be tuples in the order of the columns: they are counted only.
        return [_plain_values(row) for row in several] if all(isinstance(row, Mapping) for row in several) else None

    def _inserted_key(self, rules: ModelRules) -> dict[str, Any]:
        if not isinstance(self._result, CursorResult) or self.action == "upsert" or self._state.is_executemany:
            return {}
        return dict(zip(rules.keys, self._result.inserted_primary_key or (), strict=False))

    def _set_names(self) -> list[str]:
        statement, parameters = self._statement, self._state.parameters
        if isinstance(statement, Delete):
            return []
        names = {_name_of(column) for column in statement._values or {}}  # noqa: SLF001 - as above
        if isinstance(parameters, list) and parameters:
            names.update(str(name) for name in parameters[0])
        if self._rules is not None:
            names.intersection_update(self._rules.columns)
        return sorted(names)


def _succeeds(step: Callable[[], object], failures: Recorder | Sink) -> bool:
    try:
        step()
    except Exception as exc:  # noqa: BLE001 - counted and logged; only an outbox raises it again
        failures.failed(exc)
        return False
    return True


def _plain_values(values: Any) -> dict[str, Any]:
    return {
        _name_of(column): value.value if isinstance(value, BindParameter) else value for column, value in values.items()
    }


def _name_of(column: Any) -> str:
    return column if isinstance(column, str) else str(column.key)


def _column_names(criteria: ClauseElement | None) -> list[str]:
    if criteria is None:
        return []
    return sorted({part.name for part in visitors.iterate(criteria) if isinstance(part, ColumnClause)})
