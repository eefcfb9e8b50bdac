"""Reads CloudEvents 1.0 in their HTTP binding: structured, batched and binary.

Sources: "CloudEvents - Version 1.0.2", its JSON event format and HTTP protocol binding, and the documented extensions "Auth
Context" and "Correlation".
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.exceptions import EventError
from telemetry.gateway.request.event_text import EventText, decoded_event, with_large_ones_checked
from telemetry.gateway.request.json_text import json_text, split_array
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.routes.media_types import JSON, media_type_of
from telemetry.gateway.submission.event_call import EventCall

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_VERSION = "1.0"
_PREFIX = "ce-"
_NEEDED = ("id", "source", "type")
_DATA = "data"
_BASE64 = "data_base64"
_NAME = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_ACTOR_TYPES = {
    "app_user": "user",
    "user": "user",
    "service_account": "service",
    "api_key": "service",
    "system": "system",
    "unauthenticated": "anonymous",
}
"""Kinds of ``authtype`` that ``log()`` knows; another one is kept as metadata."""
_FIELDS = {"time": "occurred_at", "source": "source", "subject": "entity_id", "correlationid": "correlation_id"}
"""Attributes that are fields of an event; attributes without a field are kept as metadata."""
_USERS = ("authid", "userid")

_TEXT = {"type": "string", "minLength": 1}
CLOUDEVENT: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0; attributes without a field of an event are kept as metadata.",
    "required": ["specversion", *_NEEDED],
    "properties": {
        "specversion": {"const": _VERSION},
        **dict.fromkeys(_NEEDED, _TEXT),
        "time": {"type": ["string", "null"], "format": "date-time"},
        "subject": {"type": ["string", "null"]},
        "datacontenttype": {"type": ["string", "null"]},
        "authtype": {"type": ["string", "null"], "examples": list(_ACTOR_TYPES)},
        "authid": {"type": ["string", "null"], "description": "The user; without it and userid nobody is known."},
        "userid": {"type": ["string", "null"]},
        "correlationid": {"type": ["string", "null"]},
        _DATA: {"description": "Any JSON value."},
        _BASE64: {"type": ["string", "null"], "contentEncoding": "base64"},
    },
    "patternProperties": {"^[a-z0-9]{1,64}$": {}},
    "additionalProperties": False,
}
"""JSON Schema of a structured event."""


def is_binary(request: Request) -> bool:
    """Return whether a request has a CloudEvent in binary mode: its attributes are headers."""
    return f"{_PREFIX}specversion" in request.headers


class StructuredReader:
    """Reads events whose attributes and data are one JSON object, alone or in an array.

    Args:
        max_depth: Most brackets open at once in one event.
        is_batch: Whether they are in an array.
    """

    def __init__(self, max_depth: int, *, is_batch: bool) -> None:
        self._max_depth = max_depth
        self._is_batch = is_batch

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[EventText]:
        """Return the text of each event; arguments and errors as those of ``EventReader``."""
        text = json_text(body, charset=media_type_of(request).charset)
        texts = await split_array(text, max_events=limits.max_events) if self._is_batch else [text]
        return await with_large_ones_checked(texts, self._max_depth)

    def read(self, text: EventText, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for one event."""
        attributes = decoded_event(text, self._max_depth)
        if type(attributes) is not dict:
            message = "the event is no JSON object; send one with specversion, id, source, type and data"
            raise EventError(message)
        payload = _data_of(attributes)
        return _call_of(attributes, payload, key)


