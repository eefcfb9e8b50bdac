"""Makes the events of changed rows, one for each row or one for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model

from telemetry.integrations.django.changes.delivery import log_change
from telemetry.integrations.django.changes.spec import ModelSpec
from telemetry.integrations.django.changes.values import shown_id

_ACTIONS = {"created": "create", "updated": "update", "deleted": "delete"}


class ChangeLog:
    """Logs what happened to rows of one model.

    Args:
        model: The model.
        spec: How it is audited.
        using: Alias of the database.
    """

    def __init__(self, model: type[Model], spec: ModelSpec, *, using: str) -> None:
        self._using = using
        self._entity = spec.entity_of(model)
        self._table = model._meta.db_table

    def row(self, verb: str, key: Any, *, changes: Mapping[str, Any], **payload: Any) -> None:
        """Log a change of one row.

        Args:
            verb: ``created``, ``updated`` or ``deleted``.
            key: Its primary key; None if the database did not say.
            changes: Old and new values by the name of the attribute.
            **payload: What else is to be known.
        """
        entity_id = None if key is None else shown_id(key)
        self._log(verb, verb, payload, entity_id=entity_id, changes=changes)

    def bulk(self, verb: str, *, rows: int | None, criteria: Sequence[str] = (), **payload: Any) -> None:
        """Log one event for many rows.

        Args:
            verb: ``created``, ``updated`` or ``deleted``.
            rows: How many there were; None if the database did not say.
            criteria: Names of the fields by which they were chosen.
            **payload: What else is to be known.
        """
        if criteria:
            payload["criteria"] = list(criteria)
        self._log(f"bulk_{verb}", verb, {"rows": rows, **payload})

    def _log(self, name: str, verb: str, payload: dict[str, Any], **fields: Any) -> None:
        if self._using != "default":
            payload["database"] = self._using
        fields |= {"entity": self._entity, "action": _ACTIONS[verb], "outcome": "success"}
        log_change(f"{self._entity}.{name}", {"table": self._table, **payload}, using=self._using, **fields)
