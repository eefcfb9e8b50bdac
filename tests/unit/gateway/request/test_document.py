from __future__ import annotations

import pytest

from telemetry.gateway.request.document import MAX_BESIDE, ListPath
from telemetry.gateway.request.refused_request import RefusedRequestError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"Records": [1, {"a": 2}], "next": null}', b'[1, {"a": 2}]'),
        (b'{"\\u0052ecords": [1], "note": "Records"}', b"[1]"),
        (b'{"Records": {"a": 1}}', None),
        (b'{"other": [1]}', None),
        (b'{"Records": [1]', None),
        (b'["Records"]', None),
        (b'"Records"', None),
        (b'{"Records": []}', b"[]"),
    ],
)
def test_list_of_a_document(text: bytes, found: bytes | None) -> None:
    assert ListPath("Records").list_in(text) == found


def test_list_below_several_names() -> None:
    path = ListPath("data", "events")
    assert path.list_in(b'{"ok": true, "data": {"count": 1, "events": [{}]}}') == b"[{}]"
    assert path.list_in(b'{"data": [], "events": [1]}') is None
    assert path.list_in(b'{"data": {"other": 1}, "events": 2}') is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"Records": [1], "Records": [2]}',
        b'{"Records": [1], "Records": [1]}',
        b'{"Records": [1], "\\u0052ecords": [2]}',
        b'{"a": 1, "Records": [1], "a": 2}',
        b'{"Records": [1], "n": 0.10000000000000000001}',
        b'{"Records": [1], "padding": "%b"}' % (b"x" * MAX_BESIDE),
    ],
    ids=["two lists", "equal lists", "escaped name", "other name", "number", "much beside it"],
)
def test_document_that_its_value_would_not_repeat_is_400(text: bytes) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        ListPath("Records").list_in(text)
    assert caught.value.status == 400
