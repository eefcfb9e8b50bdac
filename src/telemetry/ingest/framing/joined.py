"""Divides a line into objects that follow one another without a line end, as Amazon Data Firehose delivers them.

Where a value is damaged, nobody can say where the next one begins: what looks like an object may be a part of the damaged
one, or the content of one of its texts. So the rest of such a line is kept together, and is no event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from telemetry.ingest.framing.documents import end_of_object

_JOINT = re.compile(rb"\}[ \t\r]*+\{")
_GAP = re.compile(rb"[ \t\r]*+")
_SPACE = b" \t\r"
_DAMAGED = "is damaged, and so it is not known where the values after it begin: the rest of this line was not logged"

_delimited = msgspec.json.Decoder(msgspec.Raw)


class Piece(NamedTuple):
    """A piece of a line.

    Attributes:
        text: An object, or what is left at the end.
        is_whole: Whether it is an object.
        fault: Why what is left cannot be divided further; empty where it may be the beginning of one object.
    """

    text: bytes
    is_whole: bool = True
    fault: str = ""


def is_joined(line: bytes) -> bool:
    """Return whether a line begins with an object that another one follows, or the beginning of one.

    Args:
        line: Its text.
    """
    # Nearly every line ends with the first look.
    if not line.startswith(b"{") or _JOINT.search(line) is None:
        return False
    return any(end < len(line) for _, end in _objects(line))


def pieces_of(line: bytes) -> Iterator[Piece]:
    """Yield the objects of a line one by one, and then what is left of it."""
    end = 0
    for start, end in _objects(line):
        yield Piece(line[start:end].rstrip(_SPACE))
    rest = line[end:].strip(_SPACE)
    if rest:
        yield Piece(rest, is_whole=False, fault=_DAMAGED if _is_damaged(rest) else "")


def start_of_last(line: bytes) -> int:
    """Return where the last object of the beginning of a line begins, which may go on; 0 if there is no other before."""
    last = end = 0
    for last, end in _objects(line):  # noqa: B007 - needed after the loop
        pass
    return last if end == len(line) else end


def _objects(line: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each object begins and ends, up to the first that is damaged or not whole."""
    at = 0
    while (end := end_of_object(line, at)) is not None and _is_delimited(line[at:end]):
        # The space after an object belongs to it: so an object that is followed by nothing else reaches the end.
        after = end if (gap := _GAP.match(line, end)) is None else gap.end()
        yield at, after
        at = after


def _is_delimited(text: bytes) -> bool:
    """Return whether an object begins and ends where its brackets say, whatever else may be wrong with it."""
    try:
        _delimited.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        return True
    # `NaN`, control characters and halves of surrogate pairs are refused later, and hide no bracket.
    try:
        json.loads(text.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _is_damaged(rest: bytes) -> bool:
    """Return whether there may be further values in it: one that the input ends in needs no explanation."""
    return not rest.startswith(b"{") or _JOINT.search(rest) is not None
