"""Reads rows of audited models, and compares what they were with what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from django.db.models import Field, Model, QuerySet
from django.db.models.expressions import Col
from django.db.models.sql import Query

from telemetry.integrations.django.changes.spec import ModelSpec
from telemetry.integrations.django.changes.values import is_expression, shown_value, stored_value
from telemetry.integrations.shown_values import MASKED

Column: TypeAlias = "Field[Any, Any]"
Row = dict[str, Any]
"""Values by the name of the attribute, such as ``author_id``."""

_MAX_NODES = 1_000


def columns_of(model: type[Model], spec: ModelSpec) -> list[Column]:
    """Return the audited columns, those of parents too; keys are the id of the event, generated columns follow from others."""
    return [
        column
        for column in model._meta.concrete_fields
        if not column.primary_key and not column.generated and spec.covers(column)
    ]


def named_columns(model: type[Model], spec: ModelSpec, names: Iterable[str]) -> list[Column]:
    """Return those audited columns that have one of these names."""
    wanted = frozenset(names)
    return [column for column in columns_of(model, spec) if wanted.intersection((column.name, column.attname))]


def read_rows(rows: QuerySet[Any], columns: Sequence[Column], *, limit: int) -> dict[Any, Row]:
    """Return at most ``limit`` rows of a query by their primary key, in one query."""
    names = [column.attname for column in columns]
    found = rows.order_by().values_list("pk", *names)[:limit]
    return {values[0]: dict(zip(names, values[1:], strict=True)) for values in found}


def rows_with(model: type[Model], keys: Iterable[Any], *, using: str) -> QuerySet[Any]:
    """Return the query for the rows with these primary keys."""
    return model._base_manager.using(using).filter(pk__in=list(keys))


def read_row(model: type[Model], key: Any, columns: Sequence[Column], *, using: str) -> Row | None:
    """Return one row; None if there is none."""
    found = read_rows(rows_with(model, [key], using=using), columns, limit=1)
    return next(iter(found.values()), None)


def same_key(model: type[Model], key: Any) -> Any:
    """Return a primary key as the database returns it: a program may have given a UUID as text."""
    if isinstance(key, tuple):
        parts = zip(model._meta.pk_fields, key, strict=True)
        return tuple(_comparable(column, part) for column, part in parts)
    return None if key is None else _comparable(model._meta.pk, key)


def current_row(instance: Model, columns: Sequence[Column], *, using: str) -> Row:
    """Return the values of an object that was written just now; what the database computed is read from it."""
    row = {column.attname: instance.__dict__.get(column.attname) for column in columns}
    computed = [column for column in columns if is_expression(row[column.attname])]
    if computed:
        row |= read_row(type(instance), instance.pk, computed, using=using) or {}
    return {name: value for name, value in row.items() if not is_expression(value)}


def created(spec: ModelSpec, columns: Sequence[Column], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``changes`` of a new row."""
    return _one_sided("new", spec=spec, columns=columns, row=row)


def deleted(spec: ModelSpec, columns: Sequence[Column], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``changes`` of a row that is gone."""
    return _one_sided("old", spec=spec, columns=columns, row=row)


def updated(
    spec: ModelSpec, columns: Sequence[Column], *, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the ``changes`` of a row: only what differs."""
    changes: dict[str, Any] = {}
    for column in columns:
        name = column.attname
        if name not in before or name not in after:
            continue
        old, new = _comparable(column, before[name]), _comparable(column, after[name])
        if _is_equal(old, new):
            continue
        changes[name] = (MASKED, MASKED) if spec.masks(column) else (shown_value(old), shown_value(new))
    return changes


def criteria_of(query: Query) -> list[str]:
    """Return the names of the fields by which a query chooses its rows, never a value."""
    names: set[str] = set()
    waiting: list[Any] = [query.where]
    for _ in range(_MAX_NODES):
        if not waiting:
            break
        node = waiting.pop()
        if isinstance(node, Col):
            own = query.model is not None and issubclass(query.model, node.target.model)
            names.add(node.target.name if own else f"{node.target.model._meta.model_name}.{node.target.name}")
        else:
            waiting.extend(_parts(node))
    return sorted(names)


def _one_sided(side: str, *, spec: ModelSpec, columns: Sequence[Column], row: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for column in columns:
        value = _comparable(column, row.get(column.attname))
        if value is not None:
            changes[column.attname] = {side: MASKED if spec.masks(column) else shown_value(value)}
    return changes


def _comparable(column: Column, value: Any) -> Any:
    """Return a value as the database would; one that its field does not understand as it is."""
    try:
        return stored_value(column, value)
    except Exception:  # noqa: BLE001 - fields of other libraries may raise anything
        return value


def _is_equal(old: Any, new: Any) -> bool:
    if isinstance(old, dict | list) and isinstance(new, dict | list):
        # To Python, true is 1 and 1.0, also inside; to JSON it is not.
        return json.dumps(old, sort_keys=True, default=str) == json.dumps(new, sort_keys=True, default=str)
    return bool(old == new)


def _parts(node: Any) -> Iterator[Any]:
    yield from getattr(node, "children", ())
    sources = getattr(node, "get_source_expressions", None)
    if sources is not None and not hasattr(node, "children"):
        yield from (source for source in sources() if source is not None)
