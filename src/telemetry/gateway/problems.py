"""Renders errors as ``application/problem+json`` (RFC 9457): what is wrong and what to do, never what was sent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Names of RFC 9110 that older versions of Python do not know."""


def problem_response(
    status: int,
    detail: str,
    *,
    retry_after: float | None = None,
    close: bool = False,
    headers: Mapping[str, str] = _NO_HEADERS,
    events: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """Return an error answer.

    Args:
        status: HTTP status, 400 to 599.
        detail: What is wrong, and what to do about it; no content of the request.
        retry_after: Seconds after which the same request may be accepted (RFC 9110, section 10.2.3).
        close: Whether the connection ends with this answer.
        headers: Further headers.
        events: What became of each event, if the request could be taken apart.
    """
    further = dict(headers)
    if retry_after is not None:
        further["Retry-After"] = str(max(1, math.ceil(retry_after)))
    if close:
        further["Connection"] = "close"
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if events:
        body["events"] = events
    return Response(msgspec.json.encode(body), status_code=status, headers=further, media_type=MEDIA_TYPE)
