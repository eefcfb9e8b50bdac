"""Watches one flush: which rows it creates, changes and deletes, with the values before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import InstanceState

from telemetry.integrations.shown_values import MASKED
from telemetry.integrations.sqlalchemy.model_rules import ModelRules
from telemetry.integrations.sqlalchemy.row_change import Action, RowChange
from telemetry.integrations.sqlalchemy.row_reader import read_rows
from telemetry.integrations.sqlalchemy.row_values import MISSING, identity_text, shown


@dataclass
class _Row:
    """A row that a flush writes."""

    action: Action
    rules: ModelRules
    state: InstanceState[Any]
    connection: Connection
    old: dict[str, Any] = field(default_factory=dict)


class FlushWatch:
    """Collects the rows of one flush.

    Reading happens here only, inside the flush: an async session runs it where it may wait for the database.

    Args:
        reads: Whether values that the session does not know are read from the database.
    """

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self._rows: dict[InstanceState[Any], _Row] = {}

    def before_update(self, rules: ModelRules, connection: Connection, target: object) -> None:
        """Remember the old values of what is about to change."""
        state: InstanceState[Any] = inspect(target)
        row = self._rows[state] = _Row("update", rules, state, connection)
        for name in rules.columns - state.unmodified:
            history = state.attrs[name].history
            if history.has_changes():
                row.old[name] = history.deleted[0] if history.deleted else MISSING
        self._read_missing(row)

    def before_delete(self, rules: ModelRules, connection: Connection, target: object) -> None:
        """Remember the values of a row that is about to go."""
        state: InstanceState[Any] = inspect(target)
        row = self._rows[state] = _Row("delete", rules, state, connection, _values_before(rules, state))
        self._read_missing(row)

    def inserted(self, rules: ModelRules, connection: Connection, target: object) -> None:
        """Remember a new row."""
        state: InstanceState[Any] = inspect(target)
        self._rows[state] = _Row("create", rules, state, connection)

    def updated(self, rules: ModelRules, connection: Connection, target: object) -> None:
        """Remember a new object that took over the row of one that is deleted in the same flush."""
        if inspect(target) not in self._rows:
            self.inserted(rules, connection, target)

    def replaced(self, rules: ModelRules, target: object, who: Mapping[str, Any]) -> Iterator[RowChange]:
        """Yield a deletion that the unit of work merged with the insertion of a row with the same key."""
        state: InstanceState[Any] = inspect(target)
        if state not in self._rows:
            changes = {
                name: {"old": value} for name, value in _values_before(rules, state).items() if value is not MISSING
            }
            yield _change("delete", rules, state.identity or (), changes, who)

    def changes(self, who: Mapping[str, Any]) -> Iterator[RowChange]:
        """Yield what the flush has done, before the session forgets the history of its objects."""
        for row in self._rows.values():
            if row.action == "delete":
                changes = {name: {"old": value} for name, value in row.old.items() if value is not MISSING}
                yield _change("delete", row.rules, row.state.identity or (), changes, who)
            elif row.action == "create":
                yield _change("create", row.rules, _new_identity(row), self._created(row), who)
            else:
                changes = self._updated(row)
                if changes:
                    yield _change("update", row.rules, row.state.identity or (), changes, who)

    def _created(self, row: _Row) -> dict[str, dict[str, Any]]:
        present = row.state.dict
        changes = {name: {"new": present[name]} for name in sorted(row.rules.columns) if name in present}
        return {**changes, **_collections(row)}

    def _updated(self, row: _Row) -> dict[str, dict[str, Any]]:
        # What a relationship wrote after the row itself (post_update) is in the history by now.
        for name in row.rules.columns - row.state.unmodified - row.old.keys():
            history = row.state.attrs[name].history
            if history.has_changes():
                row.old[name] = history.deleted[0] if history.deleted else MISSING
        new = {name: row.state.dict.get(name, MISSING) for name in row.old}
        unknown = sorted(name for name, value in new.items() if value is MISSING)
        if unknown and self._reads:
            new.update(self._read(row, _new_identity(row), unknown))
        changes: dict[str, dict[str, Any]] = {}
        for name in sorted(row.old):
            sides = {"old": row.old[name], "new": new[name]}
            known = {side: value for side, value in sides.items() if value is not MISSING}
            if len(known) < len(sides) or not _is_equal(row.old[name], new[name]):
                changes[name] = known or {"new": "[unknown]"}
        return {**changes, **_collections(row)}

    def _read_missing(self, row: _Row) -> None:
        """Read the old values that the session does not know: of expired objects, and of what was changed in place."""
        missing = sorted(name for name, value in row.old.items() if value is MISSING and name not in row.rules.deferred)
        if missing and self._reads:
            row.old.update(self._read(row, row.state.identity or (), missing))

    def _read(self, row: _Row, identity: tuple[Any, ...], names: list[str]) -> Mapping[str, Any]:
        found = read_rows(row.connection, row.rules, [identity], names)
        return next(iter(found.values()), {})


def masked_changes(rules: ModelRules, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return changes as an event shows them."""
    return {
        name: {
            side: MASKED if name in rules.masked and value is not None else shown(value)
            for side, value in sides.items()
        }
        for name, sides in changes.items()
    }


def _change(
    action: Action,
    rules: ModelRules,
    identity: Iterable[Any],
    changes: Mapping[str, Mapping[str, Any]],
    who: Mapping[str, Any],
) -> RowChange:
    return RowChange(action, rules.entity, rules.table, who, identity_text(identity), masked_changes(rules, changes))


def _values_before(rules: ModelRules, state: InstanceState[Any]) -> dict[str, Any]:
    values = {}
    for name in sorted(rules.columns):
        history = state.attrs[name].history if name not in state.unmodified else None
        if history is not None and history.has_changes():
            values[name] = history.deleted[0] if history.deleted else MISSING
        else:
            values[name] = state.dict.get(name, MISSING)
    return values


def _new_identity(row: _Row) -> tuple[Any, ...]:
    return tuple(row.state.dict.get(name, MISSING) for name in row.rules.keys)


def _collections(row: _Row) -> dict[str, dict[str, Any]]:
    """Return what was added to many-to-many collections and removed from them, as ids."""
    changes = {}
    for name in sorted(row.rules.collections - row.state.unmodified):
        history = row.state.attrs[name].history
        if history.added:
            changes[f"{name}.added"] = {"new": [_id_of(each) for each in history.added if each is not None]}
        if history.deleted:
            changes[f"{name}.removed"] = {"old": [_id_of(each) for each in history.deleted if each is not None]}
    return changes


def _id_of(target: object) -> Any:
    state: InstanceState[Any] = inspect(target)
    mapper = state.mapper
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    return identity_text(state.identity or [state.dict.get(name) for name in names])


def _is_equal(old: Any, new: Any) -> bool:
    try:
        return bool(old == new)
    except Exception:  # noqa: BLE001 - values such as arrays compare by element; they count as changed
        return False
