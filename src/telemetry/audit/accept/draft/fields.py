"""Checks the arguments of ``log()`` other than event type and payload, and writes them as JSON."""

from __future__ import annotations

import difflib
import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from telemetry.audit.accept.draft.adjusted import is_fit
from telemetry.audit.accept.draft.adjuster import Adjuster
from telemetry.audit.accept.draft.readable import cut_json
from telemetry.audit.accept.draft.structured import changes_of, moment_as_given, occurred_at_of, targets_of
from telemetry.exceptions import EventError
from telemetry.format import canonical_base64
from telemetry.format.value.event import ActorType, Outcome
from telemetry.format.value.features import MEMBERS
from telemetry.format.value.members import MAX_DEDUP, Dedup, Target

logger = logging.getLogger("telemetry.audit")

MAX_EVENT_TYPE = 255

TEXTS = (
    *("session_id", "actor_id", "entity", "entity_id", "action", "source", "ip_address", "user_agent"),
    *("correlation_id", "tenant_id", "reason"),
)
"""The arguments of ``log()`` that are texts."""

_TEXT_NAMES = frozenset(TEXTS)
_CHOICES = {"outcome": get_args(Outcome), "actor_type": get_args(ActorType)}
NAMED = frozenset(
    (*TEXTS, *_CHOICES, "sensitive", "occurred_at", "targets", "changes", "adjusted", "scrub", "idempotency_key")
)
"""The named keyword arguments of ``log()``; any other becomes metadata."""

_ADJUSTABLE = frozenset((*TEXTS, "payload", "metadata", "changes", "targets", "user_id"))
_NO_MEMBERS = (None,) * 9
RESERVED = "telemetry."
"""Begin of the types by which the trail says who read it, and when logging began, stopped or was diverted."""
_CLOSE = 0.8
_MAX_SEEN_NAMES = 1_024

_seen_names: set[str] = set()
_warned_names: set[str] = set()


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
    metadata: msgspec.Raw | None = None
    trace_id: str | None = None
    span_id: str | None = None
    trace_flags: int | None = None
    kafka_key: str | None = None
    clear_fields: list[str] | None = None
    dedup: Dedup | None = None
    occurred_at: str | None = None
    actor_type: str | None = None
    tenant_id: str | None = None
    targets: list[Target] | None = None
    reason: str | None = None
    changes: msgspec.Raw | None = None
    adjusted: list[str] | None = None
    catalog: msgspec.Raw | None = None

    def features(self) -> tuple[str, ...]:
        """Return the features that the event uses."""
        members = (
            *(self.dedup, self.occurred_at, self.actor_type, self.tenant_id, self.targets, self.reason, self.changes),
            *(self.adjusted, self.catalog),
        )
        if members == _NO_MEMBERS:
            return ()
        return tuple(feature for feature, member in MEMBERS.items() if getattr(self, member, None))


def require_unreserved(event_type: str) -> None:
    """Check that an event type does not look like one of the library's own.

    Raises:
        EventError: It begins with ``telemetry.``, in any case of letters.
    """
    if event_type.lower().startswith(RESERVED):
        message = f"event_type begins with {RESERVED!r}, as the library's own events do; choose another name"
        raise EventError(message)


def checked_event_type(value: Any) -> str:
    """Return an event type that is checked, and of the type ``str`` itself.

    Raises:
        EventError: It is not a text, is empty or too long, or has a control character or a lone surrogate.
    """
    if not isinstance(value, str):
        message = f"event_type must be a text, not of type {type(value).__name__}"
        raise EventError(message)
    text = str.__str__(value)
    if len(text) > MAX_EVENT_TYPE:
        message = f"event_type has {len(text)} characters; the limit is {MAX_EVENT_TYPE}"
        raise EventError(message)
    if not text or text.isspace():
        message = "event_type is empty"
        raise EventError(message)
    if not is_fit(text, MAX_EVENT_TYPE):
        message = "event_type contains a control character or a lone surrogate, or ends like an adjusted text"
        raise EventError(message)
    return text


def checked_fields(arguments: Mapping[str, Any], adjuster: Adjuster) -> OptionalFields:
    """Return the keyword arguments of ``log()`` as fields; those without a field of their own become metadata.

    Args:
        arguments: The arguments; one that is None counts as not given.
        adjuster: Makes them fit.

    Raises:
        EventError: An argument has the wrong type or value; the message names it, without its value.
    """
    fields, others = OptionalFields(), {}
    for name, value in arguments.items():
        if name in _TEXT_NAMES:
            if value is not None:
                setattr(fields, name, adjuster.text(name, value))
        elif name not in NAMED:
            others[name] = value
        elif value is not None:
            _set_checked(fields, name, value, adjuster)
    if "occurred_at" in adjuster.adjusted:
        others["occurred_at"] = moment_as_given(arguments["occurred_at"])
    if others:
        fields.metadata = msgspec.Raw(adjuster.json("metadata", _metadata(others)))
    return fields


