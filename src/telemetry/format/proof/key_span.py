"""Names the data keys that sealed the records of an interval: which key, from which record to which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.exceptions import FormatError
from telemetry.format.value.jwe import is_kid
from telemetry.format.value.message import MAX_SEQUENCE

MAX_KEY_SPANS = 64
"""Data keys of one checkpoint that a reader accepts."""
MAX_WRITTEN_SPANS = 48
"""Data keys of one checkpoint that a writer names: former versions read 64 lines after the root, of whatever kind."""

_SEQUENCE = r"(0|[1-9][0-9]{0,15})"
_SPAN = re.compile(rf"([A-Za-z0-9_-]{{43}}) {_SEQUENCE} {_SEQUENCE}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeySpan:
    """The records that one data key has sealed.

    Attributes:
        kid: Commitment to the key, as the JWE header names it.
        first: Sequence of the first record.
        last: Sequence of the last one.
    """

    kid: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.kid} {self.first} {self.last}"


def parse_spans(texts: Sequence[str]) -> tuple[KeySpan, ...]:
    """Read spans, each as ``KID FIRST LAST``.

    Raises:
        FormatError: One is malformed, or there are too many.
    """
    if len(texts) > MAX_KEY_SPANS:
        message = f"the checkpoint names more than {MAX_KEY_SPANS} data keys"
        raise FormatError(message)
    return tuple(_parse_span(text) for text in texts)


def require_cover(spans: Sequence[KeySpan], start: int, end: int) -> None:
    """Check that spans cover the records from ``start`` up to ``end``, in order and without overlap; or that there are none.

    Raises:
        FormatError: A record would have no key, or two.
    """
    following = start
    for span in spans:
        if span.first != following or span.last < span.first:
            message = "the checkpoint's data keys overlap, or leave records out"
            raise FormatError(message)
        following = span.last + 1
    if spans and following != end:
        message = "the checkpoint's data keys do not end where its interval does"
        raise FormatError(message)


def _parse_span(text: str) -> KeySpan:
    match = _SPAN.fullmatch(text)
    if not match or not is_kid(match[1]) or int(match[3]) > MAX_SEQUENCE:
        message = "the checkpoint names a data key that is not KID FIRST LAST"
        raise FormatError(message)
    return KeySpan(match[1], int(match[2]), int(match[3]))
