"""Writes any JSON value as one line of text of a bounded length, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

_encoder = json.JSONEncoder(ensure_ascii=False, default=str)


def json_text(value: Any, *, most: int) -> str:
    """Return a value as a text: a text as it is, everything else as JSON; it is cut with an ellipsis.

    Args:
        value: Any JSON value.
        most: Characters of the result.
    """
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    parts: list[str] = []
    length = 0
    try:
        # Piece by piece: of a value with 100,000 members only the beginning is written.
        for part in _encoder.iterencode(value):
            parts.append(part)
            length += len(part)
            if length > most:
                return "".join(parts)[: most - 1] + "…"
    except (ValueError, RecursionError):  # an integer of more digits than Python writes, or a nesting without end
        return "(a value that cannot be written as text)"
    return "".join(parts)
