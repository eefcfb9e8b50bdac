"""Audits the members of many-to-many fields: who was added to a group, removed from it, or lost it because the group is gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.apps import apps
from django.db.models import ManyToManyField, Model, QuerySet
from django.db.models.signals import m2m_changed

from telemetry.integrations.django.changes.delivery import audited
from telemetry.integrations.django.changes.events import ChangeLog
from telemetry.integrations.django.changes.spec import ModelSpec, registry
from telemetry.integrations.django.changes.values import shown_id
from telemetry.integrations.django.process import process
from telemetry.integrations.shown_values import MASKED

Pair = tuple[Any, Any]
"""Key of the object that has the field, and of a member."""

_relations: dict[type[Model], Relation] = {}


class Relation:
    """One audited many-to-many field.

    Args:
        field: The field.
    """

    def __init__(self, field: ManyToManyField[Any, Any]) -> None:
        self._field = field
        self.owner: type[Model] = field.model
        self.through: type[Model] = field.remote_field.through  # type: ignore[assignment]  # resolved by now
        self.owner_column = self.through._meta.get_field(field.m2m_field_name()).attname  # type: ignore[union-attr]
        self.member_column = self.through._meta.get_field(field.m2m_reverse_field_name()).attname  # type: ignore[union-attr]

    def pairs(self, query: QuerySet[Any], *, limit: int) -> list[Pair]:
        """Return which members of whom a query for rows of the table between finds."""
        return list(query.order_by().values_list(self.owner_column, self.member_column)[:limit])

    def log(
        self, pairs: Iterable[Pair], *, using: str, is_added: bool, operation: str, rows: int | None = None
    ) -> None:
        """Log what was added or removed: an event for each object that has the field, or one for very many.

        Args:
            pairs: What was added or removed; at most one more than get events of their own.
            using: Alias of the database.
            is_added: Whether they were added.
            operation: ``add``, ``remove`` or ``delete``, where the member itself was deleted.
            rows: How many there were, if not all are listed.
        """
        listed = list(pairs)
        spec = registry.of(self.owner)
        if spec is None or not listed:
            return
        log = ChangeLog(self.owner, spec, using=using)
        side, name = ("new", "added") if is_added else ("old", "removed")
        relation = {"relation": self._field.name, "operation": operation}
        if len(listed) > process.settings.bulk_rows:
            log.bulk("updated", rows=rows, members=name, **relation)
            return
        members: dict[Any, list[Any]] = defaultdict(list)
        for owner, member in listed:
            members[owner].append(shown_id(member))
        for owner, keys in members.items():
            shown = MASKED if spec.masks(self._field) else sorted(keys, key=str)
            log.row("updated", owner, changes={f"{self._field.name}.{name}": {side: shown}}, **relation)


class Memberships:
    """Rows between objects and members that are about to be deleted: each removal of a member is such a delete.

    Django sends a signal before some of them, and names members that are none.

    Args:
        using: Alias of the database.
        origin: Model of what the program deletes.
    """

    def __init__(self, *, using: str, origin: type[Model] | None) -> None:
        self._using = using
        self._origin = origin
        self._limit = process.settings.bulk_rows + 1
        self._gone: dict[type[Model], set[Any]] = defaultdict(set)
        self._found: list[tuple[Relation, list[Pair], int]] = []

    def owners_go(self, model: type[Model], keys: Iterable[Any]) -> None:
        """Remember objects that are deleted themselves: their own event says enough."""
        self._gone[model._meta.concrete_model or model].update(keys)

    def read(self, query: QuerySet[Any]) -> None:
        """Read the rows that one statement will delete."""
        relation = _relations.get(query.model)
        if relation is None:
            return
        query = query.using(self._using)
        pairs = relation.pairs(query, limit=self._limit)
        self._add(relation, pairs, rows=len(pairs) if len(pairs) < self._limit else query.count())

    def take(self, model: type[Model], instances: Collection[Model]) -> None:
        """Take the rows that Django has loaded, because the table between has a model of its own."""
        relation = _relations.get(model)
        if relation is None:
            return
        columns = (relation.owner_column, relation.member_column)
        pairs = [tuple(getattr(instance, column) for column in columns) for instance in instances]
        self._add(relation, pairs[: self._limit], rows=len(pairs))

    def log(self) -> None:
        """Log who lost a member."""
        for relation, pairs, rows in self._found:
            operation = "remove" if self._origin is relation.through else "delete"
            relation.log(pairs, using=self._using, is_added=False, operation=operation, rows=rows)

    def _add(self, relation: Relation, pairs: list[Any], *, rows: int) -> None:
        gone = self._gone.get(relation.owner, set())
        listed = [pair for pair in pairs if pair[0] not in gone]
        if listed:
            self._found.append((relation, listed, rows))


def follow_relations() -> None:
    """Follow the many-to-many fields of all audited models."""
    for model in apps.get_models():
        spec = registry.of(model)
        if spec is None:
            continue
        for field in model._meta.local_many_to_many:
            if _is_followed(spec, field):
                relation = Relation(field)
                _relations[relation.through] = relation
                m2m_changed.connect(_members_added, sender=relation.through, dispatch_uid="telemetry")


def _is_followed(spec: ModelSpec, field: ManyToManyField[Any, Any]) -> bool:
    return field.name not in spec.exclude and (spec.m2m is None or field.name in spec.m2m)


def _members_added(
    *, sender: type[Model], instance: Model, action: str, reverse: bool, pk_set: set[Any] | None, using: str, **_: Any
) -> None:
    if action != "post_add":
        return
    with audited():
        pairs = [(key, instance.pk) if reverse else (instance.pk, key) for key in pk_set or ()]
        _relations[sender].log(pairs, using=using, is_added=True, operation="add", rows=len(pairs))
