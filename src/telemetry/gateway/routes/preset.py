"""Takes the logs of other makers as the presets of ``telemetry log`` read them: ``POST /v1/preset/NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.exceptions import EventError
from telemetry.gateway.request.document import ListPath
from telemetry.gateway.request.event_text import EventText, about_event, decoded_event, with_large_ones_checked
from telemetry.gateway.request.json_text import is_one_value, json_text, require_number, split_array, split_lines
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.routes.described import event_operation
from telemetry.gateway.routes.media_types import JSON, LINES, media_type_of, refuse_media_type
from telemetry.gateway.submission.event_call import EventCall
from telemetry.gateway.submission.event_request import answer_events, refused_answer
from telemetry.ingest.framing import compression
from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.ingest.mapping.preset_file import load_preset, preset_names
from telemetry.ingest.wrapper import wrapped_list

PATH = "/v1/preset/{name}"
ACCEPTED = (JSON, "application/x-ndjson")


class PresetReader:
    """Reads what a service delivers: lines, an array, or a document with a list.

    Args:
        name: Name of a packaged preset.
        max_depth: Most brackets open at once in one event.
    """

    def __init__(self, name: str, max_depth: int) -> None:
        self._mapping = mapping_of(name)
        self._items = items_of(name)
        self._max_depth = max_depth

    async def split(self, body: bytes, request: Request, limits: GatewayLimits) -> Sequence[EventText]:
        """Return the text of each event; arguments and errors as those of ``EventReader``."""
        kind = media_type_of(request)
        text = json_text(body, charset=kind.charset)
        if text.startswith(compression.MAGIC):
            raise RefusedRequestError(415, "the body is compressed; send it with Content-Encoding: gzip")
        if text.startswith(b"["):
            texts = await split_array(text, max_events=limits.max_events)
        elif kind.name not in LINES and is_one_value(text):
            texts = [text]
        else:
            texts = split_lines(text, max_events=limits.max_events)
        if self._items is not None:
            texts = await _expanded(texts, self._items, limits.max_events)
        return await with_large_ones_checked(texts, self._max_depth)

    def read(self, text: EventText, key: str | None) -> EventCall:
        """Return the arguments of ``log()`` for one event; the maker's own id is a better key than that of the request."""
        line = decoded_event(text, self._max_depth)
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


async def _expanded(texts: list[bytes], items: ListPath, max_events: int) -> list[bytes]:
    """Return the texts, and in the place of each document the items of its list."""
    expanded: list[bytes] = []
    for text in texts:
        found = items.list_in(text)
        expanded += [text] if found is None else await split_array(found, max_events=max_events, may_be_empty=True)
        require_number(len(expanded), max_events, may_be_empty=True)
    require_number(len(expanded), max_events)
    return expanded


@cache
def mapping_of(name: str) -> LineMapping:
    """Return the mapping of a packaged preset; the event loop's thread is the only one that uses it."""
    return LineMapping(load_preset(name))


@cache
def items_of(name: str) -> ListPath | None:
    """Return where a packaged preset finds the events of a document; None if its service delivers none."""
    items = mapping_of(name).items
    return None if items is None else ListPath(*items.split("."))


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
