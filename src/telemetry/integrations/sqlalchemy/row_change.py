"""Defines one event about rows, as it waits for the commit of its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["create", "update", "delete", "upsert"]

_PAST = {"create": "created", "update": "updated", "delete": "deleted", "upsert": "upserted"}


@dataclass(frozen=True)
class RowChange:
    """What happened to a row, or to many at once.

    Attributes:
        action: What was done.
        entity: Kind of the row.
        table: Its table.
        who: The audit context at that moment.
        entity_id: Its primary key; None if it is unknown, or there are many rows.
        changes: Old and new values by attribute.
        payload: More about it; ``rows`` is there if there may be several.
    """

    action: Action
    entity: str
    table: str
    who: Mapping[str, Any]
    entity_id: Any = None
    changes: Mapping[str, Mapping[str, Any]] | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the other arguments of ``log()``: fields, and ``user_id`` if the audit context had one."""
        return {
            **self.who,
            "entity": self.entity,
            "entity_id": self.entity_id,
            "action": self.action,
            "outcome": "success",
            "changes": self.changes or None,
        }

    @property
    def event_type(self) -> str:
        """Such as ``order.updated``, or ``order.bulk_updated``."""
        bulk = "bulk_" if "rows" in self.payload else ""
        return f"{self.entity}.{bulk}{_PAST[self.action]}"
