"""Maps a log record to the arguments of ``log()``, by the semantic conventions of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_args

from telemetry.format.value.event import ActorType, Outcome
from telemetry.gateway.otlp.log_record import LogRecord, Value

EVENT_NAME: Final = "event.name"
"""The attribute with the name of an event, from before log records had a field for it."""

OWN_PREFIX: Final = "audit."
"""Begin of the attributes that are arguments of ``log()``, such as ``audit.entity``."""

CONVENTIONS: Final[dict[str, tuple[str, ...]]] = {
    "user_id": ("enduser.id", "user.id", "user.name"),
    "session_id": ("session.id",),
    "ip_address": ("client.address", "source.address"),
    "user_agent": ("user_agent.original",),
}
"""Which attributes of the semantic conventions are which argument; the first that is given is it."""

TEXTS: Final = (
    *("user_id", "actor_id", "tenant_id", "session_id", "entity", "entity_id", "action", "reason", "source"),
    *("ip_address", "user_agent", "correlation_id"),
)
"""Arguments that are a text or an integer."""

_CHOICES: Final = {"outcome": frozenset(get_args(Outcome)), "actor_type": frozenset(get_args(ActorType))}
_NANOSECONDS: Final = 1_000_000_000
_PAIR: Final = 2


class MappedRecord(NamedTuple):
    """A log record as arguments of ``log()``, without the idempotency key.

    Attributes:
        event_type: The name of the event.
        user_id: Its user; None if none is named.
        payload: Members of the body, and the attributes that are nothing else.
        fields: The other arguments.
    """

    event_type: str
    user_id: str | int | None
    payload: dict[str, Value]
    fields: dict[str, Any]


def event_name(record: LogRecord, *, further: tuple[str, ...] = ()) -> str:
    """Return the name of the event that a record is; empty if it is none.

    Args:
        record: The record.
        further: Attributes that may hold the name, after the field and ``event.name``.
    """
    if record.event_name:
        return record.event_name
    for name in (EVENT_NAME, *further):
        value = record.attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def mapped(record: LogRecord, name: str) -> MappedRecord:
    """Return the arguments of ``log()`` for a record.

    Args:
        record: The record.
        name: Its event name.
    """
    left = dict(record.attributes)
    if left.get(EVENT_NAME) == name:
        del left[EVENT_NAME]
    fields = _taken(left)
    user_id = fields.pop("user_id", None)
    fields.setdefault("source", record.origin.scope.get("name"))
    time = record.time or record.observed
    if time:
        fields["occurred_at"] = _moment(time)
    payload = _payload(record.body)
    doubled = {key: left.pop(key) for key in payload.keys() & left.keys()}
    return MappedRecord(name, user_id, {**payload, **left}, {**fields, "metadata": _metadata(record, doubled)})


def _taken(attributes: dict[str, Value]) -> dict[str, Any]:
    """Take the attributes that are arguments of ``log()`` out of the others, and return them by their arguments."""
    chosen: dict[str, tuple[int, str]] = {}
    for name in filter(_ARGUMENTS.__contains__, attributes):
        argument, rank = _ARGUMENTS[name]
        is_fit = SHAPES.get(argument, _is_text)
        if is_fit(attributes[name]) and (argument not in chosen or rank < chosen[argument][0]):
            chosen[argument] = rank, name
    return {argument: attributes.pop(name) for argument, (_, name) in chosen.items()}


def _payload(body: Value) -> dict[str, Value]:
    if body is None:
        return {}
    return dict(body) if isinstance(body, dict) else {"body": body}


def _metadata(record: LogRecord, doubled: dict[str, Value]) -> dict[str, Value]:
    described = {
        "severity_number": record.severity,
        "severity_text": record.severity_text,
        "observed_at": _moment(record.observed) if record.observed else None,
        "dropped_attributes": record.dropped,
        "attributes": doubled,
        "scope": record.origin.scope,
        "resource": record.origin.resource,
    }
    # Under one name: some of these are nearly arguments of log(), and would be warned about as misspelt.
    return {"otel": {name: value for name, value in described.items() if value}}


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}.{rest:09}Z"


def _is_text(value: Value) -> bool:
    return (isinstance(value, str) and value != "") or type(value) is int


def _is_choice(argument: str) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, str) and value in _CHOICES[argument]


def _are_changes(value: Value) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(sides, dict) and bool(sides) and sides.keys() <= {"old", "new"} for sides in value.values())
    )


def _are_targets(value: Value) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == _PAIR and all(isinstance(part, str) and part for part in pair)
        for pair in value
    )


SHAPES: Final[dict[str, Callable[[Value], bool]]] = {
    "outcome": _is_choice("outcome"),
    "actor_type": _is_choice("actor_type"),
    "sensitive": lambda value: isinstance(value, bool),
    "changes": _are_changes,
    "targets": _are_targets,
}
"""Arguments of another form, and what tells whether a value has it."""

_ARGUMENTS: Final[dict[str, tuple[str, int]]] = {
    name: (argument, rank)
    for argument in (*TEXTS, *SHAPES)
    for rank, name in enumerate((OWN_PREFIX + argument, *CONVENTIONS.get(argument, ())))
}
"""Of each attribute that may be an argument: which one, and its place among those that may."""
