"""Builds requests as Starlette sees them, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request


class Bounds(NamedTuple):
    """Bounds of a body, small enough for tests."""

    max_body_bytes: int = 1_000
    max_inflated_bytes: int = 4_000


def request_of(
    pieces: Sequence[bytes], headers: Mapping[str, str] | Sequence[tuple[str, str]] = (), *, is_cut: bool = False
) -> Request:
    """Return a request whose body comes in these pieces; cut, the connection ends before the last one."""
    listed = headers.items() if isinstance(headers, Mapping) else headers
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/events",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in listed],
    }
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append(
        {"type": "http.disconnect"} if is_cut else {"type": "http.request", "body": b"", "more_body": False}
    )
    left = iter(messages)

    async def receive() -> Any:
        return next(left)

    return Request(scope, receive)
