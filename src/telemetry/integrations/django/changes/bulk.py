"""Audits bulk writes: the rows are read before, and what was computed by the database is read after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.sql import UpdateQuery

from telemetry.integrations.django.changes import rows
from telemetry.integrations.django.changes.delivery import audited, one_transaction
from telemetry.integrations.django.changes.events import ChangeLog
from telemetry.integrations.django.changes.spec import ModelSpec, registry
from telemetry.integrations.django.changes.values import is_expression
from telemetry.integrations.django.process import process

_inside: ContextVar[bool] = ContextVar("telemetry_bulk", default=False)


class UpdateAudit:
    """One update of many rows with values that are the same for all, or that the database computes.

    Args:
        model: The model.
        spec: How it is audited.
        using: Alias of the database.
        query: The query for the rows.
        names: Names of the fields that are written.
    """

    def __init__(
        self, model: type[Model], spec: ModelSpec, *, using: str, query: QuerySet[Any], names: Iterable[str]
    ) -> None:
        self._model = model
        self._spec = spec
        self._using = using
        self._columns = rows.named_columns(model, spec, names)
        self._limit = process.settings.bulk_rows
        self._criteria = rows.criteria_of(query.query)
        self._before: dict[Any, rows.Row] | None = None
        if self._columns and self._limit:
            with audited():
                # By the key, whatever the query joins, counts or annotates.
                chosen = model._base_manager.using(using).filter(pk__in=query.order_by().values("pk"))
                self._before = rows.read_rows(chosen, self._columns, limit=self._limit + 1)

    def log(self, count: int | None, *, values: Mapping[str, Any]) -> None:
        """Log the update.

        Args:
            count: How many rows it has found; None if that is not known.
            values: What was written, by the name of the attribute or field.
        """
        if not self._columns or count == 0:
            return
        log = ChangeLog(self._model, self._spec, using=self._using)
        if self._before is None or len(self._before) > self._limit:
            fields = [column.attname for column in self._columns]
            log.bulk("updated", rows=count, criteria=self._criteria, set=fields)
            return
        given = {column.attname: _given(column, values) for column in self._columns}
        computed = [column for column in self._columns if is_expression(given[column.attname])]
        after: dict[Any, rows.Row] = {}
        if computed:
            found = rows.rows_with(self._model, self._before, using=self._using)
            after = rows.read_rows(found, computed, limit=len(self._before))
        known = {name: value for name, value in given.items() if not is_expression(value)}
        for key, before in self._before.items():
            changes = rows.updated(self._spec, self._columns, before=before, after=known | after.get(key, {}))
            if changes:
                log.row("updated", key, changes=changes)


def audited_update(original: Callable[..., int]) -> Callable[..., int]:
    """Return ``QuerySet.update`` with an audit around it."""

    @wraps(original)
    def update(self: QuerySet[Any], **kwargs: Any) -> int:
        spec = registry.of(self.model)
        if spec is None or _inside.get():
            return original(self, **kwargs)
        audit: UpdateAudit | None = None
        using = _written(self)
        with one_transaction(using):
            with audited():
                audit = UpdateAudit(self.model, spec, using=using, query=self, names=kwargs)
            count = original(self, **kwargs)
            with audited():
                if audit is not None:
                    audit.log(count, values=kwargs)
        return count

    return update


def audited_bulk_update(original: Callable[..., int]) -> Callable[..., int]:
    """Return ``QuerySet.bulk_update``, which makes several updates, with one audit around all of them."""

    @wraps(original)
    def bulk_update(self: QuerySet[Any], objs: Iterable[Any], fields: Iterable[str], *args: Any, **kwargs: Any) -> int:
        objs, fields = tuple(objs), list(fields)
        spec = registry.of(self.model)
        if spec is None or not objs:
            return original(self, objs, fields, *args, **kwargs)
        audit: UpdateAudit | None = None
        columns: list[rows.Column] = []
        using = _written(self)
        with one_transaction(using):
            with audited():
                columns = rows.named_columns(self.model, spec, fields)
                keys = [instance.pk for instance in objs]
                # More than the limit are not read, so they need not be asked for either.
                query = rows.rows_with(self.model, keys[: process.settings.bulk_rows + 1], using=using)
                audit = UpdateAudit(self.model, spec, using=using, query=query, names=fields)
            with _inner_writes_are_part():
                count = original(self, objs, fields, *args, **kwargs)
            with audited():
                if audit is not None:
                    # Each row has its own value: read back, as the database has it.
                    audit.log(count, values={column.attname: _Computed() for column in columns})
        return count

    return bulk_update


def audited_bulk_create(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Return ``QuerySet.bulk_create`` with an audit after it."""

    @wraps(original)
    def bulk_create(self: QuerySet[Any], objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        objs = list(objs)
        spec = registry.of(self.model)
        if spec is None or not objs:
            return original(self, objs, *args, **kwargs)
        with one_transaction(_written(self)):
            made = original(self, objs, *args, **kwargs)
            with audited():
                _log_created(self, spec, objs, conflicts=_conflicts(*args, **kwargs))
        return made

    return bulk_create


def audited_update_batch(original: Callable[..., None]) -> Callable[..., None]:
    """Return ``UpdateQuery.update_batch``, by which a delete sets references to something else, with an audit around it."""

    @wraps(original)
    def update_batch(self: UpdateQuery, pk_list: list[Any], values: dict[str, Any], using: str) -> None:
        model = self.get_meta().model
        spec = registry.of(model)
        if spec is None:
            original(self, pk_list, values, using)
            return
        audit: UpdateAudit | None = None
        with one_transaction(using):
            with audited():
                query = rows.rows_with(model, pk_list[: process.settings.bulk_rows + 1], using=using)
                audit = UpdateAudit(model, spec, using=using, query=query, names=values)
            original(self, pk_list, values, using)
            with audited():
                if audit is not None:
                    audit.log(len(pk_list), values=values)

    return update_batch


class _Computed:
    """Stands for a value that only the database knows."""

    def resolve_expression(self) -> None:
        """Mark it as an expression."""


def _log_created(query: QuerySet[Any], spec: ModelSpec, objs: list[Any], *, conflicts: str | None) -> None:
    log = ChangeLog(query.model, spec, using=_written(query))
    if conflicts is not None:
        # Which of them were new, the database does not say.
        log.bulk("created", rows=None, offered=len(objs), conflicts=conflicts)
        return
    if len(objs) > process.settings.bulk_rows:
        log.bulk("created", rows=len(objs))
        return
    columns = rows.columns_of(query.model, spec)
    for instance in objs:
        row = rows.current_row(instance, columns, using=_written(query))
        log.row("created", instance.pk, changes=rows.created(spec, columns, row))


def _conflicts(
    _: int | None = None,
    ignore_conflicts: bool = False,  # noqa: FBT002 - Django's signature
    update_conflicts: bool = False,  # noqa: FBT002
    *__: Any,
    **___: Any,
) -> str | None:
    if update_conflicts:
        return "updated"
    return "ignored" if ignore_conflicts else None


@contextmanager
def _inner_writes_are_part() -> Iterator[None]:
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def _written(query: QuerySet[Any]) -> str:
    """Return the alias of the database that a write goes to."""
    query._for_write = True  # type: ignore[attr-defined]
    return query.db


def _given(column: rows.Column, values: Mapping[str, Any]) -> Any:
    return values[column.attname] if column.attname in values else values[column.name]