class BinaryReader:
    """Reads one event whose attributes are headers and whose data is the body.

    Args:
        request: The request.
        max_depth: Most brackets open at once in its data.
    """

    def __init__(self, request: Request, max_depth: int) -> None:
        self._request = request
        self._max_depth = max_depth

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[EventText]:
        """Return the body; arguments and errors as those of ``EventReader``."""
        del limits
        names = [name for name, _ in request.headers.items() if name.startswith(_PREFIX)]
        if len(names) != len(set(names)):
            raise RefusedRequestError(400, "a ce- header is there twice; send each attribute once")
        is_json = _is_json(media_type_of(request).name)
        return await with_large_ones_checked([body], self._max_depth) if is_json else [body]

    def read(self, text: EventText, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for the event."""
        attributes: dict[str, Any] = {
            name.removeprefix(_PREFIX): _header_value(value)
            for name, value in self._request.headers.items()
            if name.startswith(_PREFIX)
        }
        kind = media_type_of(self._request)
        if kind.name:
            attributes["datacontenttype"] = kind.name
        return _call_of(attributes, self._payload(text, kind.name, kind.charset), key)

    def _payload(self, body: EventText, name: str, charset: str) -> Any:
        if not body:
            return None
        if not isinstance(body, bytes) or _is_json(name):
            return decoded_event(body, self._max_depth)
        if name.startswith("text/") and charset.strip('"').lower() in {"utf-8", "utf8", "us-ascii"}:
            try:
                return body.decode()
            except UnicodeDecodeError as exc:
                message = "the data is not in UTF-8, although it is called text; send it as application/octet-stream"
                raise EventError(message) from exc
        return {_BASE64: binascii.b2a_base64(body, newline=False).decode()}


def _is_json(name: str) -> bool:
    return name in {JSON, ""} or name.endswith("+json")


def _header_value(value: str) -> str:
    """Return the value of an attribute's header, decoded as the HTTP protocol binding says (section 3.1.3.2)."""
    try:
        return unquote_to_bytes(value.encode("latin-1")).decode()
    except UnicodeDecodeError as exc:
        message = "a ce- header is not UTF-8 in percent-encoding"
        raise EventError(message) from exc


def _data_of(attributes: dict[str, Any]) -> Any:
    """Remove the data from the attributes and return it; binary data stays base64, in an object that says so."""
    encoded = attributes.pop(_BASE64, None)
    if encoded is None:
        return attributes.pop(_DATA, None)
    if _DATA in attributes:
        message = "the event has data and data_base64; send one of them"
        raise EventError(message)
    try:
        binascii.a2b_base64(encoded, strict_mode=True)
    except (TypeError, ValueError) as exc:
        message = "the event's data_base64 is no base64 (RFC 4648)"
        raise EventError(message) from exc
    return {_BASE64: encoded}


def _call_of(attributes: dict[str, Any], payload: Any, key: str | None) -> EventCall:
    """Return the arguments of ``log()`` for an event whose data is known."""
    if attributes.pop("specversion", None) != _VERSION:
        message = f"the event is no CloudEvent of version {_VERSION}; send specversion {_VERSION}"
        raise EventError(message)
    _require_attributes(attributes)
    event_id, event_type = attributes.pop("id"), attributes.pop("type")
    fields = {field: value for name, field in _FIELDS.items() if (value := attributes.get(name)) is not None}
    # Together they name an event (CloudEvents, section "id"), and a source has no space in it.
    fields["idempotency_key"] = f"{attributes['source']} {event_id}" if key is None else key
    user_id = next((attributes[name] for name in _USERS if attributes.get(name) is not None), None)
    actor_type = _ACTOR_TYPES.get(str(attributes.get("authtype")))
    if actor_type is not None:
        fields["actor_type"] = actor_type
    used = {*_FIELDS, *_USERS, *(("authtype",) if actor_type else ())}
    metadata = {name: value for name, value in attributes.items() if name not in used and value is not None}
    if key is not None:
        metadata["id"] = event_id
    if metadata:
        fields["metadata"] = metadata
    return EventCall(event_type, payload, user_id, fields)


def _require_attributes(attributes: dict[str, Any]) -> None:
    for name in _NEEDED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value:
            message = f"the event's attribute {name} is missing, or is no text with at least one character"
            raise EventError(message)
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            message = "the event has an attribute whose name has other than small letters and digits"
            raise EventError(message)
        if not isinstance(value, str | int | None):
            message = "the event has an attribute that is neither text, whole number, bool nor null; put it into data"
            raise EventError(message)
