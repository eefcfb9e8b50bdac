"""Reads ``Content-Type``, and refuses what a route does not read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import Request

from telemetry.gateway.request.refused_request import RefusedRequestError

JSON = "application/json"
LINES = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"))
"""Names under which JSON lines are sent; none is registered."""
_CHARSET = re.compile(r"""(?:^|;)\s*charset\s*=\s*("[^"]*"|[^;\s]*)""", re.IGNORECASE)


class MediaType(NamedTuple):
    """What a body is.

    Attributes:
        name: Type and subtype in small letters; empty where the request does not say it.
        charset: Its encoding; UTF-8 where the request does not say it.
    """

    name: str
    charset: str


def media_type_of(request: Request) -> MediaType:
    """Return what the header ``Content-Type`` says (RFC 9110 section 8.3)."""
    name, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = _CHARSET.search(parameters) if parameters else None
    return MediaType(name.strip().lower(), charset[1] if charset else "utf-8")


def refuse_media_type(accepted: Sequence[str]) -> RefusedRequestError:
    """Return the error for a body of another type; it says which are read (RFC 9110 section 15.5.16)."""
    detail = f"Content-Type is none that is read here; send {' or '.join(accepted)}"
    return RefusedRequestError(415, detail, headers={"accept": ", ".join(accepted)})
