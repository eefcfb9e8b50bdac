"""Recognizes paths of the explorer itself, so that no redirect leads anywhere else."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.requests import Request

_MAX = 4_096
# One slash at the beginning, then what RFC 3986 allows in a path and a query: no backslash, no control character, no fragment.
_PLAIN = re.compile(r"/(?![/\\])[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*", re.ASCII)
_ODD = re.compile(r"[\\\x00-\x1f\x7f]")


def safe_next(text: str) -> str:
    """Return a path of the explorer as it is, and ``/`` instead of anything else.

    Args:
        text: What came from outside.
    """
    if len(text) > _MAX or _PLAIN.fullmatch(text) is None or not is_plain_path(text.partition("?")[0]):
        return "/"
    return text


def path_of(request: Request) -> str:
    """Return path and query of a request, as a visitor can be sent back to them."""
    query = request.scope.get("query_string", b"").decode("latin-1")
    raw = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or request.scope["path"]
    return safe_next(f"{raw}?{query}" if query else raw)


def is_plain_path(raw: str) -> bool:
    """Return whether a path, as it was sent, has one meaning alone.

    Refused are empty segments, ``.`` and ``..``, backslashes and control characters, also percent-encoded: proxies and
    applications do not agree on them.
    """
    try:
        meant = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return False
    if not meant.startswith("/") or _ODD.search(meant):
        return False
    segments = meant[1:].split("/")
    return not any(segment in (".", "..") for segment in segments) and "" not in segments[:-1]
