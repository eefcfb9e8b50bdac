"""Finds what is required for the events of a type: what the catalogue says, tightened by the configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import TYPE_CHECKING

from telemetry.catalog.policy import Policy
from telemetry.config.event_policy import EventPolicyConfig

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog

_REMEMBERED = 4_096


class Policies:
    """The policies of a service.

    Args:
        catalog: The declared types, if there is a catalogue.
        tables: The configuration's tables.
    """

    def __init__(self, catalog: AuditCatalog | None, tables: Sequence[EventPolicyConfig]) -> None:
        self._catalog = catalog
        # A bracket is a character like any other in the name of a type.
        self._tables = [(re.compile(translate(table.type.replace("[", "[[]"))), table) for table in tables]
        self._known: dict[str, Policy | None] = {}

    def of(self, event_type: str) -> Policy | None:
        """Return the policy of a type; None where the call alone decides."""
        if type(event_type) is not str:
            if not isinstance(event_type, str):
                return None  # refused where the event is checked
            event_type = str.__str__(event_type)
        if event_type not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[event_type] = self._found(event_type)
        return self._known[event_type]

    def _found(self, event_type: str) -> Policy | None:
        declared = self._catalog.find(event_type) if self._catalog is not None else None
        matching = [table for pattern, table in self._tables if pattern.match(event_type)]
        if declared is None and not matching:
            return None
        policy = declared.policy if declared is not None else Policy()
        for table in matching:
            policy = policy.tightened(Policy(table.delivery, table.on_failure, table.block_seconds))
        return policy
