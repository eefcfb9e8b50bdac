"""Takes events in the gateway's own JSON and as CloudEvents: ``POST /v1/events``."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.gateway.request.event_text import EventText, decoded_event, with_large_ones_checked
from telemetry.gateway.request.json_text import json_text, split_array, split_lines
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.routes.cloudevents import (
    BATCH,
    CLOUDEVENT,
    STRUCTURED,
    BinaryReader,
    StructuredReader,
    is_binary,
)
from telemetry.gateway.routes.described import event_operation
from telemetry.gateway.routes.event_members import MEMBERS, REQUIRED, call_of
from telemetry.gateway.routes.media_types import JSON, LINES, media_type_of, refuse_media_type
from telemetry.gateway.submission.event_call import EventCall
from telemetry.gateway.submission.event_reader import EventReader
from telemetry.gateway.submission.event_request import answer_events, refused_answer

PATH = "/v1/events"
ACCEPTED = (JSON, "application/x-ndjson", STRUCTURED, BATCH)
"""What a body may be; a CloudEvent in binary mode may be anything."""


class OwnReader:
    """Reads one object, an array of them, or JSON lines.

    Args:
        max_depth: Most brackets open at once in one event.
        has_lines: Whether each line is an event.
    """

    def __init__(self, max_depth: int, *, has_lines: bool) -> None:
        self._max_depth = max_depth
        self._has_lines = has_lines

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[EventText]:
        """Return the text of each event; arguments and errors as those of ``EventReader``."""
        text = json_text(body, charset=media_type_of(request).charset)
        if self._has_lines:
            texts = split_lines(text, max_events=limits.max_events)
        elif text.startswith(b"["):
            texts = await split_array(text, max_events=limits.max_events)
        else:
            texts = [text]
        return await with_large_ones_checked(texts, self._max_depth)

    def read(self, text: EventText, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for one event."""
        return call_of(decoded_event(text, self._max_depth), key)


async def post_events(request: Request) -> Response:
    """Log the events of a request, and say what became of each."""
    try:
        reader = _reader_for(request)
    except RefusedRequestError as exc:
        return refused_answer(request, exc)
    return await answer_events(request, reader)


def _reader_for(request: Request) -> EventReader[EventText]:
    name = media_type_of(request).name
    max_depth: int = request.app.state.gateway.limits.max_depth
    if name in {STRUCTURED, BATCH}:
        return StructuredReader(max_depth, is_batch=name == BATCH)
    if is_binary(request):
        return BinaryReader(request, max_depth)
    # Where nothing is said it is JSON: the only thing that a caller can mean.
    if name in {JSON, ""} or name in LINES:
        return OwnReader(max_depth, has_lines=name in LINES)
    raise refuse_media_type(ACCEPTED)


ROUTES = (Route(PATH, post_events, methods=["POST"]),)

_EVENT = {"$ref": "#/components/schemas/Event"}
_CLOUDEVENT = {"$ref": "#/components/schemas/CloudEvent"}
SCHEMAS = {
    "Event": {
        "type": "object",
        "description": "The arguments of log(); other members are refused.",
        "required": list(REQUIRED),
        "properties": dict(MEMBERS),
        "additionalProperties": False,
    },
    "CloudEvent": CLOUDEVENT,
}
PATHS = {
    PATH: {
        "post": event_operation(
            "Log events",
            {
                JSON: {"oneOf": [_EVENT, {"type": "array", "minItems": 1, "items": _EVENT}]},
                "application/x-ndjson": {"type": "string", "description": "An Event in each line."},
                STRUCTURED: _CLOUDEVENT,
                BATCH: {"type": "array", "minItems": 1, "items": _CLOUDEVENT},
                "*/*": {"description": "The data of a CloudEvent whose attributes are ce- headers (binary mode)."},
            },
            description="The gateway's own JSON, one event or several, or CloudEvents 1.0. A mistake in one event refuses no other.",
        )
    }
}
"""Description in OpenAPI."""
