from __future__ import annotations

import pytest

from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.gateway.request.event_text import MAX_BYTES, UnfitText, decoded_event, with_large_ones_checked


def test_value_of_a_text() -> None:
    assert decoded_event(b'{"a": [1.5, "x"]}', 2) == {"a": [1.5, "x"]}


def test_nesting_is_bounded_before_decoding() -> None:
    assert decoded_event(b"[" * 8 + b"]" * 8, 8)
    with pytest.raises(EventError, match="nested deeper than 8"):
        decoded_event(b"[" * 9 + b"]" * 9, 8)


def test_size_is_bounded_before_decoding() -> None:
    with pytest.raises(EventTooLargeError):
        decoded_event(b"x" * (MAX_BYTES + 1), 8)


async def test_large_text_is_checked_beside_the_loop() -> None:
    wrong = b'{"a": 1, "text": "%b", "a": 2}' % (b"x" * 40_000)
    right = b'{"text": "%b"}' % (b"x" * 40_000)
    small = b"{"
    checked = await with_large_ones_checked([wrong, right, small], 8)
    assert isinstance(checked[0], UnfitText)
    assert checked[1:] == [right, small]
    with pytest.raises(EventError, match="name twice"):
        decoded_event(checked[0], 8)
