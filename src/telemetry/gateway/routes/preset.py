"""Takes the logs of other makers as the presets of ``telemetry log`` read them: ``POST /v1/preset/NAME``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.exceptions import EventError, InputError
from telemetry.gateway.request.event_text import about_event, decoded_event
from telemetry.gateway.request.json_text import json_text
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.routes.described import event_operation
from telemetry.gateway.routes.media_types import JSON, LINES, media_type_of, refuse_media_type
from telemetry.gateway.submission.event_call import EventCall
from telemetry.gateway.submission.event_request import answer_events, refused_answer
from telemetry.ingest.framing import compression
from telemetry.ingest.framing.byte_source import WholeText
from telemetry.ingest.framing.documents import ItemsPath
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.input import JsonInput
from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.ingest.mapping.preset_file import load_preset, preset_names
from telemetry.ingest.wrapper import wrapped_list

PATH = "/v1/preset/{name}"
ACCEPTED = (JSON, "application/x-ndjson")

_LARGE = 1 << 16
"""Bytes above which the event loop does other work while a body is taken apart."""


class PresetReader:
    """Reads what a service delivers: lines, one document, or several.

    Args:
        name: Name of a packaged preset.
        max_depth: Most brackets open at once in one event.
    """

    def __init__(self, name: str, max_depth: int) -> None:
        self._mapping = mapping_of(name)
        self._max_depth = max_depth

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[Frame]:
        """Return the text of each event; arguments and errors as those of ``EventReader``."""
        text = json_text(body, charset=media_type_of(request).charset)
        if text.startswith(compression.MAGIC):
            raise RefusedRequestError(415, "the body is compressed; send it with Content-Encoding: gzip")
        if len(text) > _LARGE:
            return await asyncio.to_thread(self._frames, text, limits.max_events)
        return self._frames(text, limits.max_events)

    def read(self, text: Frame, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for one event; the maker's own id is a better key than that of the request."""
        if text.fault or text.is_open:
            raise about_event(EventError(text.fault or "is not complete; send the whole of it"))
        line = decoded_event(text.data, self._max_depth)
        if wrapped_list(line) is not None:
            message = "the event is an object around a list that this preset does not know; send the items of the list"
            raise EventError(message)
        try:
            event_type, payload, user_id, fields = self._mapping.event(line)
        except EventError as exc:
            raise about_event(exc) from exc
        if key is not None:
            fields.setdefault("idempotency_key", key)
        return EventCall(event_type, payload, user_id, fields)

    def _frames(self, text: bytes, max_events: int) -> list[Frame]:
        items = self._mapping.items
        path = None if items is None else ItemsPath(tuple(items.split(".")), is_required=False)
        try:
            frames = list(islice(JsonInput(WholeText(text), path), max_events + 1))
        except InputError as exc:
            detail = "the body cannot be taken apart as JSON lines or documents; no event of it was logged"
            raise RefusedRequestError(400, detail) from exc
        if len(frames) > max_events:
            raise RefusedRequestError(413, f"the request has more than {max_events} events; send smaller batches")
        if not frames:
            raise RefusedRequestError(400, "the request has no event; send at least one")
        return frames


@cache
def mapping_of(name: str) -> LineMapping:
    """Return the mapping of a packaged preset; the event loop's thread is the only one that uses it."""
    return LineMapping(load_preset(name))


@cache
def known_names() -> frozenset[str]:
    """Return the names of the packaged presets."""
    return frozenset(preset_names())


async def post_preset(request: Request) -> Response:
    """Log the events of a request as a preset reads them, and say what became of each."""
    name = request.path_params["name"]
    kind = media_type_of(request).name
    try:
        if name not in known_names():
            detail = f"there is no preset of this name; presets are {', '.join(sorted(known_names()))}"
            raise RefusedRequestError(404, detail)  # noqa: TRY301 - one place answers
        if kind not in {JSON, "", *LINES}:
            raise refuse_media_type(ACCEPTED)
    except RefusedRequestError as exc:
        return refused_answer(request, exc)
    return await answer_events(request, PresetReader(name, request.app.state.gateway.limits.max_depth))


ROUTES = (Route(PATH, post_preset, methods=["POST"]),)

_OBJECT = {"type": "object", "description": "A line as the service writes it, or its document with a list of them."}
PATHS = {
    PATH: {
        "post": event_operation(
            "Log what another maker's service logged",
            {
                JSON: {"oneOf": [_OBJECT, {"type": "array", "minItems": 1, "items": _OBJECT}]},
                "application/x-ndjson": {"type": "string", "description": "An object in each line."},
            },
            description="Lines, an array or a document, read as `telemetry log --preset NAME` reads them.",
            parameters=(
                {
                    "name": "name",
                    "in": "path",
                    "required": True,
                    "description": "Name of the preset.",
                    "schema": {"enum": preset_names()},
                },
            ),
            statuses={404: "There is no such preset."},
        )
    }
}
"""Description in OpenAPI."""
