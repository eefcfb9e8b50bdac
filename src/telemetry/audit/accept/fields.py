"""Checks the arguments of ``log()`` other than the payload."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from telemetry.exceptions import EventError
from telemetry.format import canonical_base64
from telemetry.format.value.members import MAX_DEDUP, Dedup

MAX_EVENT_TYPE = 255
MAX_USER_ID = 1_024
MAX_FIELD = 4_096

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_NAMED = frozenset(
    (
        *("session_id", "actor_id", "entity", "entity_id", "action", "outcome", "source", "ip_address", "user_agent"),
        *("correlation_id", "sensitive"),
    )
)
_RESERVED = "telemetry."
"""Begin of the types by which the trail says who read it, and when logging began, stopped or was diverted."""
_OUTCOMES = frozenset(("success", "failure", "denied"))
_TEXT_MODULES = frozenset(("uuid", "uuid_utils", "ipaddress"))


class OwnEventType(str):
    """Type of an event that the library logs about itself, such as ``telemetry.read``; an application's text is never one."""

    __slots__ = ()


class OptionalFields(msgspec.Struct, omit_defaults=True):
    """The fields of an ``AuditEvent`` that most events do not have, in the order in which they are written."""

    session_id: str | None = None
    actor_id: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    source: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    correlation_id: str | None = None
    sensitive: bool | None = None
    metadata: dict[str, Any] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    trace_flags: int | None = None
    kafka_key: str | None = None
    clear_fields: list[str] | None = None
    dedup: Dedup | None = None


def require_unreserved(event_type: str) -> None:
    """Check that an event type does not look like one of the library's own.

    Raises:
        EventError: It begins with ``telemetry.``, in any case of letters.
    """
    if event_type.lower().startswith(_RESERVED):
        message = f"event_type begins with {_RESERVED!r}, as the library's own events do; choose another name"
        raise EventError(message)


def checked_fields(arguments: Mapping[str, Any]) -> OptionalFields:
    """Return the keyword arguments of ``log()`` as fields; those without a field of their own become metadata.

    Raises:
        EventError: An argument has the wrong type or value; the message names it, without its value.
    """
    fields, others = OptionalFields(), {}
    for name, value in arguments.items():
        if name not in _NAMED:
            others[name] = value
        elif value is not None:
            setattr(fields, name, _checked_field(name, value))
    metadata = others.get("metadata")
    # ``log(metadata={"a": 1}, b=2)`` and ``log(a=1, b=2)`` log the same event.
    if isinstance(metadata, Mapping):
        del others["metadata"]
        others = {**metadata, **others}
    if others:
        fields.metadata = others
    return fields


def dedup_of(value: Any, *, given: bytes, caller: Any = None) -> Dedup:
    """Return what makes calls of ``log()`` repeats of one call.

    Args:
        value: The same in each repeat.
        given: What the caller gave, as bytes that are the same in each repeat; only their digest is kept.
        caller: Whose value it is, if several callers may give the same one.

    Raises:
        EventError: Value or caller is not a text, is empty or too long, or has a control character.
    """
    return Dedup(
        value=plain_text("dedup", value, MAX_DEDUP),
        digest=canonical_base64.encode_url(hashlib.sha256(given).digest()).decode(),
        caller=None if caller is None else plain_text("caller", caller, MAX_DEDUP),
    )


def plain_text(name: str, value: Any, limit: int) -> str:
    """Return a text that is checked, and of the type ``str`` itself.

    Args:
        name: The argument, for the error.
        value: The text.
        limit: Largest number of characters.

    Raises:
        EventError: The value is not a text, is empty or too long, or has a control character or a lone surrogate.
    """
    if type(value) is not str and not isinstance(value, str):
        message = f"{name} must be a text, not of type {type(value).__name__}"
        raise EventError(message)
    if not 0 < len(value) <= limit or value.isspace():
        reason = f"has {len(value)} characters; the limit is {limit}" if len(value) > limit else "is empty"
        message = f"{name} {reason}"
        raise EventError(message)
    # Nearly every text is printable, and the question is cheap: only the others are searched.
    if not value.isprintable() and _CONTROL.search(value):
        message = f"{name} contains a control character or a lone surrogate"
        raise EventError(message)
    # An enum's member is a text that the encoders and ``str()`` write differently.
    return value if type(value) is str else str.__str__(value)


def _checked_field(name: str, value: Any) -> Any:
    if name == "sensitive":
        if not isinstance(value, bool):
            message = f"sensitive must be True or False, not of type {type(value).__name__}"
            raise EventError(message)
        return value
    text = plain_text(name, value if isinstance(value, str) else _as_text(name, value), MAX_FIELD)
    if name == "outcome" and text not in _OUTCOMES:
        message = 'outcome must be "success", "failure" or "denied"'
        raise EventError(message)
    return text


def _as_text(name: str, value: Any) -> str:
    """Return the text of a value that has only one: a number, or an object such as ``UUID`` or ``IPv4Address``."""
    if type(value).__module__ in _TEXT_MODULES or type(value) is int:
        return str(value)
    message = f"{name} must be a text, not of type {type(value).__name__}"
    raise EventError(message)
