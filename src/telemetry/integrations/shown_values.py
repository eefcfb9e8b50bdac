"""Renders what an event of any database integration shows of a masked, long or binary value."""

from __future__ import annotations

import hashlib
from typing import Any

MASKED = "[masked]"
"""Stands for both values of a field that must not be seen."""

MAX_CHARACTERS = 1_024
"""Longest text that is shown whole."""

_BEGINNING = 64


def bounded_text(text: str) -> str | dict[str, Any]:
    """Return a text, or its length, beginning and SHA-256 where it is long."""
    if len(text) <= MAX_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"characters": len(text), "begin": text[:_BEGINNING], "sha256": digest}


def binary_digest(content: bytes | bytearray | memoryview) -> dict[str, Any]:
    """Return the length and the SHA-256 of binary content, which is never shown itself."""
    data = bytes(content)
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
