"""Answers with a file that the browser saves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def download(data: bytes, *, name: str, media_type: str) -> Response:
    """Return a file.

    Args:
        data: Its content.
        name: What it is called: letters, digits, dots, hyphens and underscores.
        media_type: What it is.

    Raises:
        ValueError: The name is none for a file.
    """
    return Response(data, media_type=media_type, headers=_headers(name))


def streamed(pieces: AsyncIterator[bytes], *, name: str, media_type: str) -> Response:
    """Return a file whose pieces are created while it is sent; arguments and errors as :func:`download`."""
    return StreamingResponse(pieces, media_type=media_type, headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    # Nothing of an event or a person is in a name. A name from outside could leave the folder, or end the header.
    if _NAME.fullmatch(name) is None:
        message = "this is no name for a file"
        raise ValueError(message)
    return {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
