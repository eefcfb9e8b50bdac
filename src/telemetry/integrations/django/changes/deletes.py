"""Audits deletes with all that they cascade to, and keeps the deletes fast that Django does in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector

from telemetry.integrations.django.changes import rows
from telemetry.integrations.django.changes.delivery import audited, one_transaction
from telemetry.integrations.django.changes.events import ChangeLog
from telemetry.integrations.django.changes.relations import Memberships
from telemetry.integrations.django.changes.spec import ModelSpec, registry
from telemetry.integrations.django.process import process

_collecting: ContextVar[bool] = ContextVar("telemetry_delete", default=False)


class DeletedRows:
    """Rows of one model that are about to be deleted; at most one more than get events of their own.

    Args:
        model: The model.
        spec: How it is audited.
        using: Alias of the database.
    """

    def __init__(self, model: type[Model], spec: ModelSpec, *, using: str) -> None:
        self._model = model
        self._spec = spec
        self._using = using
        self._columns = rows.columns_of(model, spec)
        self._limit = process.settings.bulk_rows + 1
        self._criteria: set[str] = set()
        self.rows: dict[Any, rows.Row] = {}
        self.known = 0

    def read_objects(self, keys: Iterable[Any]) -> None:
        """Read the rows of objects that Django has loaded, perhaps long ago or without all fields."""
        listed = list(keys)
        self.known += len(listed)
        if len(listed) < self._limit:
            self.rows |= rows.read_rows(
                rows.rows_with(self._model, listed, using=self._using), self._columns, limit=self._limit
            )

    def read_query(self, query: QuerySet[Any]) -> None:
        """Read the rows that one statement will delete."""
        self._criteria.update(rows.criteria_of(query.query))
        if len(self.rows) < self._limit:
            self.rows |= rows.read_rows(query.using(self._using), self._columns, limit=self._limit)

    def log(self, count: int) -> None:
        """Log them, after the delete of ``count`` rows."""
        log = ChangeLog(self._model, self._spec, using=self._using)
        if count >= self._limit or count > len(self.rows):
            if count:
                log.bulk("deleted", rows=count, criteria=sorted(self._criteria))
            return
        for key, row in self.rows.items():
            log.row("deleted", key, changes=rows.deleted(self._spec, self._columns, row))


class DeleteAudit:
    """One call of ``delete()``: the rows of all audited models that it deletes.

    Args:
        collector: What Django has found to delete.
    """

    def __init__(self, collector: Collector) -> None:
        using = collector.using
        self._deleted: dict[type[Model], DeletedRows] = {}
        self._memberships = Memberships(using=using, origin=_origin_of(collector))
        for model, instances in collector.data.items():
            spec = registry.of(model)
            if spec is not None:
                keys = [rows.same_key(model, instance.pk) for instance in instances]
                self._of(model, spec, using=using).read_objects(keys)
                self._memberships.owners_go(model, keys)
        for query in collector.fast_deletes:
            spec = registry.of(query.model)
            if spec is not None:
                self._of(query.model, spec, using=using).read_query(query)
                self._memberships.owners_go(query.model, self._deleted[query.model].rows)
        for query in collector.fast_deletes:
            self._memberships.read(query)
        for model, instances in collector.data.items():
            self._memberships.take(model, instances)

    def log(self, counts: dict[str, int]) -> None:
        """Log what was deleted.

        Args:
            counts: Deleted rows by the label of the model.
        """
        self._memberships.log()
        for model, deleted in self._deleted.items():
            # A row of a parent's table is the same thing as that of the child, which is logged with all its columns.
            children = [child for child in self._deleted if child is not model and _is_child(child, model)]
            of_children = sum(counts.get(child._meta.label, 0) for child in children)
            for child in children:
                for key in self._deleted[child].rows:
                    deleted.rows.pop(key, None)
            deleted.log(counts.get(model._meta.label, 0) - of_children)

    def _of(self, model: type[Model], spec: ModelSpec, *, using: str) -> DeletedRows:
        if model not in self._deleted:
            self._deleted[model] = DeletedRows(model, spec, using=using)
        return self._deleted[model]


def _origin_of(collector: Collector) -> type[Model] | None:
    origin = collector.origin
    if isinstance(origin, QuerySet):
        return origin.model
    return None if origin is None else type(origin)


def _is_child(child: type[Model], model: type[Model]) -> bool:
    return model in child._meta.all_parents


def audited_collector_delete(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``Collector.delete``, which every delete of objects and querysets ends in, with an audit around it."""

    @wraps(original)
    def delete(self: Collector) -> tuple[int, dict[str, int]]:
        audit: DeleteAudit | None = None
        with one_transaction(self.using):
            with audited():
                audit = DeleteAudit(self)
            token = _collecting.set(True)
            try:
                result: tuple[int, dict[str, int]] = original(self)
            finally:
                _collecting.reset(token)
            with audited():
                if audit is not None:
                    audit.log(result[1])
        return result

    return delete


def audited_raw_delete(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``QuerySet._raw_delete``, a delete without a collector, with an audit around it."""

    @wraps(original)
    def _raw_delete(self: QuerySet[Any], using: str) -> Any:
        spec = registry.of(self.model)
        if spec is None or _collecting.get():
            return original(self, using)
        deleted: DeletedRows | None = None
        with one_transaction(using):
            with audited():
                deleted = DeletedRows(self.model, spec, using=using)
                deleted.read_query(self)
            count = original(self, using)
            with audited():
                if deleted is not None:
                    deleted.log(count)
        return count

    return _raw_delete
