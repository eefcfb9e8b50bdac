"""Derives what an event did from its ``action``, or else from its type, where the name says so for certain.

A word in the middle of a name says nothing: ``UpdateLoginProfile`` is no login, ``ip_allow_list.disable`` lists nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from telemetry.format.value.event import AuditEvent

_SEGMENT_END = re.compile(r"[.:/]")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[A-Z]")
_IMPERATIVES = MappingProxyType(
    {
        "create": "create",
        "read": "read",
        "get": "read",
        "describe": "read",
        "list": "read",
        "update": "update",
        "modify": "update",
        "edit": "update",
        "delete": "delete",
        "destroy": "delete",
    }
)
"""Words that begin a name such as ``CreateUser``, or are the whole of its last segment."""
_WHOLE = MappingProxyType(
    {
        "insert": "create",
        "patch": "update",
        "enable": "enable",
        "disable": "disable",
        "start": "start",
        "stop": "stop",
        "restore": "restore",
        "backup": "backup",
        "deploy": "deploy",
        "undeploy": "undeploy",
        "revoke": "revoke",
        "renew": "renew",
    }
)
"""Words that are verbs only as the whole of a last segment; CADF has a word for most of them, OCSF for none."""
_PARTICIPLES = MappingProxyType(
    {
        "created": "create",
        "viewed": "read",
        "updated": "update",
        "modified": "update",
        "edited": "update",
        "deleted": "delete",
        "destroyed": "delete",
    }
)
"""Words that end a name such as ``order_updated``, or are the whole of its last segment."""
_FORMS = MappingProxyType(
    {
        **_IMPERATIVES,
        **_WHOLE,
        **_PARTICIPLES,
        **{word: word.removesuffix("d") for word in ("enabled", "disabled", "restored", "revoked")},
        "started": "start",
        "stopped": "stop",
        "deployed": "deploy",
        "undeployed": "undeploy",
        "renewed": "renew",
    }
)
_NEGATIONS = frozenset(("not", "no", "non", "never", "un", "failed", "failure", "denied", "without"))
_NOUN_ENDS = frozenset(("request", "requests", "only", "access", "date", "time"))
"""After a first word alone they make a noun of it: ``delete_request``, ``read_only``, ``update_time``."""
_PAIR = 2


def verb_of(event: AuditEvent) -> str | None:
    """Return what the event did: ``create``, ``read``, ``update``, ``delete``, or a further verb of CADF's actions.

    Signing in and out is never derived from a name; rules say it (:mod:`telemetry.reader.mappings.rules`).

    Returns:
        The verb, or None if the name does not say it for certain.
    """
    return (event.action and _verb_in(event.action)) or _verb_in(event.event_type)


@lru_cache(maxsize=4_096)
def _verb_in(name: str) -> str | None:
    words = [word.lower() for word in _WORD.findall(_SEGMENT_END.split(name)[-1])]
    if not words or _NEGATIONS.intersection(words):
        return None
    if len(words) == 1:
        return _FORMS.get(words[0])
    first, last = words[0], words[-1]
    if last in _PARTICIPLES:
        return _PARTICIPLES[last]
    # "ListItemMoved" and "DeleteRequestApproved" are about what their last word says.
    if last.endswith("ed") or (len(words) == _PAIR and last in _NOUN_ENDS):
        return None
    return _IMPERATIVES.get(first)
