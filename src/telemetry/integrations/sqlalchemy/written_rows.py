"""Finds out what one statement does to the rows of a mapped class, by reading them before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Delete, Update, select
from sqlalchemy.orm import LoaderCriteriaOption, ORMExecuteState

from telemetry.integrations.sqlalchemy.flush_watch import masked_changes
from telemetry.integrations.sqlalchemy.model_rules import ModelRules
from telemetry.integrations.sqlalchemy.row_change import Action, RowChange
from telemetry.integrations.sqlalchemy.row_reader import Identity, attribute, harmless_read, read_rows
from telemetry.integrations.sqlalchemy.row_values import identity_text


class WrittenRows:
    """The rows that an UPDATE or a DELETE is about to write.

    Args:
        state: The statement, which is about to run.
        rules: The class whose rows it writes.
        limit: Most rows to read.
    """

    def __init__(self, state: ORMExecuteState, rules: ModelRules, *, limit: int) -> None:
        self._state = state
        self._rules = rules
        self._limit = limit
        self._action: Action = "update" if state.is_update else "delete"
        self._before: Mapping[Identity, Mapping[str, Any]] = {}

    def read(self) -> None:
        """Read the rows; one more than the limit at most."""
        statement, rules = self._state.statement, self._rules
        if isinstance(self._state.parameters, list):
            # An update by primary key: each set of parameters names its row.
            identities = [tuple(each[name] for name in rules.keys) for each in self._state.parameters]
            if len(identities) <= self._limit:
                self._before = read_rows(self._connection, rules, identities, rules.readable)
        elif isinstance(statement, Update | Delete):
            self._before = self._selected(statement)

    def changes(self, rows: int | None, who: Mapping[str, Any]) -> list[RowChange] | None:
        """Return an event for each row; None if the rows are too many, or not those that were read.

        Args:
            rows: How many rows the statement has written; None if the database did not say.
            who: The audit context.
        """
        found = len(self._before)
        if found > self._limit or (rows is not None and rows != found):
            return None
        return list(self._deleted(who) if self._action == "delete" else self._updated(who))

    @property
    def _connection(self) -> Connection:
        return self._state.session.connection(bind_arguments=dict(self._state.bind_arguments))

    def _selected(self, statement: Update | Delete) -> Mapping[Identity, Mapping[str, Any]]:
        rules = self._rules
        names = (*rules.keys, *rules.readable)
        wanted = select(*(attribute(rules.mapper, name) for name in names)).limit(self._limit + 1)
        if statement.whereclause is not None:
            wanted = wanted.where(statement.whereclause)
        options = statement._with_options  # noqa: SLF001 - no public name lists those that are not the user's own classes
        criteria = [each for each in options if isinstance(each, LoaderCriteriaOption)]
        width, connection = len(rules.keys), self._connection
        # On the connection and not in the session, which may send what only reads to a replica.
        with harmless_read(connection):
            found = connection.execute(wanted.options(*criteria), self._state.parameters).all()
        return {tuple(row[:width]): dict(zip(rules.readable, row[width:], strict=True)) for row in found}

    def _deleted(self, who: Mapping[str, Any]) -> Iterator[RowChange]:
        for identity, old in self._before.items():
            yield self._change(identity, {name: {"old": value} for name, value in old.items()}, who)

    def _updated(self, who: Mapping[str, Any]) -> Iterator[RowChange]:
        rules = self._rules
        after = read_rows(self._connection, rules, list(self._before), rules.readable) if self._before else {}
        for identity, old in self._before.items():
            new = after.get(identity)
            if new is None:
                # It has another primary key now.
                changes = {name: {"old": value} for name, value in old.items()}
            else:
                changes = {name: {"old": old[name], "new": new[name]} for name in old if old[name] != new[name]}
            if changes:
                yield self._change(identity, changes, who)

    def _change(
        self, identity: Identity, changes: Mapping[str, Mapping[str, Any]], who: Mapping[str, Any]
    ) -> RowChange:
        rules = self._rules
        return RowChange(
            self._action, rules.entity, rules.table, who, identity_text(identity), masked_changes(rules, changes)
        )
