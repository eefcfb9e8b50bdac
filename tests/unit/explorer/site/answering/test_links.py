from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from telemetry.explorer.access.own_path import is_plain_path, safe_next
from telemetry.explorer.site.answering.links import entity_url, event_url, user_url

ODD = [
    "..",
    ".",
    "a/b",
    "a//b",
    "\\x",
    "\x00",
    "\x1f",
    "é",
    "a b",
    "%2e%2e",
    "?x=1",
    "#x",
    "javascript:alert(1)//",
    "\u202e",
    "x" * 300,
]


@pytest.mark.parametrize("text", ODD)
def test_odd_id_becomes_a_value_of_the_query(text: str) -> None:
    for url, name in ((event_url(text), "id"), (user_url(text), "id"), (entity_url("order", text), "id")):
        parts = urlsplit(url)

        assert is_plain_path(parts.path)
        assert parse_qs(parts.query)[name] == [text]
        assert safe_next(url) == url


def test_plain_id_is_a_segment() -> None:
    assert event_url("01998000-0000-7000-8000-000000000000") == "/events/01998000-0000-7000-8000-000000000000"
    assert user_url("ada@example.com") == "/history/user/ada%40example.com"
    assert entity_url("order", "77") == "/history/entity/order/77"


def test_kind_alone_has_a_history() -> None:
    assert entity_url("order", None) == "/history/entity?kind=order"
