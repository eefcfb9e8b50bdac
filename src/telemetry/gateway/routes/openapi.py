"""Describes the gateway in OpenAPI 3.1, out of what its routes check: ``GET /v1/openapi.json``."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.gateway.routes import events, kubernetes, otlp_description, preset
from telemetry.gateway.routes.described import ERRORS, SCHEMAS, problem_answer
from telemetry.gateway.routes.media_types import JSON
from telemetry.version import __version__

PATH = "/v1/openapi.json"

_ANYWHERE = (400, 401, 403, 429, 503)
"""Errors that a request without a body can be answered with."""
_JSON_ANSWER = {"content": {JSON: {"schema": {"type": "object"}}}}
_OBSERVED: dict[str, Any] = {
    "/healthz": {
        "get": {
            "summary": "Ask whether the process is alive",
            "security": [],
            "responses": {"200": {"description": "It is.", **_JSON_ANSWER}},
        }
    },
    "/readyz": {
        "get": {
            "summary": "Ask whether events are accepted safely",
            "security": [],
            "responses": {
                "200": {"description": "They are.", **_JSON_ANSWER},
                "503": {"description": "They are not.", **_JSON_ANSWER},
            },
        }
    },
    "/metrics": {
        "get": {
            "summary": "Read the metrics, at the admin address alone",
            "security": [],
            "responses": {
                "200": {"description": "Text of Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}
            },
        }
    },
}


def description() -> dict[str, Any]:
    """Return the description as OpenAPI 3.1 has it."""
    own = {
        PATH: {
            "get": {
                "summary": "Read this description",
                "responses": {
                    "200": {"description": "OpenAPI 3.1.", **_JSON_ANSWER},
                    **{str(status): problem_answer(ERRORS[status], status=status) for status in _ANYWHERE},
                },
            }
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "telemetry gateway",
            "version": __version__,
            "summary": "Takes audit events of services in any language.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"certificate": []}],
        "paths": {**events.PATHS, **kubernetes.PATHS, **otlp_description.PATHS, **preset.PATHS, **own, **_OBSERVED},
        "components": {
            "schemas": {**SCHEMAS, **events.SCHEMAS, **kubernetes.SCHEMAS, **otlp_description.SCHEMAS},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "certificate": {"type": "mutualTLS"},
            },
        },
    }


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(description())


async def get_openapi(request: Request) -> Response:
    """Answer with the description of every route."""
    del request
    return Response(_encoded(), media_type=JSON)


ROUTES = (Route(PATH, get_openapi, methods=["GET"]),)
