"""Converts an opened event to a record of OCSF: a rule says which class it is, or it is API Activity.

The library's events about itself, such as ``telemetry.started``, are the Base Event (0). All others without a rule are API
Activity (6003), the class for create, read, update and delete; what the name does not say for certain is Other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from telemetry.format.value.event import AuditEvent
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings.ocsf import attributes
from telemetry.reader.mappings.ocsf.layout import require_fillable
from telemetry.reader.mappings.ocsf_schema import OTHER, VERSION, EventClass, complete, fit, published
from telemetry.reader.mappings.ocsf_schema.values import milliseconds
from telemetry.reader.mappings.own_events import is_about_itself
from telemetry.reader.mappings.rules import Rule, RuleBook, RuleField
from telemetry.reader.mappings.table import Column, Kind, Schema, parse_time, present, worth
from telemetry.reader.mappings.verbs import verb_of
from telemetry.version import __version__

_INFORMATIONAL, _LOW = 1, 2
_STATUS = {"success": 1, "failure": 2, "denied": 2}
_ACTIVITIES = {"create": 1, "read": 2, "update": 3, "delete": 4}
_SEVERITIES = {
    "unknown": 0,
    "informational": 1,
    "info": 1,
    "low": 2,
    "medium": 3,
    "high": 4,
    "critical": 5,
    "fatal": 6,
}
_MAX_SEVERITY = 64


class _Meaning(NamedTuple):
    """What an event is: its class and activity, and the rule that says so."""

    class_uid: int
    activity_id: int
    rule: Rule | None = None


class OcsfMapping:
    """Converts events; it counts those whose rule names a class that requires more than the event says.

    Args:
        rules: Rules that are tried before those of the library.

    Attributes:
        lacking: Number of events that became API Activity instead, by class and what was lacking.
    """

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._book = RuleBook(rules)
        self.lacking: Counter[tuple[int, str]] = Counter()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order in which they are tried."""
        return self._book.rules

    @property
    def classes(self) -> frozenset[int]:
        """Numbers of the classes that an event can become."""
        return frozenset((attributes.BASE, attributes.API_ACTIVITY, *(rule.class_uid for rule in self.rules)))

    def __call__(self, opened: OpenedEvent, /) -> dict[str, Any]:
        """Return the event as OCSF; fields without an attribute there are in ``unmapped``."""
        meaning = self.meaning(opened.event)
        if meaning.rule is None:
            return _record(opened, meaning)
        record, lacking = complete(_record(opened, meaning), meaning.class_uid)
        if not lacking:
            return record
        self.lacking[meaning.class_uid, ", ".join(lacking)] += 1
        # API Activity requires nothing that an event can lack.
        return _record(opened, _by_name(opened.event))

    def meaning(self, event: AuditEvent) -> _Meaning:
        """Return class and activity of an event."""
        rule = None if is_about_itself(event) else self._book.find(event)
        return _Meaning(rule.class_uid, rule.activity_id, rule) if rule else _by_name(event)


def to_ocsf(opened: OpenedEvent) -> dict[str, Any]:
    """Return the event as OCSF, by the rules of the library alone."""
    return OCSF.record(opened)


def _by_name(event: AuditEvent) -> _Meaning:
    if is_about_itself(event):
        return _Meaning(attributes.BASE, OTHER)
    return _Meaning(attributes.API_ACTIVITY, _ACTIVITIES.get(verb_of(event) or "", OTHER))


def _record(opened: OpenedEvent, meaning: _Meaning) -> dict[str, Any]:
    event, rule = opened.event, meaning.rule
    kind = published().classes[meaning.class_uid]
    record = {
        **_classification(event, kind, meaning),
        "time": milliseconds(parse_time(event.occurred_at or event.time)),
        **_severity(event, rule),
        **_status(event, rule, kind),
        "message": event.event_type,
        "metadata": _metadata(event),
        **attributes.attributes_of(event, kind, meaning.class_uid),
    }
    filled = _fill(record, rule.fields, event) if rule else frozenset()
    if kind.attributes.get("src_endpoint") and kind.attributes["src_endpoint"].required:
        record.setdefault("src_endpoint", attributes.service_endpoint(event))
    _name_profiles(record, kind)
    return record | {"unmapped": _unmapped(opened, record.keys() - filled)}


def _classification(event: AuditEvent, kind: EventClass, meaning: _Meaning) -> dict[str, Any]:
    caption = kind.attributes["activity_id"].enum[str(meaning.activity_id)]
    return {
        "class_uid": meaning.class_uid,
        "class_name": kind.caption,
        "category_uid": kind.category[0],
        "category_name": kind.category[1],
        "activity_id": meaning.activity_id,
        "activity_name": event.event_type if meaning.activity_id == OTHER else caption,
        "type_uid": meaning.class_uid * 100 + meaning.activity_id,
        "type_name": f"{kind.caption}: {caption}",
    }


def _severity(event: AuditEvent, rule: Rule | None) -> dict[str, Any]:
    """Return the rule's severity, else what the source said, else Low for a denial and Informational for the rest."""
    captions = published().classes[attributes.BASE].attributes["severity_id"].enum
    number = rule.severity_id if rule else None
    said = event.metadata.get("severity")
    if number is None and isinstance(said, str) and 0 < len(said) <= _MAX_SEVERITY:
        number = _SEVERITIES.get(said.casefold(), OTHER)
        if number == OTHER:
            return {"severity_id": OTHER, "severity": said}
    if number is None:
        number = _LOW if event.outcome == "denied" else _INFORMATIONAL
    return {"severity_id": number, "severity": captions[str(number)]}


