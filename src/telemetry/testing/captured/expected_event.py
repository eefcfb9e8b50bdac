"""Defines which event a test expects, and says in what another one differs from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

import msgspec

from telemetry.audit.accept.draft.adjuster import MAX_FIELD, MAX_USER_ID, Adjuster, plain_form
from telemetry.audit.accept.draft.full_event import ANONYMOUS
from telemetry.audit.accept.draft.json_exact import encode_exact
from telemetry.audit.accept.draft.moment import moment_text
from telemetry.audit.accept.draft.structured import changes_of, targets_of
from telemetry.format.value.event import ActorType, AuditEvent, Outcome

ABSENT = object()
"""What is found where an event has no such member: no JSON is equal to it."""


class EventMembers(TypedDict, total=False):
    """The members by which an event may be expected: those of ``log()``, and those that the library adds."""

    user_id: Any
    payload: Any
    session_id: Any
    actor_id: Any
    actor_type: ActorType | None
    tenant_id: Any
    entity: Any
    entity_id: Any
    targets: Any
    action: Any
    outcome: Outcome | None
    reason: Any
    changes: Any
    source: Any
    ip_address: Any
    user_agent: Any
    correlation_id: Any
    occurred_at: datetime | str | float | None
    idempotency_key: Any
    sensitive: bool | None
    metadata: Mapping[str, Any]
    adjusted: tuple[str, ...]
    catalog: Mapping[str, str] | None
    id: str
    producer: str
    sequence: int
    service_name: str
    environment: str
    version: str
    trace_id: str | None


class Difference(NamedTuple):
    """One member in which an event is not as expected.

    Attributes:
        place: Path of the member, such as ``payload.method``.
        expected: What was expected.
        found: What the event has.
    """

    place: str
    expected: Any
    found: Any


_KNOWN = EventMembers.__annotations__.keys()
_ABSENT_IF_EMPTY = frozenset(("targets", "changes", "adjusted"))
_TEXTS = frozenset(
    (
        *("session_id", "actor_id", "tenant_id", "entity", "entity_id", "action", "reason", "source", "ip_address"),
        *("user_agent", "correlation_id"),
    )
)


class ExpectedEvent:
    """An event type and members; None as the type is any type.

    Members are given as to ``log()``: an expected user 42 is the user ``"42"``. A mapping is expected to be contained in
    that of the event. Objects with an equality of their own, such as ``unittest.mock.ANY``, may be anywhere.

    Args:
        event_type: The type.
        members: The members, by name.

    Raises:
        TypeError: An event has no member of that name.

    Attributes:
        members: The members as an event has them, by name.
    """

    def __init__(self, event_type: str | None, members: Mapping[str, Any]) -> None:
        unknown = sorted(set(members) - _KNOWN)
        if unknown:
            message = (
                f"an event has no member {', '.join(unknown)}; give payload={{...}} or metadata={{...}} for its content"
            )
            raise TypeError(message)
        self.event_type = event_type
        self.members = {name: _as_logged(name, value) for name, value in members.items()}

    def __str__(self) -> str:
        with_members = ", ".join(f"{name}={value!r}" for name, value in self.members.items())
        what = f"event {self.event_type!r}" if self.event_type is not None else "event"
        return f"{what} with {with_members}" if with_members else what

    def differences(self, event: AuditEvent) -> list[Difference]:
        """Return in what an event is not as expected; nothing if it is."""
        found: list[Difference] = []
        if self.event_type is not None and event.event_type != self.event_type:
            found.append(Difference("event_type", self.event_type, event.event_type))
        for name, expected in self.members.items():
            found += _compared(name, expected, member_of(event, name))
        return found


def member_of(event: AuditEvent, name: str) -> Any:
    """Return a member of an event in plain values."""
    if name == "idempotency_key":
        return event.dedup.value if event.dedup is not None else None
    value = msgspec.to_builtins(getattr(event, name))
    if name in _ABSENT_IF_EMPTY:
        value = value or None
    return list(value) if isinstance(value, tuple) else value


def _as_logged(name: str, value: Any) -> Any:
    """Return an expected member in the form that it has in an event."""
    if value is None:
        return ANONYMOUS if name == "user_id" else None
    if name == "user_id" or name in _TEXTS:
        return _text(name, value)
    return _plain(_structured(name, value))


def _structured(name: str, value: Any) -> Any:
    if name == "occurred_at" and isinstance(value, datetime | str | int | float):
        return moment_text(value)
    if name == "targets" and isinstance(value, list | tuple):
        return msgspec.to_builtins(targets_of(value, Adjuster()))
    return changes_of(value) if name == "changes" and isinstance(value, Mapping) else value


def _text(name: str, value: Any) -> Any:
    limit = MAX_USER_ID if name == "user_id" else MAX_FIELD
    return value if plain_form(value) is None else Adjuster().text(name, value, limit)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    try:
        return msgspec.json.decode(encode_exact(value))
    except Exception:  # noqa: BLE001 - an object that is no JSON decides by its own equality
        return value


def _compared(place: str, expected: Any, found: Any) -> Iterator[Difference]:
    if not isinstance(expected, Mapping) or not isinstance(found, Mapping):
        # In this order, so that an object with an equality of its own is asked first.
        if not expected == found:  # noqa: SIM201 - such an object may not define the opposite
            yield Difference(place, expected, found)
        return
    for name, value in expected.items():
        below = f"{place}.{name}"
        if name in found:
            yield from _compared(below, value, found[name])
        else:
            yield Difference(below, value, ABSENT)
