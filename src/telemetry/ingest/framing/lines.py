"""Divides text into lines, and into the texts of a JSON sequence (RFC 7464)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.ingest.framing.documents import is_complete
from telemetry.ingest.framing.frame import MAX_BYTES, Frame

SEPARATOR = b"\x1e"
"""Begins each text of a JSON sequence (RFC 7464 section 2.2)."""

_PADDING = b"\0 \t\r\n"


def split_lines(pieces: Iterable[bytes], *, end: bytes = b"\n") -> Iterator[Frame]:
    """Yield each line that is not empty; empty ones count, as they do for editors.

    Args:
        pieces: The text.
        end: What ends a line: a line feed, with a carriage return before it or without, or a carriage return alone.
    """
    number = 0
    begun: list[bytes] = []  # the line that goes on in the next piece
    size = 0
    for piece in pieces:
        first, *others = piece.split(end)
        begun.append(first)
        size += len(first)
        for other in others:
            number += 1
            line = b"".join(begun) if size > len(begun[-1]) else begun[-1]
            if line and not line.isspace():
                yield Frame(line.removesuffix(b"\r"), number)
            begun, size = [other], len(other)
        if size > MAX_BYTES:
            yield _too_long(b"".join(begun), number + 1)
            begun, size = [b""], 0
    # Blocks of a fixed size are filled with NUL bytes at the end.
    line = b"".join(begun).rstrip(_PADDING)
    if line:
        yield Frame(line, number + 1, is_open=True)


def split_sequence(pieces: Iterable[bytes]) -> Iterator[Frame]:
    """Yield each text of a JSON sequence; a text ends with the next one, or with a line feed after a whole value."""
    number = 0
    begun = b""
    for piece in pieces:
        begun += piece
        *texts, begun = begun.split(SEPARATOR)
        # A live sequence has nothing to say until the next event, and this one must not wait for it.
        if begun.endswith(b"\n") and is_complete(begun):
            texts.append(begun)
            begun = b""
        for text in texts:
            if text.strip(_PADDING):
                number += 1
                yield Frame(text.strip(), item=number)
        if len(begun) > MAX_BYTES:
            yield _too_long(begun, None, number + 1)
            begun = b""
    text = begun.strip(_PADDING)
    if text:
        yield Frame(text, item=number + 1, is_open=not is_complete(text))


def _too_long(data: bytes, line: int | None, item: int | None = None) -> Frame:
    return Frame(data, line, item, fault=f"is longer than {MAX_BYTES >> 20} MiB", is_part=True)
