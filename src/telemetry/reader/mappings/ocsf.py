"""Converts opened events to the Open Cybersecurity Schema Framework, version 1.3.0 (schema.ocsf.io/1.3.0).

Sign-ins and sign-outs become Authentication (3002). The library's events about itself, such as ``telemetry.started``,
become the Base Event (0). All others become API Activity (6003), the class for create, read, update and delete.
"""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

from telemetry.format.value.event import AuditEvent
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings.table import Column, Schema, parse_time, present, worth
from telemetry.reader.mappings.verbs import verb_of
from telemetry.version import __version__

VERSION = "1.3.0"

_INFORMATIONAL, _LOW = 1, 2
_OTHER = 99
_STATUS = {"success": (1, "Success"), "failure": (2, "Failure"), "denied": (2, "Failure")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Class(NamedTuple):
    uid: int
    name: str
    category_uid: int
    category_name: str
    activities: dict[str, tuple[int, str]]


_BASE = _Class(0, "Base Event", 0, "Uncategorized", {})
_AUTHENTICATION = _Class(
    *(3002, "Authentication", 3, "Identity & Access Management"), {"login": (1, "Logon"), "logout": (2, "Logoff")}
)
_API = _Class(
    *(6003, "API Activity", 6, "Application Activity"),
    {"create": (1, "Create"), "read": (2, "Read"), "update": (3, "Update"), "delete": (4, "Delete")},
)


def to_ocsf(opened: OpenedEvent) -> dict[str, Any]:
    """Return the event as OCSF; fields without an attribute there are in ``unmapped``.

    ``type_uid`` is ``class_uid * 100 + activity_id``. ``status_id`` 2 (Failure) is used for ``failure`` and ``denied``;
    ``status_detail`` distinguishes them. Without an address, the service that logged the event is the source.
    """
    event = opened.event
    verb = verb_of(event)
    kind = _class_of(event, verb)
    activity_id, activity_name = kind.activities.get(verb or "", (_OTHER, event.action or event.event_type))
    status_id, status = _STATUS.get(event.outcome or "", (0, "Unknown"))
    severity_id, severity = (_LOW, "Low") if event.outcome == "denied" else (_INFORMATIONAL, "Informational")
    record = {
        "class_uid": kind.uid,
        "class_name": kind.name,
        "category_uid": kind.category_uid,
        "category_name": kind.category_name,
        "activity_id": activity_id,
        "activity_name": activity_name,
        "type_uid": kind.uid * 100 + activity_id,
        "type_name": f"{kind.name}: {activity_name if activity_id != _OTHER else 'Other'}",
        "time": _milliseconds(event.time),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "message": event.event_type,
        "metadata": _metadata(event),
        "unmapped": _unmapped(opened),
    }
    # status_id does not distinguish a denial from a failure.
    if event.outcome is not None:
        record["status_detail"] = event.outcome
    if kind is not _BASE:
        record |= _context(event)
        record |= _of_authentication(event) if kind is _AUTHENTICATION else _of_api(event)
    return record


def _class_of(event: AuditEvent, verb: str | None) -> _Class:
    # A read of the trail is somebody's activity; the library's other events are about itself.
    if event.event_type.startswith("telemetry.") and event.event_type != "telemetry.read":
        return _BASE
    return _AUTHENTICATION if verb in _AUTHENTICATION.activities else _API


def _metadata(event: AuditEvent) -> dict[str, Any]:
    return present(
        version=VERSION,
        product={"name": "telemetry-audit", "vendor_name": "telemetry-audit", "version": __version__},
        uid=event.id,
        sequence=event.sequence,
        event_code=event.event_type,
        original_time=event.time,
        correlation_uid=event.correlation_id or event.trace_id,
        log_name=event.source,
        log_provider=event.service_name,
        log_version=event.version or None,
    )


def _context(event: AuditEvent) -> dict[str, Any]:
    session = {"session": {"uid": event.session_id}} if event.session_id else {}
    context: dict[str, Any] = {
        "actor": {"user": {"uid": event.actor_id or event.user_id}, "app_name": event.service_name, **session},
        "src_endpoint": _endpoint(event),
    }
    if event.user_agent:
        context["http_request"] = {"user_agent": event.user_agent}
    return context


def _of_authentication(event: AuditEvent) -> dict[str, Any]:
    session = {"session": {"uid": event.session_id}} if event.session_id else {}
    return {"user": {"uid": event.user_id}, "service": {"name": event.service_name}, **session}


def _of_api(event: AuditEvent) -> dict[str, Any]:
    # The class requires an operation and a service, but no resource.
    api = {"operation": event.event_type, "service": {"name": event.service_name}}
    if not event.entity and not event.entity_id:
        return {"api": api}
    # A resource must have a name or an id; if only its kind is known, the kind is its name too.
    resource = present(type=event.entity, uid=event.entity_id, name=event.entity_id or event.entity)
    return {"api": api, "resources": [resource]}


def _endpoint(event: AuditEvent) -> dict[str, Any]:
    if not event.ip_address:
        return {"svc_name": event.service_name}
    try:
        return {"ip": str(ip_address(event.ip_address))}
    except ValueError:
        # Some sources write a name where others write an address.
        return {"name": event.ip_address}


def _unmapped(opened: OpenedEvent) -> dict[str, Any]:
    event = opened.event
    return present(
        payload=event.payload,
        metadata=event.metadata or None,
        user_id=event.user_id,
        environment=event.environment,
        action=event.action,
        entity=event.entity,
        entity_id=event.entity_id,
        producer=event.producer,
        trace_id=event.trace_id,
        span_id=event.span_id,
        sensitive=event.sensitive,
        **worth(opened),
    )


def _milliseconds(time: str) -> int:
    """Return ``timestamp_t``: milliseconds since the epoch."""
    since = parse_time(time) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


_INTEGERS = ("class_uid", "category_uid", "activity_id", "type_uid", "time", "severity_id", "status_id")
_TEXTS = ("class_name", "category_name", "activity_name", "type_name", "severity", "status", "status_detail", "message")
_OBJECTS = (
    "metadata",
    "actor",
    "user",
    "src_endpoint",
    "api",
    "resources",
    "service",
    "session",
    "http_request",
    "unmapped",
)

OCSF = Schema(
    "ocsf",
    VERSION,
    (
        *(Column(name, "integer") for name in _INTEGERS),
        *(Column(name) for name in _TEXTS),
        *(Column(name, "json") for name in _OBJECTS),
    ),
    to_ocsf,
)
"""OCSF 1.3.0."""
