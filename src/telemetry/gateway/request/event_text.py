"""Decodes the text of one event exactly, within the bounds of nesting and size, and says what is wrong without quoting it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, final

from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.gateway.request.json_text import is_shallow
from telemetry.ingest.exact import decoded_exactly

MAX_BYTES = 1 << 20
"""Text of one event; what is longer is not decoded, because that would keep other requests waiting."""

_LARGE = 1 << 15
_OPTION = re.compile(r";[^;]*--[a-z].*$", re.DOTALL)


@final
class UnfitText(NamedTuple):
    """Why a text is no event: not the error itself, whose frames would keep all texts in memory.

    Attributes:
        kind: Class of the error.
        reason: Its message.
    """

    kind: type[EventError]
    reason: str


EventText = bytes | UnfitText
"""The text of an event, or why it is none."""


async def with_large_ones_checked(texts: Sequence[bytes], max_depth: int) -> Sequence[EventText]:
    """Return the texts; of a large one that cannot be decoded, the reason.

    To find what is wrong with a large text can take a second. Here it does so beside the event loop.

    Args:
        texts: The texts.
        max_depth: Most brackets open at once.
    """
    checked: list[EventText] = list(texts)
    for index, text in enumerate(texts):
        if len(text) > _LARGE:
            try:
                await asyncio.to_thread(decoded_event, text, max_depth)
            except EventError as exc:
                checked[index] = UnfitText(type(exc), str(exc))
    return checked


def decoded_event(text: EventText, max_depth: int) -> Any:
    """Return the JSON value of an event's text, which says all that the text says.

    Args:
        text: The text.
        max_depth: Most brackets open at once.

    Raises:
        EventError: It is not JSON; nested too deeply; has a name twice in an object, or a number that a double cannot keep.
        EventTooLargeError: It is too long to be decoded.
    """
    if type(text) is UnfitText:
        raise text.kind(text.reason)
    if len(text) > MAX_BYTES:
        message = f"the event has more than {MAX_BYTES} bytes as it was sent; send less, or a reference to it"
        raise EventTooLargeError(message)
    # Nearly every event has too few brackets to be nested deeply.
    if text.count(b"{") + text.count(b"[") > max_depth and not is_shallow(text, max_depth):
        message = f"the event is nested deeper than {max_depth} brackets; send a flatter one"
        raise EventError(message)
    try:
        return decoded_exactly(text)
    except EventError as exc:
        raise about_event(exc) from exc


def about_event(error: EventError) -> EventError:
    """Return what is wrong with a line of ``telemetry log`` as a sentence about an event, without that command's options."""
    reason = _OPTION.sub("", str(error))
    if "number that" in reason:
        reason += "; send it as a text"
    return type(error)(f"the event {reason}")
