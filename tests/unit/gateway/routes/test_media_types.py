from __future__ import annotations

import pytest

from telemetry.gateway.routes.media_types import MediaType, media_type_of, refuse_media_type
from tests.support.gateway.requests import request_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ("", "utf-8")),
        ("", ("", "utf-8")),
        ("application/json", ("application/json", "utf-8")),
        ("Application/JSON ; Charset=UTF-8", ("application/json", "UTF-8")),
        ('text/plain; format=flowed; charset="latin-1"', ("text/plain", '"latin-1"')),
        ("text/plain; xcharset=latin-1", ("text/plain", "utf-8")),
        ("text/plain; charset", ("text/plain", "utf-8")),
        (";;;charset=a", ("", "a")),
        ("x" * 5_000, ("x" * 5_000, "utf-8")),
    ],
    ids=["none", "empty", "json", "case", "quoted", "other parameter", "no value", "no type", "long"],
)
def test_media_type_and_charset(header: str | None, expected: tuple[str, str]) -> None:
    request = request_of([], {} if header is None else {"Content-Type": header})
    assert media_type_of(request) == MediaType(*expected)


def test_refusal_says_what_is_read() -> None:
    refused = refuse_media_type(("application/json", "text/plain"))
    assert (refused.status, refused.headers["accept"]) == (415, "application/json, text/plain")