def _status(event: AuditEvent, rule: Rule | None, kind: EventClass) -> dict[str, Any]:
    captions = kind.attributes["status_id"].enum
    number = (rule.status_id if rule else None) or 0
    # What happened comes first; a rule speaks where the event is silent. The status of a finding is no outcome.
    if event.outcome and captions["1"] == "Success":
        number = _STATUS[event.outcome]
    # status_id does not distinguish a denial from a failure.
    return present(status_id=number, status=captions[str(number)], status_detail=event.outcome)


def _metadata(event: AuditEvent) -> dict[str, Any]:
    return present(
        version=VERSION,
        product={"name": "telemetry-audit", "vendor_name": "telemetry-audit", "version": __version__},
        uid=event.id,
        sequence=event.sequence,
        event_code=event.event_type,
        original_time=event.occurred_at or event.time,
        logged_time=milliseconds(parse_time(event.time)),
        correlation_uid=event.correlation_id or event.trace_id,
        tenant_uid=event.tenant_id,
        log_name=event.source,
        log_provider=event.service_name,
        log_version=event.version or None,
    )


def _fill(record: dict[str, Any], fields: Sequence[RuleField], event: AuditEvent) -> frozenset[str]:
    """Put the values that a rule names into the record; one that the event lacks, or that does not fit, is left out.

    Returns:
        Names of the attributes of the class that have such a value.
    """
    filled: set[str] = set()
    document = event.to_dict() if any(field.source for field in fields) else {}
    for field in fields:
        value = field.constant if field.source is None else fit(field.source.find(document), field.attribute)
        if value is not None:
            _put(record, field, value)
            filled.add(field.target.partition(".")[0])
    return frozenset(filled)


def _put(record: dict[str, Any], field: RuleField, value: Any) -> None:
    *names, last = field.target.split(".")
    members = record
    for name, attribute in zip(names, field.parents, strict=True):
        inner = members.setdefault(name, [{}] if attribute.array else {})
        members = inner[0] if attribute.array else inner
    members[last] = value


def _name_profiles(record: dict[str, Any], kind: EventClass) -> None:
    profiles = sorted({kind.attributes[name].profile for name in record if kind.attributes[name].profile})
    if profiles:
        record["metadata"]["profiles"] = profiles


def _unmapped(opened: OpenedEvent, own: AbstractSet[str]) -> dict[str, Any]:
    """Return what the record does not say elsewhere.

    Args:
        opened: The event.
        own: Names of the attributes that have the event's fields and nothing else.
    """
    event = opened.event
    found = present(
        payload=event.payload,
        metadata=event.metadata or None,
        user_id=event.user_id,
        environment=event.environment,
        action=event.action,
        entity=event.entity,
        entity_id=event.entity_id,
        targets=[present(entity=kind.entity, entity_id=kind.entity_id) for kind in event.targets] or None,
        adjusted=list(event.adjusted) or None,
        catalog=event.to_dict().get("catalog") if event.catalog else None,
        producer=event.producer,
        trace_id=event.trace_id,
        span_id=event.span_id,
        sensitive=event.sensitive,
        **worth(opened),
    )
    return found | {name: value for name, value in _homeless(event, own).items() if value}


def _homeless(event: AuditEvent, own: AbstractSet[str]) -> dict[str, Any]:
    """Return the fields that the record's class has no attribute for."""
    candidates = {
        "actor": {"actor_id": event.actor_id, "actor_type": event.actor_type, "session_id": event.session_id},
        "src_endpoint": {"ip_address": event.ip_address},
        "http_request": {"user_agent": event.user_agent},
        "comment": {"reason": event.reason},
        "entity_result": {"changes": event.to_dict().get("changes") if event.changes else None},
    }
    return {key: value for name, fields in candidates.items() if name not in own for key, value in fields.items()}


_KINDS: dict[str, Kind] = {
    "boolean": "boolean",
    "float": "json",
    "integer": "integer",
    "json": "json",
    "long": "integer",
    "port": "integer",
    "timestamp": "integer",
}
_INTEGERS = ("class_uid", "category_uid", "activity_id", "type_uid", "time", "severity_id", "status_id")
_TEXTS = ("class_name", "category_name", "activity_name", "type_name", "severity", "status", "status_detail", "message")
_OBJECTS = (
    *("metadata", "actor", "user", "group", "privileges", "entity", "entity_result", "resource"),
    *("src_endpoint", "api", "resources", "service", "session", "http_request"),
)


def ocsf_by_rules(rules: Sequence[Rule] = ()) -> Schema:
    """Return OCSF as a schema; its columns are the attributes that the library and the rules fill.

    Args:
        rules: Rules that are tried before those of the library.

    Raises:
        ConfigurationError: A rule names a class that requires what neither the event nor the rule has.
    """
    if rules:
        require_fillable(rules)
    fixed = {*_INTEGERS, *_TEXTS, *_OBJECTS}
    more = dict(_column(field) for rule in rules for field in rule.fields)
    columns = (
        *(Column(name, "integer") for name in _INTEGERS),
        *(Column(name) for name in _TEXTS),
        *(Column(name, "json") for name in _OBJECTS),
        *(Column(name, more[name]) for name in sorted(more.keys() - fixed)),
        Column("unmapped", "json"),
    )
    return Schema("ocsf", VERSION, columns, OcsfMapping(rules))


def _column(field: RuleField) -> tuple[str, Kind]:
    name, _, rest = field.target.partition(".")
    if rest or field.attribute.array:
        return name, "json"
    return name, _KINDS.get(field.attribute.type, "text")


OCSF = ocsf_by_rules()
"""OCSF 1.3.0, by the rules of the library alone."""
