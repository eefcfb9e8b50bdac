"""Takes the JSON texts of a body apart, within bounds of nesting, number and size, before any of them is decoded."""

from __future__ import annotations

import asyncio
import codecs
import re
from itertools import accumulate, islice

import msgspec

from telemetry.exceptions import InputError
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.ingest.framing.byte_source import WholeText
from telemetry.ingest.framing.documents import DocumentReader

_SPACE = b" \t\r\n"
_ALL_BUT_MARKS = bytes(set(range(256)) - set(b'{}[]"\\'))
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')
_STEPS = bytes.maketrans(b'{[}]"\\', b"\x01\x01\xff\xff\x00\x00")
"""By how much a mark changes the depth, as signed bytes."""
_PIECE = 1 << 16
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_PLACE = re.compile(r"\(byte (\d+)\)$")
_LARGE = 1 << 18
"""Bytes above which the event loop does other work while a body is taken apart."""
_COMMAS_OF_AN_EVENT = 64
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii"))

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
    marks = _ESCAPE.sub(b"", text) if b"\\" in text else text
    # Two quotation marks side by side can go: whether what follows is in a string stays the same.
    brackets = marks.translate(None, _ALL_BUT_MARKS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _STRING.sub(b"", brackets)
    steps = memoryview(brackets.translate(_STEPS)).cast("b")
    depth = 0
    # In pieces, so that another thread has its turn between them.
    for start in range(0, len(steps), _PIECE):
        depths = list(accumulate(steps[start : start + _PIECE], initial=depth))
        if max(depths) > max_depth:
            return False
        depth = depths[-1]
    return True


def require_shallow(text: bytes, max_depth: int) -> None:
    """Check that a JSON text is not nested deeply.

    Raises:
        RefusedRequestError: It is (400).
    """
    if not is_shallow(text, max_depth):
        raise RefusedRequestError(400, f"the body is nested deeper than {max_depth} brackets; send flatter events")


async def split_array(text: bytes, *, max_events: int) -> list[bytes]:
    """Return the elements of a JSON array, each as its text.

    The elements are skipped, not decoded; how deep each may be nested is checked before it is. Skipping ends at the bound of
    the interpreter's stack, as every call does.

    Args:
        text: The array.
        max_events: Most elements.

    Raises:
        RefusedRequestError: The text is no JSON array, or nested beyond any use (400), or has too many elements (413).
    """
    if len(text) <= _LARGE:
        return _split_array(text, max_events)
    return await asyncio.to_thread(_split_array, text, max_events)


def _split_array(text: bytes, max_events: int) -> list[bytes]:
    if text.count(b",") > _COMMAS_OF_AN_EVENT * max_events:
        # Of millions of elements, which need not be objects, no more than allowed may be created.
        elements = _first_elements(text, max_events + 1)
    else:
        elements = _all_elements(text)
    _require_number(len(elements), max_events)
    return elements


def _all_elements(text: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _raw_list(text)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RefusedRequestError(400, f"the body is no JSON array{place_of(exc)}; no event of it was logged") from exc


def _first_elements(text: bytes, count: int) -> list[bytes]:
    try:
        frames = list(islice(DocumentReader(WholeText(text)), count))
    except InputError as exc:
        raise RefusedRequestError(400, "the body is no JSON array; no event of it was logged") from exc
    if any(frame.is_open for frame in frames):
        raise RefusedRequestError(400, "the body is no JSON array: it ends too early; no event of it was logged")
    return [frame.data for frame in frames]


def split_lines(text: bytes, *, max_events: int) -> list[bytes]:
    """Return the lines of a text that are not blank.

    Raises:
        RefusedRequestError: There are too many (413).
    """
    # One more than allowed is enough to know: a body can have millions.
    lines = [match[0].rstrip(_SPACE) for match in islice(_LINE.finditer(text), max_events + 1)]
    _require_number(len(lines), max_events)
    return lines


def place_of(error: Exception) -> str:
    """Return the place that a decoder names, such as `` at byte 17``; nothing where it names none."""
    match = _PLACE.search(str(error))
    return f" at byte {int(match[1]) + 1}" if match else ""


def _require_number(count: int, max_events: int) -> None:
    if count > max_events:
        raise RefusedRequestError(413, f"the request has more than {max_events} events; send smaller batches")
    if not count:
        raise RefusedRequestError(400, "the request has no event; send at least one")
