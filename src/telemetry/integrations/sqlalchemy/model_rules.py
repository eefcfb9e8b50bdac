"""Knows what is logged of each mapped class: its name, its columns and collections, and what is masked or left out."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Column, Table
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipProperty

from telemetry.exceptions import ConfigurationError

_C = TypeVar("_C", bound=type)


@dataclass(frozen=True)
class ModelOptions:
    """What :func:`audited_model` was told about a class."""

    entity: str | None = None
    mask: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModelRules:
    """What is logged of a mapped class.

    Attributes:
        mapper: Its mapper.
        entity: Its name in events.
        table: Name of its table.
        columns: Attributes that are columns, without those that are left out.
        deferred: Those of them that are loaded only when they are asked for.
        keys: Attributes of the primary key, in its order.
        collections: Attributes that are many-to-many collections.
        masked: Attributes whose values are never logged.
    """

    mapper: Mapper[Any]
    entity: str
    table: str
    columns: frozenset[str]
    deferred: frozenset[str]
    keys: tuple[str, ...]
    collections: frozenset[str]
    masked: frozenset[str] = field(default_factory=frozenset)

    @property
    def readable(self) -> tuple[str, ...]:
        """The columns that may be read to learn old values, in a fixed order."""
        return tuple(sorted(self.columns - self.deferred))


_options: weakref.WeakKeyDictionary[type, ModelOptions] = weakref.WeakKeyDictionary()


def audited_model(
    *,
    entity: str | None = None,
    mask: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Callable[[_C], _C]:
    """Return a class decorator that says how the rows of a mapped class are logged; subclasses inherit it.

    Values of attributes with the name of a secret (``telemetry.catalog.secret_names``) are scrubbed without being named.

    Args:
        entity: Name of the class in events; its own in lower case with underscores by default.
        mask: Attributes of which events say that they changed, and never their value.
        exclude: Attributes that are not logged at all.
    """
    options = ModelOptions(entity, frozenset(mask), frozenset(exclude))

    def decorate(model: _C) -> _C:
        _options[model] = options
        return model

    return decorate


class ModelCatalogue:
    """Finds the rules of each mapped class.

    Args:
        models: Classes that are logged, with their subclasses; None for all.
        skip: Classes that are not logged, with their subclasses.

    Raises:
        ConfigurationError: One of them is no class.
    """

    def __init__(self, models: Collection[type] | None, skip: Collection[type]) -> None:
        for model in (*(models or ()), *skip):
            if not isinstance(model, type):
                message = "models and skip take mapped classes"
                raise ConfigurationError(message)
        self._models = None if models is None else tuple(models)
        self._skip = tuple(skip)
        self._rules: weakref.WeakKeyDictionary[Mapper[Any], ModelRules] = weakref.WeakKeyDictionary()

    @property
    def takes_tables(self) -> bool:
        """Whether tables without a class are logged too."""
        return self._models is None

    def rules_of(self, mapper: Mapper[Any]) -> ModelRules | None:
        """Return the rules of a mapped class; None if it is not logged."""
        rules = self._rules.get(mapper)
        if rules is not None:
            return rules
        model = mapper.class_
        if issubclass(model, self._skip) or (self._models is not None and not issubclass(model, self._models)):
            return None
        rules = self._rules[mapper] = _rules_of(mapper)
        return rules


def _rules_of(mapper: Mapper[Any]) -> ModelRules:
    given = [_options[model] for model in mapper.class_.__mro__ if model in _options]
    excluded = frozenset(name for options in given for name in options.exclude)
    masked = frozenset(name for options in given for name in options.mask)
    own = _options.get(mapper.class_)
    columns = [
        attribute for attribute in mapper.column_attrs if _is_column(attribute) and attribute.key not in excluded
    ]
    collections = [
        relation.key for relation in mapper.relationships if _is_many_to_many(relation) and relation.key not in excluded
    ]
    table = mapper.local_table
    return ModelRules(
        mapper=mapper,
        entity=(own.entity if own else None) or snake_case(mapper.class_.__name__),
        table=table.fullname if isinstance(table, Table) else str(table.description),
        columns=frozenset(attribute.key for attribute in columns),
        deferred=frozenset(attribute.key for attribute in columns if attribute.deferred),
        keys=tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key),
        collections=frozenset(collections),
        masked=masked,
    )


def snake_case(name: str) -> str:
    """Return ``OrderLine`` as ``order_line``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


def _is_column(attribute: ColumnProperty[Any]) -> bool:
    # A column_property of an expression belongs to no row.
    return isinstance(attribute.columns[0], Column)


def _is_many_to_many(relation: RelationshipProperty[Any]) -> bool:
    return relation.secondary is not None and not relation.viewonly
