"""Divides text into lines, and into the texts of a JSON sequence (RFC 7464)."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.ingest.framing.byte_source import ByteSource
from telemetry.ingest.framing.documents import is_complete
from telemetry.ingest.framing.frame import MAX_BYTES, Frame
from telemetry.ingest.framing.joined import start_of_last

SEPARATOR = b"\x1e"
"""Begins each text of a JSON sequence (RFC 7464 section 2.2)."""

_TOO_LONG = f"is longer than {MAX_BYTES >> 20} MiB"
_PADDING = b"\0 \t\r\n"


def split_lines(source: ByteSource, *, end: bytes = b"\n") -> Iterator[Frame]:
    """Yield each line that is not empty; empty ones count, as they do for editors.

    A line of several objects that is too long to be read as one comes in several frames, of whole objects each.

    Args:
        source: The text.
        end: What ends a line: a line feed, with a carriage return before it or without, or a carriage return alone.
    """
    number = 0
    begun: list[bytes] = []  # the line that goes on in the next piece
    size, fault = 0, ""
    for piece in source:
        if not (size or fault) and piece.isspace() and end in piece:
            # In bulk: an input may be blank for very long.
            number += piece.count(end)
            begun = [piece[piece.rfind(end) + len(end) :]]
            size = len(begun[0])
            continue
        first, *others = piece.split(end)
        begun.append(first)
        size += len(first)
        for other in others:
            number += 1
            line = b"".join(begun) if size > len(begun[-1]) else begun[-1]
            if fault or (line and not line.isspace()):
                yield Frame(line.removesuffix(b"\r"), number, fault=fault)
            begun, size, fault = [other], len(other), ""
        if size > MAX_BYTES:
            text = b"".join(begun)
            start = 0 if fault else start_of_last(text)
            if start:
                # Whole values of a line that goes on, of which the first is an item even if it is alone here.
                yield Frame(text[:start], number + 1, item=1)
            else:
                fault = _TOO_LONG
                yield Frame(text, number + 1, fault=fault, is_part=True)
                start = size
            begun, size = [text[start:]], size - start
    # Blocks of a fixed size are filled with NUL bytes at the end.
    line = b"".join(begun).rstrip(_PADDING)
    if line or fault:
        yield Frame(line, number + 1, fault=fault, is_open=not source.is_ended)


def split_sequence(source: ByteSource) -> Iterator[Frame]:
    """Yield each text of a JSON sequence; a text ends with the next one, or with a line feed after a whole value."""
    number = 0
    begun, fault = b"", ""
    for piece in source:
        begun += piece
        *texts, begun = begun.split(SEPARATOR)
        # A live sequence has nothing to say until the next event, and this one must not wait for it.
        if begun.endswith(b"\n") and is_complete(begun) and not fault:
            texts.append(begun)
            begun = b""
        for text in texts:
            if fault or text.strip(_PADDING):
                number += 1
                yield Frame(text.strip(), item=number, fault=fault)
                fault = ""
        if len(begun) > MAX_BYTES:
            fault = _TOO_LONG
            yield Frame(begun, item=number + 1, fault=fault, is_part=True)
            begun = b""
    text = begun.strip(_PADDING)
    if text or fault:
        yield Frame(text, item=number + 1, fault=fault, is_open=not source.is_ended and not is_complete(text))
