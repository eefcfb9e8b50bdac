"""Names a request: by the id that a caller gave it, or by a new one."""

from __future__ import annotations

import re

from uuid_utils import uuid7

# The forms in use: UUIDs, ULIDs, Cloudflare's and Heroku's ids, AWS's `Root=1-...`. No space, quote or control character.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@~-]{0,127}", re.ASCII)
# https://www.w3.org/TR/trace-context/#traceparent-header: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def correlation_id(request_id: str | None, *, traceparent: str | None) -> str:
    """Return what all events of a request have in common.

    Args:
        request_id: ``X-Request-ID``; not used unless it looks like an id.
        traceparent: The header of that name; its trace id is used if there is no request id.
    """
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        return request_id
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent is not None and len(traceparent) <= 256 else None  # noqa: PLR2004 - far above the 55 characters of version 00
    return found[1] if found else str(uuid7())
