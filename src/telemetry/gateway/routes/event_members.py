"""Defines the members of an event in the gateway's own JSON: the arguments of ``log()``, each with its JSON Schema."""

from __future__ import annotations

import difflib
import re
from types import MappingProxyType
from typing import Any, get_args

from telemetry.audit.accept.draft.adjuster import MAX_USER_ID
from telemetry.audit.accept.draft.fields import MAX_EVENT_TYPE, TEXTS
from telemetry.exceptions import EventError
from telemetry.format.value.event import ActorType, Outcome
from telemetry.format.value.members import MAX_DEDUP
from telemetry.gateway.submission.event_call import EventCall

_TEXT = {"type": ["string", "integer", "null"]}
_VALUE: dict[str, Any] = {}

MEMBERS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "event_type": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_EVENT_TYPE,
            "description": "What happened, such as order.refunded.",
        },
        "user_id": {
            "type": ["string", "integer", "null"],
            "description": f"The user whose event it is, {MAX_USER_ID} characters at most; null if nobody is known.",
        },
        "payload": {"description": "Any JSON value; null if it is not given."},
        "id": {
            "type": ["string", "integer", "null"],
            "description": "The same in each repeat of this event: readers show repeats once. Another name of "
            "idempotency_key; with the header Idempotency-Key it is kept in the metadata.",
        },
        "idempotency_key": {
            "type": ["string", "integer", "null"],
            "description": f"The same in each repeat of this event, {MAX_DEDUP} characters at most.",
        },
        "occurred_at": {
            "type": ["string", "number", "null"],
            "description": "When it happened, if not now: RFC 3339 with a zone, or a number since 1970.",
        },
        **dict.fromkeys(TEXTS, _TEXT),
        "outcome": {"enum": [*get_args(Outcome), None]},
        "actor_type": {"enum": [*get_args(ActorType), None]},
        "sensitive": {"type": ["boolean", "null"]},
        "scrub": {"type": ["boolean", "null"]},
        "targets": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "required": ["entity"],
                "properties": {"entity": _TEXT, "entity_id": _TEXT},
                "additionalProperties": False,
            },
            "description": "Several things acted upon.",
        },
        "changes": {
            "type": ["object", "null"],
            "additionalProperties": {
                "type": "object",
                "minProperties": 1,
                "properties": {"old": _VALUE, "new": _VALUE},
                "additionalProperties": False,
            },
            "description": "What changed, by name of the attribute.",
        },
        "adjusted": {
            "type": ["array", "null"],
            "items": {"enum": sorted((*TEXTS, "payload", "metadata", "changes", "targets", "user_id"))},
            "description": "Names of members of which the caller itself has replaced or cut something.",
        },
        "metadata": {"type": ["object", "null"], "description": "Whatever else is to be kept, by name."},
        "unfit": {"enum": ["refuse", "repr", None], "description": "What happens to an event that is too large."},
    }
)
"""The members, as OpenAPI describes them; any other is refused."""

REQUIRED = ("event_type", "user_id")
"""What every event has."""

_NAMES = frozenset(MEMBERS)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", re.ASCII)
_CLOSE = 0.75


def call_of(members: Any, key: str | None) -> EventCall:
    """Return the arguments of ``log()`` for an event.

    Args:
        members: The decoded event.
        key: Idempotency key that the request gives it; None if it gives none.

    Raises:
        EventError: It is no object, lacks a member, or has one that is not known.
    """
    if type(members) is not dict:
        message = "the event is no JSON object; send one with event_type and user_id"
        raise EventError(message)
    if not _NAMES.issuperset(members):
        raise EventError(_unknown(members))
    # The members become the fields: most events have few others, and each copy costs as much as sealing.
    fields = members
    try:
        event_type, user_id = fields.pop("event_type"), fields.pop("user_id")
    except KeyError as exc:
        message = (
            f"the event has no {exc.args[0]}; event_type and user_id are needed, and a user of null is nobody known"
        )
        raise EventError(message) from None
    payload = fields.pop("payload", None)
    if "metadata" in fields and type(fields["metadata"]) is not dict:
        _drop_null(fields, "metadata")
    if "unfit" in fields and fields["unfit"] not in ("refuse", "repr"):
        _drop_null(fields, "unfit")
    if key is not None or "id" in fields:
        _set_key(fields, key)
    return EventCall(event_type, payload, user_id, fields)


def _set_key(fields: dict[str, Any], key: str | None) -> None:
    """Have the key of the request, or the event's own id, be the idempotency key; keep an id that is not."""
    own = fields.pop("id", None)
    named = fields.get("idempotency_key")
    if named is None:
        fields["idempotency_key"] = own if key is None else key
    if own is not None and fields["idempotency_key"] is not own:
        fields["metadata"] = {"id": own} | (fields.get("metadata") or {})


def _drop_null(fields: dict[str, Any], name: str) -> None:
    if fields.pop(name) is not None:
        schema = MEMBERS[name]
        kinds = "an object" if "type" in schema else '"refuse" or "repr"'
        message = f"the event's {name} must be {kinds}"
        raise EventError(message)


def _unknown(members: dict[str, Any]) -> str:
    """Say which member is not known: its name only where it looks like a name of a program, not like data."""
    name = next(name for name in members if name not in _NAMES)
    if name == "wait_for":
        return "the event has the member wait_for; what to wait for is said by the header Prefer: wait=durable"
    near = difflib.get_close_matches(name[:64], _NAMES, n=1, cutoff=_CLOSE)
    hint = f"write {near[0]}" if near else "put it into payload or metadata"
    shown = repr(name) if _PLAIN_NAME.fullmatch(name) else "whose name is not shown"
    return f"the event has a member {shown} that is not known; {hint}"
