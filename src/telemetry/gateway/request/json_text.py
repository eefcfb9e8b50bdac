"""Takes the JSON texts of a body apart, within bounds of nesting, number and size, before any of them is decoded."""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import Iterator
from itertools import accumulate, islice

import msgspec

from telemetry.gateway.request.refused_request import RefusedRequestError

_SPACE = b" \t\r\n"
_BRACKETS = b"{}[]"
_COMMA = ord(",")
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
_STEPS = bytes.maketrans(b"{[}],", b"\x01\x01\xff\xff\x00")
"""By how much a mark changes the depth, as signed bytes."""
_PIECE = 1 << 16
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_PLACE = re.compile(r"\(byte (\d+)\)$")
_LARGE = 1 << 18
"""Bytes above which the event loop does other work while a body is taken apart."""
_COMMAS_OF_AN_EVENT = 64
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii"))

_skip = msgspec.json.Decoder(msgspec.Raw).decode
_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def json_text(body: bytes, *, charset: str = "utf-8") -> bytes:
    """Return a body without a byte order mark and without space around it.

    Args:
        body: The body.
        charset: What ``Content-Type`` calls its encoding. JSON between systems is UTF-8 (RFC 8259 section 8.1).

    Raises:
        RefusedRequestError: The encoding is another one (415), or the body is empty (400).
    """
    foreign = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (len(body) > 1 and 0 in body[:4])
    if charset.strip().strip('"').lower() not in _UTF8 or foreign:
        raise RefusedRequestError(415, "the body is not in UTF-8; JSON is sent in UTF-8")
    text = body.removeprefix(codecs.BOM_UTF8).strip(_SPACE)
    if not text:
        raise RefusedRequestError(400, "the body is empty; send at least one event")
    return text


def is_shallow(text: bytes, max_depth: int) -> bool:
    """Return whether a JSON text has at most so many brackets open at once; what is in strings does not count.

    Of a text that is not JSON the answer says nothing, but that the text can be given to a decoder.

    Args:
        text: The text.
        max_depth: The bound.
    """
    if text.count(b"{") + text.count(b"[") <= max_depth:
        return True
    depth = 0
    for marks in _marks(text, _BRACKETS):
        depths = _depths(marks, depth)
        if max(depths) > max_depth:
            return False
        depth = depths[-1]
    return True


def has_more_elements(text: bytes, most: int) -> bool:
    """Return whether a JSON array has more than so many elements, without creating one.

    Args:
        text: The array; of a text that is not JSON the answer says nothing.
        most: The bound.
    """
    depth = commas = 0
    for marks in _marks(text, _BRACKETS + b","):
        depths = _depths(marks, depth)
        commas += sum(level == 1 and mark == _COMMA for mark, level in zip(marks, depths, strict=False))
        if commas >= most:
            return True
        depth = depths[-1]
    return False


def _depths(marks: bytes, depth: int) -> list[int]:
    """Return how many brackets are open before each mark, and after the last one."""
    return list(accumulate(memoryview(marks.translate(_STEPS)).cast("b"), initial=depth))


def _marks(text: bytes, kept: bytes) -> Iterator[bytes]:
    """Yield the marks of a JSON text that are outside strings.

    In pieces: each step holds the interpreter's lock, so that none may be long, and another thread has its turn between them.
    """
    others = bytes(set(range(256)) - {*kept, *b'"'})
    cut, is_in_string = b"", False
    for start in range(0, len(text), _PIECE):
        piece = cut + text[start : start + _PIECE]
        # An escape may be in two pieces.
        cut = b"\\" if (len(piece) - len(piece.rstrip(b"\\"))) % 2 else b""
        piece = piece[:-1] if cut else piece
        escaped = _ESCAPE.sub(b"", piece) if b"\\" in piece else piece
        marks = (b'"' if is_in_string else b"") + escaped.translate(None, others)
        # Two quotation marks side by side can go: whether what follows is in a string stays the same.
        marks, quote, _ = _STRING.sub(b"", marks.replace(b'""', b"")).partition(b'"')
        is_in_string = bool(quote)
        yield marks


async def split_array(text: bytes, *, max_events: int, may_be_empty: bool = False) -> list[bytes]:
    """Return the elements of a JSON array, each as its text.

    The elements are skipped, not decoded; how deep each may be nested is checked before it is. Skipping ends at the bound of
    the interpreter's stack, as every call does.

    Args:
        text: The array.
        max_events: Most elements.
        may_be_empty: Whether there may be none.

    Raises:
        RefusedRequestError: The text is no JSON array, or nested beyond any use (400), or has too many elements (413).
    """
    is_large = len(text) > _LARGE
    elements = await asyncio.to_thread(_split_array, text, max_events) if is_large else _split_array(text, max_events)
    require_number(len(elements), max_events, may_be_empty=may_be_empty)
    return elements


def _split_array(text: bytes, max_events: int) -> list[bytes]:
    # Of millions of elements, which need not be objects, none is created.
    if text.count(b",") > _COMMAS_OF_AN_EVENT * max_events and has_more_elements(text, max_events):
        require_number(max_events + 1, max_events)
    try:
        return [bytes(element) for element in _raw_list(text)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RefusedRequestError(400, f"the body is no JSON array{place_of(exc)}; no event of it was logged") from exc


def split_lines(text: bytes, *, max_events: int) -> list[bytes]:
    """Return the lines of a text that are not blank.

    Raises:
        RefusedRequestError: There are too many (413).
    """
    # One more than allowed is enough to know: a body can have millions.
    lines = [match[0].rstrip(_SPACE) for match in islice(_LINE.finditer(text), max_events + 1)]
    require_number(len(lines), max_events)
    return lines


def place_of(error: Exception) -> str:
    """Return the place that a decoder names, such as `` at byte 17``; nothing where it names none."""
    match = _PLACE.search(str(error))
    return f" at byte {int(match[1]) + 1}" if match else ""


def is_one_value(text: bytes) -> bool:
    """Return whether a text is one JSON value, which may be spread over several lines."""
    try:
        _skip(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def require_number(count: int, max_events: int, *, may_be_empty: bool = False) -> None:
    """Check how many events a request has.

    Raises:
        RefusedRequestError: They are too many (413), or there is none (400).
    """
    if count > max_events:
        raise RefusedRequestError(413, f"the request has more than {max_events} events; send smaller batches")
    if not (count or may_be_empty):
        raise RefusedRequestError(400, "the request has no event; send at least one")
