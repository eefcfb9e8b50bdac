"""Audits the saves of single objects: the row before is read from the database, the row after is the object."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps

from django.db.models import Model

from telemetry.integrations.django.changes import rows
from telemetry.integrations.django.changes.delivery import audited, one_transaction
from telemetry.integrations.django.changes.events import ChangeLog
from telemetry.integrations.django.changes.passwords import note_new_password
from telemetry.integrations.django.changes.spec import ModelSpec, registry

_STATE = "_telemetry_save"


class SaveAudit:
    """One save of one object, from before its first table is written until the last one is.

    Args:
        instance: The object.
        spec: How its model is audited.
        using: Alias of the database.
        update_fields: Names of the fields that are written; None for all that are loaded.
    """

    def __init__(self, instance: Model, spec: ModelSpec, *, using: str, update_fields: Collection[str] | None) -> None:
        self._instance = instance
        self._spec = spec
        self._using = using
        self._model = type(instance)
        columns = rows.columns_of(self._model, spec)
        if update_fields:
            columns = rows.named_columns(self._model, spec, update_fields)
        # A deferred field is not written; to look at it would load it.
        self._columns = [column for column in columns if column.attname in instance.__dict__]
        self._before: rows.Row | None = None

    def read(self) -> None:
        """Read what the row is before the save."""
        self._before = rows.read_row(self._model, self._instance.pk, self._columns, using=self._using)

    def finish(self, *, is_new: bool) -> None:
        """Log what the save has changed."""
        instance, spec, columns = self._instance, self._spec, self._columns
        after = rows.current_row(instance, columns, using=self._using)
        log = ChangeLog(self._model, spec, using=self._using)
        if is_new:
            log.row("created", instance.pk, changes=rows.created(spec, columns, after))
            return
        if self._before is None:
            # It could not be read: at least it is known what is there now.
            log.row("updated", instance.pk, changes=rows.created(spec, columns, after), old_values="unread")
            return
        changes = rows.updated(spec, columns, before=self._before, after=after)
        if changes:
            log.row("updated", instance.pk, changes=changes)
            note_new_password(instance, changes, using=self._using)


def audited_save_table(original: Callable[..., bool]) -> Callable[..., bool]:
    """Return ``Model._save_table``, which writes one table of an object, with an audit around it.

    Every save passes there: fixtures and parents too, and before a signal tells others of it, who may save the object again.
    """

    @wraps(original)
    def _save_table(
        self: Model,
        raw: bool = False,  # noqa: FBT002
        cls: type[Model] | None = None,
        force_insert: bool = False,  # noqa: FBT002
        force_update: bool = False,  # noqa: FBT002
        using: str | None = None,
        update_fields: Collection[str] | None = None,
    ) -> bool:
        rest = (force_insert, force_update, using, update_fields)
        spec = registry.of(type(self))
        if spec is None or cls is None:
            return original(self, raw, cls, *rest)
        alias = using or self._state.db or "default"
        with one_transaction(alias):
            with audited():
                if _present(self) is None:
                    audit = SaveAudit(self, spec, using=alias, update_fields=update_fields)
                    self._state.__dict__[_STATE] = audit
                    if not force_insert and _may_exist(self, is_certain=raw or force_update):
                        audit.read()
            try:
                is_updated = original(self, raw, cls, *rest)
            except BaseException:
                self._state.__dict__.pop(_STATE, None)
                raise
            if cls is type(self)._meta.concrete_model:
                audit_of_all = self._state.__dict__.pop(_STATE, None)
                with audited():
                    if audit_of_all is not None:
                        audit_of_all.finish(is_new=not is_updated)
        return is_updated

    return _save_table


def _present(instance: Model) -> SaveAudit | None:
    audit: SaveAudit | None = instance._state.__dict__.get(_STATE)
    return audit


def _may_exist(instance: Model, *, is_certain: bool) -> bool:
    """Return whether Django tries an UPDATE first: the row may exist."""
    if has_no_key(instance):
        return False
    is_made_here = all(field.has_default() or field.has_db_default() for field in instance._meta.pk_fields)
    return is_certain or not (instance._state.adding and is_made_here)


def has_no_key(instance: Model) -> bool:
    """Return whether the primary key of an object, or a part of it, is not known yet."""
    key = instance.pk
    return None in key if isinstance(key, tuple) else key is None
