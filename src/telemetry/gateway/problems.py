"""Renders errors as ``application/problem+json`` (RFC 9457): what is wrong and what to do, never what was sent."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


def problem_response(status: int, detail: str, *, retry_after: float | None = None, close: bool = False) -> Response:
    """Return an error answer.

    Args:
        status: HTTP status, 400 to 599.
        detail: What is wrong, and what to do about it; no content of the request.
        retry_after: Seconds after which the same request may be accepted (RFC 9110, section 10.2.3).
        close: Whether the connection ends with this answer.
    """
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    if close:
        headers["Connection"] = "close"
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type=MEDIA_TYPE)
