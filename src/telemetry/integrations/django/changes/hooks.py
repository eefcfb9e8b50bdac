"""Puts the audit around the few methods of Django through which every write of the ORM passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector
from django.db.models.sql import UpdateQuery

from telemetry.integrations.django.changes import bulk, deletes, saves

_MARK = "_is_audited_by_telemetry"

_HOOKS: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
    (Model, "_save_table", saves.audited_save_table),
    (Collector, "delete", deletes.audited_collector_delete),
    (QuerySet, "_raw_delete", deletes.audited_raw_delete),
    (QuerySet, "update", bulk.audited_update),
    (QuerySet, "bulk_update", bulk.audited_bulk_update),
    (QuerySet, "bulk_create", bulk.audited_bulk_create),
    (UpdateQuery, "update_batch", bulk.audited_update_batch),
)


def install_hooks() -> None:
    """Replace each method by itself with an audit around it; once, however often this is called.

    Managers call the methods of their querysets, and subclasses of ``QuerySet`` those of their parent: all of them are audited.
    """
    for owner, name, with_audit in _HOOKS:
        original = getattr(owner, name)
        if not hasattr(original, _MARK):
            audited = with_audit(original)
            # `wraps` has copied what Django says about the method, such as alters_data.
            setattr(audited, _MARK, True)
            setattr(owner, name, audited)
