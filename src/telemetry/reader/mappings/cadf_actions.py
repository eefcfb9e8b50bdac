"""Names the action of an event in the taxonomy of CADF (DMTF DSP0262 1.0.0, annex A.1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from telemetry.format.value.event import AuditEvent
from telemetry.reader.mappings.rules import RuleBook
from telemetry.reader.mappings.verbs import verb_of

UNKNOWN = "unknown"

_ACTIONS: Mapping[int, Mapping[int, str]] = MappingProxyType(
    {
        3001: {1: "create", 2: "enable", 5: "disable", 6: "delete", **dict.fromkeys((3, 4, 7, 8, 9, 10, 11), "update")},
        # The taxonomy has no closer word for signing out.
        3002: {1: "authenticate/login", **dict.fromkeys((2, 3, 4, 5, 6), "authenticate")},
        3003: dict.fromkeys((1, 2), "update"),
        3004: {
            1: "create",
            2: "read",
            3: "update",
            4: "delete",
            8: "enable",
            9: "disable",
            10: "enable",
            11: "disable",
            **dict.fromkeys((5, 6, 7, 12, 13), "update"),
        },
        3005: dict.fromkeys((1, 2), "update"),
        3006: {5: "delete", 6: "create", **dict.fromkeys((1, 2, 3, 4), "update")},
        6001: {1: "create", 2: "read", 3: "update", 4: "delete", 5: "read", 7: "read"},
        6002: {1: "deploy", 2: "undeploy", 3: "start", 4: "stop", 6: "enable", 7: "disable", 8: "update"},
        6003: {1: "create", 2: "read", 3: "update", 4: "delete"},
        6005: {1: "read", 2: "update", 4: "read", 5: "update", 6: "create", 7: "delete", 8: "read/list"},
        6006: {2: "read", 3: "update", 4: "delete", 5: "update", 8: "restore", 9: "read", 14: "read"},
    }
)
"""Actions by OCSF class and activity."""


def action_of(event: AuditEvent, book: RuleBook) -> str:
    """Return the action: what a rule says, else what the name says, else ``unknown``."""
    rule = book.find(event)
    by_rule = _ACTIONS.get(rule.class_uid, {}).get(rule.activity_id) if rule else None
    return by_rule or verb_of(event) or UNKNOWN
