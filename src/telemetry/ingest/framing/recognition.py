"""Recognizes by the beginning of a text how its values are divided: by lines, as a sequence, or as documents."""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec

from telemetry.ingest.framing.documents import is_complete
from telemetry.ingest.framing.frame import MAX_BYTES
from telemetry.ingest.framing.joined import is_joined
from telemetry.ingest.framing.lines import SEPARATOR

_MOST_BLANK = 1 << 20
"""Blank bytes after which an input is taken for lines, of which blank ones are passed over."""
_LINE_END = re.compile(rb"[\r\n]")
_SPACE = b" \t\r\n"


class Framing(Enum):
    """How the values of a text are divided."""

    LINES = auto()
    CR_LINES = auto()
    SEQUENCE = auto()
    DOCUMENTS = auto()


def recognize(head: bytes, *, is_whole: bool, has_items: bool = False) -> Framing | None:
    """Return how a text is divided, or None if more of it must be known.

    Args:
        head: Its beginning.
        is_whole: Whether there is no more.
        has_items: Whether the events are items of an object, which may be larger than any line.
    """
    text = head.lstrip(_SPACE)
    first = text[:1]
    if first == b"{":
        return _of_object(text, is_whole=is_whole, has_items=has_items)
    if first == b"[":
        return _of_array(text, is_whole=is_whole)
    if first == SEPARATOR:
        return Framing.SEQUENCE
    return Framing.LINES if first or is_whole or len(head) > _MOST_BLANK else None


def needs_a_look(piece: bytes, *, size: int) -> bool:
    """Return whether a further piece of a long beginning can tell more: it ends the first line, or is too much of it."""
    return size <= _MOST_BLANK or size > MAX_BYTES or _LINE_END.search(piece) is not None


def _of_array(text: bytes, *, is_whole: bool) -> Framing | None:
    """A bracket begins an array of objects, or a line such as ``[info] started``."""
    following = text[1:].lstrip(_SPACE)[:1]
    if following:
        return Framing.DOCUMENTS if following in b"{[]" else Framing.LINES
    return Framing.LINES if is_whole else None


def _of_object(text: bytes, *, is_whole: bool, has_items: bool) -> Framing | None:
    match = _LINE_END.search(text)
    if match is None:
        # What is too long for a line is a document with a list of events, or many of them. Without --items it is one line that is too long,
        # and the lines after it are read.
        if len(text) > MAX_BYTES:
            return Framing.DOCUMENTS if has_items and not is_joined(text) else Framing.LINES
        return Framing.LINES if is_whole else None
    line, end, following = text[: match.start()], match[0], text[match.end() :]
    if end == b"\r" and not following and not is_whole:
        return None  # A line feed may follow.
    is_carriage_return = end == b"\r" and not following.startswith(b"\n")
    if _is_json(line) or is_joined(line):
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