def dedup_of(value: Any, *, given: bytes, adjuster: Adjuster, caller: str | None = None) -> Dedup:
    """Return what makes calls of ``log()`` repeats of one call.

    Args:
        value: The same in each repeat.
        given: What the caller gave, as bytes that are the same in each repeat; only their digest is kept.
        adjuster: Makes the value fit.
        caller: Whose value it is, if several callers may give the same one.

    Raises:
        EventError: The value has no plain text form.
    """
    return Dedup(
        value=adjuster.text("idempotency_key", value, MAX_DEDUP),
        digest=canonical_base64.encode_url(hashlib.sha256(given).digest()).decode(),
        caller=None if caller is None else adjuster.text("idempotency_key", caller, MAX_DEDUP),
    )


def shorten(fields: OptionalFields, adjuster: Adjuster) -> None:
    """Have a beginning, the size and the digest stand for what may have any size."""
    if fields.metadata is not None:
        fields.metadata = msgspec.Raw(msgspec.json.encode(cut_json(bytes(fields.metadata))))
        adjuster.adjusted.add("metadata")
    if fields.changes is not None:
        fields.changes = msgspec.Raw(msgspec.json.encode({"*": {"new": cut_json(bytes(fields.changes))}}))
        adjuster.adjusted.add("changes")
    if fields.targets:
        fields.targets = fields.targets[:1]
        adjuster.adjusted.add("targets")


def _set_checked(fields: OptionalFields, name: str, value: Any, adjuster: Adjuster) -> None:
    try:
        _set(fields, name, value, adjuster)
    except EventError:
        raise
    except Exception:  # noqa: BLE001 - a value's own code may raise anything, and may quote the value: not chained
        message = f"{name} cannot be read: code of the value itself failed"
        raise EventError(message) from None


def _set(fields: OptionalFields, name: str, value: Any, adjuster: Adjuster) -> None:
    match name:
        case "outcome" | "actor_type":
            setattr(fields, name, _choice(name, value))
        case "sensitive":
            fields.sensitive = _flag(value)
        case "occurred_at":
            fields.occurred_at = occurred_at_of(value)
            if fields.occurred_at is None:
                adjuster.adjusted.add(name)
        case "targets":
            fields.targets = targets_of(value, adjuster)
        case "changes":
            changes = changes_of(value)
            fields.changes = msgspec.Raw(adjuster.json(name, changes)) if changes else None
        case "adjusted":
            adjuster.adjusted |= _members(value)
        case _:
            pass  # "scrub" is no member; the digest of an idempotency key covers everything else, so it is written last


def _choice(name: str, value: Any) -> str:
    allowed = _CHOICES[name]
    if type(value) is not str or value not in allowed:
        value = str.__str__(value) if isinstance(value, str) else None
    if value not in allowed:
        message = f"{name} must be one of {', '.join(map(repr, allowed))}"
        raise EventError(message)
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        message = f"sensitive must be True or False, not of type {type(value).__name__}"
        raise EventError(message)
    return value


def _members(value: Any) -> set[str]:
    """Return the names of members that the caller itself has changed."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        message = "adjusted must be a list of names of members"
        raise EventError(message)
    names = set(value)
    if not names <= _ADJUSTABLE:
        message = f"adjusted may name {', '.join(sorted(_ADJUSTABLE))}"
        raise EventError(message)
    return names


def _metadata(others: dict[str, Any]) -> dict[str, Any]:
    metadata = others.get("metadata")
    # ``log(metadata={"a": 1}, b=2)`` and ``log(a=1, b=2)`` log the same event.
    if isinstance(metadata, Mapping):
        del others["metadata"]
        others |= {name: value for name, value in metadata.items() if name not in others}
    for name in others:
        if name not in _seen_names and len(_seen_names) < _MAX_SEEN_NAMES:
            _warn_of_near_miss(name)
    return others


def _warn_of_near_miss(name: Any) -> None:
    """Warn once that a keyword became metadata although it is nearly the name of a field."""
    if not isinstance(name, str):
        return
    _seen_names.add(name)
    for known in difflib.get_close_matches(name, NAMED, n=1, cutoff=_CLOSE):
        if known not in _warned_names:
            _warned_names.add(known)
            logger.warning(
                "a keyword argument of log() that is nearly %r became metadata; correct its spelling if that field was meant",
                known,
            )
