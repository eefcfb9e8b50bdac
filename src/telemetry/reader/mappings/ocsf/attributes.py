"""Fills the attributes of a class from the fields of an event, as far as the event says something about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

import msgspec

from telemetry.format.value.event import AuditEvent
from telemetry.reader.mappings.ocsf import people
from telemetry.reader.mappings.ocsf_schema import EventClass, fit, published
from telemetry.reader.mappings.table import present

BASE, AUTHENTICATION, AUTHORIZE_SESSION, ENTITY_MANAGEMENT = 0, 3002, 3003, 3004
USER_ACCESS, GROUP_MANAGEMENT, API_ACTIVITY = 3005, 3006, 6003

IDENTITY = 3
"""Category of Identity & Access Management."""
_MAX_ADDRESS = 40

_Fill = Callable[[AuditEvent], dict[str, Any]]


def attributes_of(event: AuditEvent, kind: EventClass, class_uid: int) -> dict[str, Any]:
    """Return what the event says about the attributes of a class.

    Args:
        event: The event.
        kind: The class.
        class_uid: Its number.
    """
    filled = {"actor": people.actor(event), **_origin(event), **_OF_CLASS.get(class_uid, _nothing)(event)}
    if kind.category[0] == IDENTITY and "user" in kind.attributes:
        filled |= present(user=people.account(event, class_uid))
    return {name: value for name, value in filled.items() if name in kind.attributes}


def service_endpoint(event: AuditEvent) -> dict[str, Any]:
    """Return the service that logged the event as its source, for a class that must have one."""
    return {"svc_name": event.service_name}


def resource(kind: str | None, uid: str | None) -> dict[str, Any]:
    """Return a thing as an object that must have a name or an id: if only its kind is known, that is its name too."""
    return present(type=kind, uid=uid, name=uid or kind)


def _nothing(_: AuditEvent) -> dict[str, Any]:
    return {}


def _origin(event: AuditEvent) -> dict[str, Any]:
    """Return where the request came from, and what sent it."""
    found: dict[str, Any] = {}
    if event.ip_address:
        found["src_endpoint"] = _endpoint(event.ip_address)
    if event.user_agent:
        found["http_request"] = {"user_agent": event.user_agent}
    return found


def _endpoint(text: str) -> dict[str, Any]:
    try:
        address = str(ip_address(text))
    except ValueError:
        address = ""
    if 0 < len(address) <= _MAX_ADDRESS:
        return {"ip": address}
    # Some sources write the name of a host where others write an address, or an address and a port.
    hostname = fit(text, published().objects["network_endpoint"].attributes["hostname"])
    return {"hostname": hostname} if hostname else {"name": text}


def _of_authentication(event: AuditEvent) -> dict[str, Any]:
    return {"service": {"name": event.service_name}, **people.session(event)}


def _of_entity_management(event: AuditEvent) -> dict[str, Any]:
    found: dict[str, Any] = present(comment=event.reason)
    thing = next(people.things(event), None)
    if thing is None:
        return found
    entity = resource(*thing)
    if not event.changes:
        return found | {"entity": entity}
    before, after = ({**entity, "data": _side(event, side)} for side in ("old", "new"))
    return found | {"entity": before, "entity_result": after}


def _side(event: AuditEvent, side: str) -> dict[str, Any]:
    sides = {name: getattr(change, side) for name, change in event.changes.items()}
    return {name: value for name, value in sides.items() if value is not msgspec.UNSET}


def _of_access(event: AuditEvent) -> dict[str, Any]:
    thing = next(people.no_accounts(event), None)
    return {"resource": resource(*thing)} if thing else {}


def _of_group(event: AuditEvent) -> dict[str, Any]:
    thing = next(people.no_accounts(event), None)
    return {"group": resource(*thing)} if thing else {}


def _of_api(event: AuditEvent) -> dict[str, Any]:
    found: dict[str, Any] = {"api": {"operation": event.event_type, "service": {"name": event.service_name}}}
    resources = [resource(kind, uid) for kind, uid in people.things(event)]
    return found | {"resources": resources} if resources else found


_OF_CLASS: Mapping[int, _Fill] = MappingProxyType(
    {
        AUTHENTICATION: _of_authentication,
        AUTHORIZE_SESSION: people.session,
        ENTITY_MANAGEMENT: _of_entity_management,
        USER_ACCESS: _of_access,
        GROUP_MANAGEMENT: _of_group,
        API_ACTIVITY: _of_api,
    }
)
