"""Takes what the audit webhook of a Kubernetes API server sends: ``POST /v1/kubernetes``.

Source: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.exceptions import EventError
from telemetry.gateway.request.document import ListPath
from telemetry.gateway.request.event_text import EventText, about_event, decoded_event, with_large_ones_checked
from telemetry.gateway.request.json_text import json_text, place_of, split_array
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.routes.described import event_operation
from telemetry.gateway.routes.media_types import JSON, media_type_of, refuse_media_type
from telemetry.gateway.routes.preset import mapping_of
from telemetry.gateway.submission.event_call import EventCall
from telemetry.gateway.submission.event_request import answer_events, refused_answer

PATH = "/v1/kubernetes"
VERSION = "audit.k8s.io/v1"
LIST, EVENT = "EventList", "Event"
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")

_PRESET = "kubernetes"


class _Head(msgspec.Struct, rename="camel"):
    """What says which kind of object a body is; the rest is not decoded."""

    kind: str
    api_version: str


_ITEMS = ListPath("items")
_head = msgspec.json.Decoder(_Head).decode


class KubernetesReader:
    """Reads one event, or a list of events.

    Args:
        max_depth: Most brackets open at once in one event.
    """

    def __init__(self, max_depth: int) -> None:
        self._mapping = mapping_of(_PRESET)
        self._max_depth = max_depth

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[EventText]:
        """Return the text of each event; arguments and errors as those of ``EventReader``."""
        text = json_text(body, charset=media_type_of(request).charset)
        head = _head_of(text)
        if head.api_version != VERSION or head.kind not in {LIST, EVENT}:
            detail = f"the body is no EventList or Event of {VERSION}; configure the webhook with that version"
            raise RefusedRequestError(422, detail)
        if head.kind == EVENT:
            texts = [text]
        else:
            texts = await split_array(_ITEMS.list_in(text) or b"{}", max_events=limits.max_events)
        return await with_large_ones_checked(texts, self._max_depth)

    def read(self, text: EventText, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for one event; ``auditID`` and ``stage`` are its idempotency key."""
        del key
        event = decoded_event(text, self._max_depth)
        _require_event(event)
        try:
            event_type, payload, user_id, fields = self._mapping.event(event)
        except EventError as exc:
            raise about_event(exc) from exc
        return EventCall(event_type, payload, user_id, fields)


def _head_of(text: bytes) -> _Head:
    try:
        return _head(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        detail = f"the body is no JSON object with kind and apiVersion{place_of(exc)}; no event of it was logged"
        raise RefusedRequestError(400, detail) from exc


def _require_event(event: Any) -> None:
    if type(event) is not dict or not isinstance(event.get("auditID"), str) or not event["auditID"]:
        message = "the event has no auditID; send the events of the API server as they are"
        raise EventError(message)
    if event.get("stage") not in STAGES:
        message = f"the event's stage is none of {', '.join(STAGES)}"
        raise EventError(message)


async def post_kubernetes(request: Request) -> Response:
    """Log the audit events of an API server, and say what became of each."""
    if media_type_of(request).name not in {JSON, ""}:
        return refused_answer(request, refuse_media_type((JSON,)))
    return await answer_events(request, KubernetesReader(request.app.state.gateway.limits.max_depth))


ROUTES = (Route(PATH, post_kubernetes, methods=["POST"]),)

_KIND = {"apiVersion": {"const": VERSION}}
SCHEMAS: dict[str, Any] = {
    "KubernetesEvent": {
        "type": "object",
        "required": ["auditID", "stage", "verb", "user"],
        "properties": {
            "auditID": {"type": "string", "minLength": 1},
            "stage": {"enum": list(STAGES)},
            "verb": {"type": "string", "minLength": 1},
            "user": {
                "type": "object",
                "required": ["username"],
                "properties": {"username": {"type": "string", "minLength": 1}},
            },
        },
    },
    "KubernetesEventList": {
        "type": "object",
        "required": ["kind", "apiVersion", "items"],
        "properties": {
            "kind": {"const": LIST},
            **_KIND,
            "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/KubernetesEvent"}},
        },
    },
}
_ALONE = {
    "allOf": [
        {"$ref": "#/components/schemas/KubernetesEvent"},
        {"type": "object", "required": ["kind", "apiVersion"], "properties": {"kind": {"const": EVENT}, **_KIND}},
    ]
}
PATHS = {
    PATH: {
        "post": event_operation(
            "Log the audit events of a Kubernetes API server",
            {JSON: {"oneOf": [{"$ref": "#/components/schemas/KubernetesEventList"}, _ALONE]}},
            description=f"What its audit webhook sends: {LIST} or {EVENT} of {VERSION}. auditID and stage name an event.",
        )
    }
}
"""Description in OpenAPI."""
