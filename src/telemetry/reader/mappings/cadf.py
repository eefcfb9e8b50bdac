"""Converts opened events to the Cloud Auditing Data Federation's event model (DMTF DSP0262, version 1.0.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import source_of
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings.cadf_actions import action_of
from telemetry.reader.mappings.ocsf.people import things
from telemetry.reader.mappings.rules import Rule, RuleBook
from telemetry.reader.mappings.table import Column, Schema, present, worth

VERSION = "1.0.0"

_TYPE_URI = "http://schemas.dmtf.org/cloud/audit/1.0/event"
_OUTCOMES = {"success": "success", "failure": "failure", "denied": "failure"}
_REASON_TYPE = "urn:telemetry-audit:outcome"
_USER, _SERVICE = "service/security/account/user", "service"
_ACTORS = {"service": _SERVICE, "system": _SERVICE}
_IN_AN_IDENTIFIER = ":/@+,;=!$&()*"


class CadfMapping:
    """Converts events; the rules that say what an event is in OCSF also say its action.

    Args:
        rules: Rules that are tried before those of the library.
    """

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._book = RuleBook(rules)

    def __call__(self, opened: OpenedEvent, /) -> dict[str, Any]:
        """Return the event as a CADF event record of type ``activity``.

        ``denied`` becomes a ``failure`` with ``denied`` as its ``reason``: the outcome taxonomy has success, failure,
        pending and unknown. An action is ``unknown`` if neither a rule nor the name says it; ``name`` is always the type.
        """
        event = opened.event
        return present(
            typeURI=_TYPE_URI,
            id=event.id,
            eventType="activity",
            eventTime=_time(event.occurred_at or event.time),
            name=event.event_type,
            action=action_of(event, self._book),
            outcome=_OUTCOMES.get(event.outcome or "", "unknown"),
            reason={"reasonType": _REASON_TYPE, "reasonCode": "denied"} if event.outcome == "denied" else None,
            initiator=_initiator(event),
            target=_target(event),
            observer=_service(event),
            reporterchain=_reporters(event),
            tags=_tags(opened),
            attachments=_attachments(event),
        )


def to_cadf(opened: OpenedEvent) -> dict[str, Any]:
    """Return the event as CADF, by the rules of the library alone."""
    return CADF.record(opened)


def cadf_by_rules(rules: Sequence[Rule] = ()) -> Schema:
    """Return CADF as a schema.

    Args:
        rules: Rules that are tried before those of the library.
    """
    return Schema("cadf", VERSION, _COLUMNS, CadfMapping(rules))


def _time(text: str) -> str:
    return text.removesuffix("Z") + "+00:00"


def _reporters(event: AuditEvent) -> list[dict[str, Any]] | None:
    """Return who reported the event and when, if that is another time than that of the event."""
    if event.occurred_at is None:
        return None
    return [{"role": "observer", "reporter": _service(event), "reporterTime": _time(event.time)}]


def _initiator(event: AuditEvent) -> dict[str, Any]:
    # An actor is named only where somebody else acted on the user's account.
    who = event.actor_id or event.user_id
    host = present(address=event.ip_address, agent=event.user_agent)
    session = [_attachment("session", event.session_id)] if event.session_id else None
    return present(
        id=_identifier(who),
        typeURI=_ACTORS.get(event.actor_type or "", _USER),
        name=who,
        host=host or None,
        attachments=session,
    )


def _target(event: AuditEvent) -> dict[str, Any]:
    """Return the entity; the user's account if somebody else acted on it; otherwise the service itself."""
    # CADF requires a target: without an entity, the account or the service is what was acted upon.
    kind, uid = next(things(event), (None, None))
    if kind or uid:
        return present(id=_identifier(uid or kind or ""), typeURI=_data(kind), name=uid)
    if event.actor_id and event.actor_id != event.user_id:
        return {"id": _identifier(event.user_id), "typeURI": "data/security/account/user", "name": event.user_id}
    return _service(event)


def _data(kind: str | None) -> str:
    return f"data/{quote(kind.strip('/'), safe='/')}" if kind else "data"


def _service(event: AuditEvent) -> dict[str, Any]:
    source = source_of(event.environment, event.service_name)
    return {"id": source, "typeURI": _SERVICE, "name": event.service_name}


def _tags(opened: OpenedEvent) -> list[str]:
    event = opened.event
    members = present(
        correlation_id=event.correlation_id,
        trace_id=event.trace_id,
        producer=event.producer,
        tenant_id=event.tenant_id,
        actor_type=event.actor_type,
    )
    members |= {name: value if isinstance(value, str) else str(value).lower() for name, value in worth(opened).items()}
    return [f"{name}?value={quote(value, safe='')}" for name, value in members.items()]


def _attachments(event: AuditEvent) -> list[dict[str, Any]]:
    fields = event.to_dict()
    further = ("metadata", "targets", "changes", "reason", "adjusted", "catalog")
    return [
        _attachment("payload", event.payload),
        *(_attachment(name, fields[name]) for name in further if name in fields),
    ]


def _attachment(name: str, content: Any) -> dict[str, Any]:
    return {"typeURI": "application/json", "contentType": "application/json", "name": name, "content": content}


def _identifier(text: str) -> str:
    """Return a text as ``cadf:Identifier``, which is a URI; usual ids are unchanged."""
    return quote(text, safe=_IN_AN_IDENTIFIER)


_COLUMNS = (
    *(Column(name) for name in ("typeURI", "id", "eventType")),
    Column("eventTime", "time"),
    *(Column(name) for name in ("name", "action", "outcome")),
    *(Column(name, "json") for name in ("reason", "initiator", "target", "observer", "reporterchain")),
    *(Column(name, "json") for name in ("tags", "attachments")),
)

CADF = cadf_by_rules()
"""CADF 1.0.0, by the rules of the library alone."""
