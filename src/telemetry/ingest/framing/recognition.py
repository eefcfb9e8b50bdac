"""Recognizes by the beginning of a text how its values are divided: by lines, as a sequence, or as documents."""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec

from telemetry.ingest.framing.documents import is_complete
from telemetry.ingest.framing.lines import SEPARATOR

_LONGEST_FIRST_LINE = 1 << 20
"""A longer one is not a line of a log; it is a document without line ends, as many exports are."""
_LINE_END = re.compile(rb"[\r\n]")
_SPACE = b" \t\r\n"


class Framing(Enum):
    """How the values of a text are divided."""

    LINES = auto()
    CR_LINES = auto()
    SEQUENCE = auto()
    DOCUMENTS = auto()


def recognize(head: bytes, *, is_whole: bool) -> Framing | None:
    """Return how a text is divided, or None if more of it must be known.

    Args:
        head: Its beginning.
        is_whole: Whether there is no more.
    """
    text = head.lstrip(_SPACE)
    first = text[:1]
    if first == b"{":
        return _of_object(text, is_whole=is_whole)
    if first == b"[":
        return _of_array(text, is_whole=is_whole)
    if first == SEPARATOR:
        return Framing.SEQUENCE
    return Framing.LINES if first or is_whole else None


def _of_array(text: bytes, *, is_whole: bool) -> Framing | None:
    """A bracket begins an array of objects, or a line such as ``[info] started``."""
    following = text[1:].lstrip(_SPACE)[:1]
    if following:
        return Framing.DOCUMENTS if following in b"{[]" else Framing.LINES
    return Framing.LINES if is_whole else None


def _of_object(text: bytes, *, is_whole: bool) -> Framing | None:
    match = _LINE_END.search(text)
    if match is None:
        if len(text) > _LONGEST_FIRST_LINE:
            return Framing.DOCUMENTS
        return Framing.LINES if is_whole else None
    line, end, following = text[: match.start()], match[0], text[match.end() :]
    if end == b"\r" and not following and not is_whole:
        return None  # A line feed may follow.
    is_carriage_return = end == b"\r" and not following.startswith(b"\n")
    if _is_json(line):
        return Framing.CR_LINES if is_carriage_return and following else Framing.LINES
    following = following.lstrip(_SPACE)
    if not following:
        return Framing.LINES if is_whole else None
    return Framing.DOCUMENTS if _goes_on(line, following[:1]) else Framing.LINES


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _goes_on(line: bytes, following: bytes) -> bool:
    """Return whether a line that is not JSON alone can be the first of a document that people can read.

    Otherwise it is a damaged line of a log, such as the first one after a rotation.
    """
    if is_complete(line):
        return False
    last = line.rstrip()[-1:]
    if last == b"{":
        return following in b'"}'
    if last in b",":
        return following == b'"'
    return last in b":[" or following in b",:}]"
