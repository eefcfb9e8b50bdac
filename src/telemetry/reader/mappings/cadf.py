"""Converts opened events to the Cloud Auditing Data Federation's event model (DMTF DSP0262, version 1.0.0)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import source_of
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings.table import Column, Schema, present, worth
from telemetry.reader.mappings.verbs import verb_of

VERSION = "1.0.0"

_TYPE_URI = "http://schemas.dmtf.org/cloud/audit/1.0/event"
_ACTIONS = {"login": "authenticate/login", "logout": "authenticate"}
_OUTCOMES = {"success": "success", "failure": "failure", "denied": "failure"}
_REASON_TYPE = "urn:telemetry-audit:outcome"
_IN_AN_IDENTIFIER = ":/@+,;=!$&()*"


def to_cadf(opened: OpenedEvent) -> dict[str, Any]:
    """Return the event as a CADF event record of type ``activity``.

    ``denied`` becomes a ``failure`` with ``denied`` as its ``reason``: the outcome taxonomy has success, failure, pending
    and unknown. An action that the taxonomy has no word for is ``unknown``; ``name`` is always the event's type.
    """
    event = opened.event
    return present(
        typeURI=_TYPE_URI,
        id=event.id,
        eventType="activity",
        eventTime=event.time.removesuffix("Z") + "+00:00",
        name=event.event_type,
        action=_action(event),
        outcome=_OUTCOMES.get(event.outcome or "", "unknown"),
        reason={"reasonType": _REASON_TYPE, "reasonCode": "denied"} if event.outcome == "denied" else None,
        initiator=_initiator(event),
        target=_target(event),
        observer=_service(event),
        tags=_tags(opened),
        attachments=_attachments(event),
    )


def _action(event: AuditEvent) -> str:
    verb = verb_of(event)
    return _ACTIONS.get(verb, verb) if verb is not None else "unknown"


def _initiator(event: AuditEvent) -> dict[str, Any]:
    # An actor is named only where somebody else acted on the user's account.
    who = event.actor_id or event.user_id
    host = present(address=event.ip_address, agent=event.user_agent)
    session = [_attachment("session", event.session_id)] if event.session_id else None
    return present(
        id=_identifier(who),
        typeURI="service/security/account/user",
        name=who,
        host=host or None,
        attachments=session,
    )


def _target(event: AuditEvent) -> dict[str, Any]:
    """Return the entity; the user's account if somebody else acted on it; otherwise the service itself."""
    # CADF requires a target: without an entity, the account or the service is what was acted upon.
    if event.entity or event.entity_id:
        kind = f"data/{quote(event.entity.strip('/'), safe='/')}" if event.entity else "data"
        return present(id=_identifier(event.entity_id or event.entity or ""), typeURI=kind, name=event.entity_id)
    if event.actor_id and event.actor_id != event.user_id:
        return {"id": _identifier(event.user_id), "typeURI": "data/security/account/user", "name": event.user_id}
    return _service(event)


def _service(event: AuditEvent) -> dict[str, Any]:
    source = source_of(event.environment, event.service_name)
    return {"id": source, "typeURI": "service", "name": event.service_name}


def _tags(opened: OpenedEvent) -> list[str]:
    event = opened.event
    members = present(correlation_id=event.correlation_id, trace_id=event.trace_id, producer=event.producer)
    members |= {name: value if isinstance(value, str) else str(value).lower() for name, value in worth(opened).items()}
    return [f"{name}?value={quote(value, safe='')}" for name, value in members.items()]


def _attachments(event: AuditEvent) -> list[dict[str, Any]]:
    return [
        _attachment("payload", event.payload),
        *([_attachment("metadata", event.metadata)] if event.metadata else []),
    ]


def _attachment(name: str, content: Any) -> dict[str, Any]:
    return {"typeURI": "application/json", "contentType": "application/json", "name": name, "content": content}


def _identifier(text: str) -> str:
    """Return a text as ``cadf:Identifier``, which is a URI; usual ids are unchanged."""
    return quote(text, safe=_IN_AN_IDENTIFIER)


CADF = Schema(
    "cadf",
    VERSION,
    (
        *(Column(name) for name in ("typeURI", "id", "eventType")),
        Column("eventTime", "time"),
        *(Column(name) for name in ("name", "action", "outcome")),
        *(Column(name, "json") for name in ("reason", "initiator", "target", "observer", "tags", "attachments")),
    ),
    to_cadf,
)
"""CADF 1.0.0."""
