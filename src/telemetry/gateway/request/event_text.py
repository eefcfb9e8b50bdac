"""Decodes the text of one event exactly, within the bounds of nesting and size, and says what is wrong without quoting it."""

from __future__ import annotations

import re
from typing import Any

from telemetry.exceptions import EventError, EventTooLargeError
from telemetry.gateway.request.json_text import is_shallow
from telemetry.ingest.exact import decoded_exactly

MAX_BYTES = 1 << 20
"""Text of one event; what is longer is not decoded, because that would keep other requests waiting."""

_OPTION = re.compile(r";[^;]*--[a-z].*$", re.DOTALL)


def decoded_event(text: bytes, max_depth: int) -> Any:
    """Return the JSON value of an event's text, which says all that the text says.

    Args:
        text: The text.
        max_depth: Most brackets open at once.

    Raises:
        EventError: It is not JSON; nested too deeply; has a name twice in an object, or a number that a double cannot keep.
        EventTooLargeError: It is too long to be decoded.
    """
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
