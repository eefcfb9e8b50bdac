"""Describes in OpenAPI 3.1 what all routes that take events have in common: their headers, answers and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telemetry.gateway.problems import MEDIA_TYPE as PROBLEM
from telemetry.gateway.request.body import CODINGS
from telemetry.gateway.request.idempotency import KEY_PATTERN
from telemetry.gateway.request.prefer import LEVELS
from telemetry.gateway.routes.media_types import JSON

JsonObject = dict[str, Any]

_ID = {"type": "string", "format": "uuid"}
_REACHED = ["accepted", "durable", "stored", "delivered", "unsent"]
_STATUS = {"type": "integer", "minimum": 400, "maximum": 599}
_LOGGED = {
    "id": {**_ID, "description": "UUIDv7 of the event."},
    "producer": {**_ID, "description": "The stream of the caller's service at this gateway."},
    "sequence": {"type": "integer", "minimum": 0, "description": "Its number in that stream."},
    "level": {"enum": _REACHED, "description": "What was reached, and never more."},
}
_REFUSED: JsonObject = {
    "type": "object",
    "required": ["status", "reason"],
    "properties": {"status": _STATUS, "reason": {"type": "string"}},
    "additionalProperties": False,
}

SCHEMAS: Mapping[str, JsonObject] = {
    "Logged": {
        "type": "object",
        "required": ["events"],
        "properties": {
            "events": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": list(_LOGGED),
                    "properties": _LOGGED,
                    "additionalProperties": False,
                },
            }
        },
        "additionalProperties": False,
    },
    "PartlyLogged": {
        "type": "object",
        "required": ["events"],
        "properties": {
            "events": {
                "type": "array",
                "minItems": 2,
                "items": {
                    "oneOf": [
                        {
                            "type": "object",
                            "required": ["status", *_LOGGED],
                            "properties": {"status": {"const": 202}, **_LOGGED},
                            "additionalProperties": False,
                        },
                        _REFUSED,
                    ]
                },
            }
        },
        "additionalProperties": False,
    },
    "Problem": {
        "type": "object",
        "description": "An error as RFC 9457 describes it; nothing of the request is in it.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": _STATUS,
            "detail": {"type": "string", "description": "What is wrong, and what to do."},
            "events": {"type": "array", "items": _REFUSED, "description": "Of each event, why it was refused."},
        },
        "additionalProperties": False,
    },
}
"""Schemas that the answers name."""

RETRY_STATUSES = (429, 503)
"""Statuses after which the same request may be accepted."""
RETRY_AFTER: JsonObject = {
    "Retry-After": {
        "description": "Seconds after which the same request may be accepted (RFC 9110 section 10.2.3).",
        "schema": {"type": "integer", "minimum": 1},
    }
}
PREFERENCE_APPLIED: JsonObject = {
    "Preference-Applied": {"description": "What was understood of Prefer.", "schema": {"type": "string"}}
}

ERRORS = {
    400: "The request cannot be read.",
    401: "The caller is not known.",
    403: "The caller may not log here.",
    408: "The body did not arrive in time.",
    413: "The body, the number of events or an event is too large.",
    415: "The body is of a type, an encoding or a compression that is not read.",
    422: "No event of the request can be accepted, however often it is sent.",
    429: "The quota, the queue or the gateway is full; the same request may be accepted later.",
    503: "There is no data key, or the gateway is ending; the same request may be accepted later.",
}
"""What a request may be refused with."""


def event_operation(
    summary: str,
    content: Mapping[str, JsonObject],
    *,
    description: str,
    parameters: tuple[JsonObject, ...] = (),
    statuses: Mapping[int, str] | None = None,
) -> JsonObject:
    """Return the description of a POST that takes events.

    Args:
        summary: What it does, in a few words.
        content: Schema of the body by media type.
        description: How the body is read.
        parameters: Parameters that other routes do not have.
        statuses: Errors that other routes do not have.
    """
    return {
        "summary": summary,
        "description": description,
        "parameters": [*parameters, *_PARAMETERS],
        "requestBody": {"required": True, "content": {name: {"schema": schema} for name, schema in content.items()}},
        "responses": {
            "202": _answer("Every event was accepted.", "Logged", PREFERENCE_APPLIED),
            "207": _answer(
                "Some events were accepted, and some were not.", "PartlyLogged", PREFERENCE_APPLIED | RETRY_AFTER
            ),
            **{
                str(status): problem_answer(text, status=status)
                for status, text in {**ERRORS, **(statuses or {})}.items()
            },
        },
    }


def problem_answer(text: str, *, status: int) -> JsonObject:
    """Return the description of an error."""
    return {
        "description": text,
        "headers": RETRY_AFTER if status in RETRY_STATUSES else {},
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_PARAMETERS: tuple[JsonObject, ...] = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same in each repeat of this request, such as a UUID: readers show each of its events once.",
        "schema": {"type": "string", "pattern": KEY_PATTERN},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": f"wait={'|'.join(LEVELS)}: the level to wait for; wait=SECONDS: for how long (RFC 7240).",
        "schema": {"type": "string"},
        "examples": {"durable": {"value": "wait=durable, wait=10"}},
    },
    {
        "name": "Content-Encoding",
        "in": "header",
        "description": "How the body is compressed.",
        "schema": {"enum": list(CODINGS)},
    },
)


def _answer(text: str, schema: str, headers: JsonObject) -> JsonObject:
    return {
        "description": text,
        "headers": headers,
        "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
