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
_NOT_DONE = frozenset(
    (
        *(
            "not",
            "no",
            "non",
            "never",
            "un",
            "without",
            "cannot",
            "would",
            "will",
            "should",
            "could",
            "can",
            "may",
            "to",
            "if",
        ),
        *("failed", "failure", "fail", "error", "errors", "denied", "deny", "refused", "refuse", "rejected", "reject"),
        *("cancel", "cancelled", "canceled", "abort", "aborted", "skip", "skipped", "blocked", "block", "prevented"),
        *("undo", "undone", "rollback", "rolled", "reverted", "revert", "conflict", "timeout", "retry"),
        *("pending", "planned", "scheduled", "schedule", "requested", "attempt", "attempts", "attempted", "try"),
        *("preview", "dry", "simulate", "simulated", "simulation", "test", "about", "already", "partially"),
    )
)
"""Words that say that it was not done, or not yet, wherever they are in a name."""
_ATTRIBUTE_BEGINS = frozenset(("last", "date", "time", "recently", "is", "was", "when", "number", "count"))
"""``last_modified``, ``date_created`` and the like name an attribute, and no act."""
_NOUN_ENDS = frozenset(
    (
        *("request", "requests", "only", "access", "date", "time", "times", "button", "dialog", "form", "page", "link"),
        *(
            "mode",
            "lock",
            "marker",
            "permission",
            "permissions",
            "right",
            "rights",
            "available",
            "required",
            "confirmation",
        ),
        *("check", "notification", "notifications", "receipt", "receipts", "replica", "replicas", "price", "prices"),
        *("distance", "count", "rate", "limit", "ahead", "through", "model", "lost", "queue", "log", "history"),
    )
)
"""After a first word alone they make a noun of it: ``delete_request``, ``read_only``, ``update_available``."""
_ADJECTIVES = frozenset(("read", "list", "update", "edit"))
"""Words that are also nouns or adjectives: after another verb they are a part of the thing, as in ``CreateReadReplica``."""
_PAIR = 2


def verb_of(event: AuditEvent) -> str | None:
    """Return what the event did: ``create``, ``read``, ``update``, ``delete``, or a further verb of CADF's actions.

    Signing in and out is never derived from a name; rules say it (:mod:`telemetry.reader.mappings.rules`).

    Returns:
        The verb, or None if the name does not say it for certain.
    """
    if event.action and _NOT_DONE.intersection(_words(event.action)):
        return None
    return (event.action and _verb_in(event.action)) or _verb_in(event.event_type)


@lru_cache(maxsize=4_096)
def _verb_in(name: str) -> str | None:
    words = _words(_SEGMENT_END.split(name)[-1])
    if not words or _NOT_DONE.intersection(_words(name)):
        return None
    if len(words) == 1:
        return _FORMS.get(words[0])
    first, last = words[0], words[-1]
    verb = _IMPERATIVES.get(first)
    if last in _PARTICIPLES:
        # "list_deleted" lists what was deleted, and "date_created" is a date.
        is_certain = first not in _ATTRIBUTE_BEGINS and verb in (None, _PARTICIPLES[last])
        return _PARTICIPLES[last] if is_certain else None
    # "ListItemMoved" and "DeleteRequestApproved" are about what their last word says.
    if verb is None or last.endswith("ed") or (len(words) == _PAIR and last in _NOUN_ENDS):
        return None
    return verb if _is_alone(first, words[1:]) else None


def _is_alone(first: str, rest: list[str]) -> bool:
    """Return whether no other verb follows the first: ``get_or_create``, ``read_write`` and ``GetAndDelete`` do both."""
    if first in _ADJECTIVES and "write" in rest:
        return False
    others = {word for word in rest if word in _IMPERATIVES or word in ("and", "or")}
    return not others or (first not in _ADJECTIVES and others <= _ADJECTIVES)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
