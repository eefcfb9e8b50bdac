"""Converts opened events to documents of the Elastic Common Schema (ECS 8.17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, NamedTuple

from telemetry.format.value.event import AuditEvent
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings.event import place_of
from telemetry.reader.mappings.own_events import is_about_itself
from telemetry.reader.mappings.rules import Rule, RuleBook
from telemetry.reader.mappings.table import Column, Schema, present, worth
from telemetry.reader.mappings.verbs import verb_of

VERSION = "8.17.0"

_OUTCOMES = {"success": "success", "failure": "failure", "denied": "failure"}
_OTHER = 99
"""Activity of OCSF that has no name there."""


class _Kind(NamedTuple):
    """A category of ECS, with the types that an event of it may have."""

    category: str | None
    types: tuple[str, ...]


_API = "api"
_VERBS: Mapping[str, str] = MappingProxyType(
    {"create": "creation", "read": "access", "update": "change", "delete": "deletion", "start": "start", "stop": "end"}
)
_ITSELF = _Kind(None, ("info",))
_CHANGES: Mapping[int, str] = MappingProxyType({1: "creation", 2: "access", 3: "change", 4: "deletion"})
_KINDS: Mapping[int, Mapping[int, _Kind]] = MappingProxyType(
    {
        3001: {
            1: _Kind("iam", ("user", "creation")),
            6: _Kind("iam", ("user", "deletion")),
            _OTHER: _Kind("iam", ("user", "change")),
        },
        3002: {
            1: _Kind("authentication", ("start",)),
            2: _Kind("authentication", ("end",)),
            _OTHER: _Kind("authentication", ("info",)),
        },
        3003: {_OTHER: _Kind("authentication", ("info",))},
        3004: {number: _Kind("configuration", (name,)) for number, name in _CHANGES.items()}
        | {_OTHER: _Kind("configuration", ("change",))},
        3005: {_OTHER: _Kind("iam", ("user", "change"))},
        3006: {
            5: _Kind("iam", ("group", "deletion")),
            6: _Kind("iam", ("group", "creation")),
            _OTHER: _Kind("iam", ("group", "change")),
        },
        6001: {_OTHER: _Kind("web", ("access",))},
        6002: {
            1: _Kind("package", ("installation",)),
            2: _Kind("package", ("deletion",)),
            3: _Kind("process", ("start",)),
            4: _Kind("process", ("end",)),
            _OTHER: _Kind("configuration", ("change",)),
        },
        6005: {
            **dict.fromkeys((1, 4, 8), _Kind("database", ("access",))),
            _OTHER: _Kind("database", ("change",)),
        },
        6006: {
            1: _Kind("file", ("creation",)),
            **dict.fromkeys((2, 9, 14), _Kind("file", ("access",))),
            4: _Kind("file", ("deletion",)),
            _OTHER: _Kind("file", ("change",)),
        },
    }
)
"""What an event is by OCSF class and activity, as a rule says it; 99 is for all other activities of the class."""


class EcsMapping:
    """Converts events; the rules that say what an event is in OCSF also say its category and type.

    Args:
        rules: Rules that are tried before those of the library.
    """

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._book = RuleBook(rules)

    def __call__(self, opened: OpenedEvent, /) -> dict[str, Any]:
        """Return the event as a document of ECS; fields without a place there are members of ``telemetry``."""
        event = opened.event
        who = event.actor_id or event.user_id
        address = _address(event.ip_address)
        return present(
            **{"@timestamp": event.occurred_at or event.time},
            ecs={"version": VERSION},
            message=event.event_type,
            event=self._event(event),
            user=present(
                id=who, target={"id": event.user_id} if event.actor_id and event.actor_id != event.user_id else None
            ),
            organization={"id": event.tenant_id} if event.tenant_id else None,
            source=present(address=event.ip_address, ip=address) or None,
            user_agent={"original": event.user_agent} if event.user_agent else None,
            service=present(name=event.service_name, environment=event.environment, version=event.version or None),
            trace={"id": event.trace_id} if event.trace_id else None,
            span={"id": event.span_id} if event.span_id else None,
            related=present(user=sorted({who, event.user_id}), ip=[address] if address else None),
            telemetry=_own(opened),
        )

    def _event(self, event: AuditEvent) -> dict[str, Any]:
        kind = self._kind(event)
        return present(
            id=event.id,
            kind="event",
            category=[kind.category] if kind.category else None,
            type=list(kind.types),
            action=event.event_type,
            outcome=_OUTCOMES.get(event.outcome or "", "unknown"),
            reason=event.reason,
            created=event.time,
            sequence=event.sequence,
            provider=event.source,
            module="telemetry",
            dataset="telemetry.audit",
        )

    def _kind(self, event: AuditEvent) -> _Kind:
        if is_about_itself(event):
            return _ITSELF
        rule = self._book.find(event)
        kinds = _KINDS.get(rule.class_uid) if rule else None
        if rule is not None and kinds is not None:
            return kinds.get(rule.activity_id, kinds[_OTHER])
        what = _VERBS.get(verb_of(event) or "", "info")
        # ECS admits the type "denied" for calls of an API, and for few categories beside it.
        return _Kind(_API, (what, "denied") if event.outcome == "denied" else (what,))


def to_ecs(opened: OpenedEvent) -> dict[str, Any]:
    """Return the event as ECS, by the rules of the library alone."""
    return ECS.record(opened)


def ecs_by_rules(rules: Sequence[Rule] = ()) -> Schema:
    """Return ECS as a schema.

    Args:
        rules: Rules that are tried before those of the library.
    """
    return Schema("ecs", VERSION, _COLUMNS, EcsMapping(rules))


def _address(text: str | None) -> str | None:
    """Return an address as Elasticsearch accepts it, without a zone; None for anything else."""
    try:
        return str(ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None


def _own(opened: OpenedEvent) -> dict[str, Any]:
    """Return what ECS has no place for; every member has one type in all events, so that an index can map it."""
    event = opened.event
    fields = event.to_dict()
    payload = event.payload
    same = ("targets", "changes", "metadata", "adjusted", "catalog")
    return present(
        payload=payload if isinstance(payload, dict) or payload is None else {"value": payload},
        **{name: fields.get(name) for name in same},
        action=event.action,
        outcome=event.outcome,
        entity=event.entity,
        entity_id=event.entity_id,
        actor_type=event.actor_type,
        session_id=event.session_id,
        correlation_id=event.correlation_id,
        producer=event.producer,
        sensitive=event.sensitive,
        **worth(opened),
        **place_of(opened.place),
    )


_COLUMNS = (
    Column("@timestamp", "time"),
    Column("ecs", "json"),
    Column("message"),
    *(
        Column(name, "json")
        for name in (
            *("event", "user", "organization", "source", "user_agent", "service", "trace", "span", "related"),
            "telemetry",
        )
    ),
)

ECS = ecs_by_rules()
"""ECS 8.17, by the rules of the library alone."""
