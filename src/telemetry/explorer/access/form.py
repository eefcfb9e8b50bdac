"""Reads the body of a form: URL-encoded, and bounded before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from telemetry.explorer.access.refused import Refused

MAX_BODY = 1 << 20
"""Bytes of a form: a basket of 1,000 ids fits many times."""
MAX_FIELDS = 2_000
_MEDIA_TYPE = "application/x-www-form-urlencoded"
_UNREADABLE = "The form cannot be read. Go back, load the page again and send it once more."


class Form:
    """The fields of a form, each with one or several texts. Its ``repr`` shows none of them.

    Args:
        fields: Names and texts, in the order of the form.
    """

    def __init__(self, fields: Sequence[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, text in fields:
            self._fields.setdefault(name, []).append(text)

    def __repr__(self) -> str:
        return f"Form({len(self._fields)} fields)"

    def get(self, name: str, default: str = "") -> str:
        """Return the first text of a field."""
        return self._fields.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        """Return every text of a field."""
        return list(self._fields.get(name, ()))

    def names(self) -> list[str]:
        """Return the names of the fields."""
        return list(self._fields)


async def read_form(request: Request) -> Form:
    """Read the form of a request.

    Raises:
        Refused: It is no URL-encoded form, too large, or not UTF-8.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise Refused(415, "bad_form", "Send the form of the page; nothing else is read here.")
    body = await _read_body(request)
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, encoding="utf-8"
        )
    except ValueError as exc:
        raise Refused(400, "bad_form", _UNREADABLE) from exc
    if any("\x00" in text for field in fields for text in field):
        raise Refused(400, "bad_form", _UNREADABLE)
    return Form(fields)


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                raise Refused(413, "body_too_large", "The form is larger than the explorer reads.")
    except ClientDisconnect as exc:
        raise Refused(400, "bad_form", _UNREADABLE) from exc
    return bytes(body)
