"""Takes the items out of JSON documents of any size: one document after the other, an array, or a list inside an object.

Only the brackets and strings between items are looked at; whether an item is JSON is found out by who decodes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import msgspec

from telemetry.exceptions import InputError
from telemetry.ingest.framing.byte_source import ByteSource
from telemetry.ingest.framing.frame import MAX_BYTES, Frame

_SPACE = b" \t\r\n"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# Everything up to the next bracket in one step, or up to a quotation mark whose string does not end here.
_NEXT = re.compile(rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*+([{}\[\]"])', re.DOTALL)
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:{}\[\]"]+')
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_OPENING, _CLOSING = b"{[", b"}]"
_LOOK_AGAIN = 1 << 20
"""A value that is longer is scanned again only after it has grown by a quarter: its cost stays linear."""
_COMPACT = 1 << 16


class ItemsPath(NamedTuple):
    """Says where the items of a document are.

    Attributes:
        names: Names that lead to the list.
        is_required: Whether a document without the list is a fault; otherwise it is an item itself.
    """

    names: tuple[str, ...]
    is_required: bool = True


class DocumentReader:
    """Reads documents one after the other, and yields their items.

    An array's elements are its items, or have lists of them. An object is an item itself, or has a list of them.

    Args:
        source: The text.
        path: Where the items of an object are; None if it is an item itself.
    """

    def __init__(self, source: ByteSource, path: ItemsPath | None = None) -> None:
        self._source = source
        self._pieces = iter(source)
        self._path = path
        self._text = bytearray()
        self._at = 0
        self._kept: int | None = None  # where an object began that may turn out to be an item
        self._lines_before = 0
        self._bytes_before = 0
        self._items = 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield the items, each with its number.

        Raises:
            InputError: The text is not JSON between the items, or ends inside a document.
        """
        try:
            while (start := self._peek(padding=b"\0")) is not None:
                if start in b"[":
                    yield from self._elements(self._path)
                elif start in b"{" and self._path is not None:
                    yield from self._list_of(self._path)
                else:
                    yield self._item(self._value())
        except _StoppedError:
            rest = bytes(self._text[self._at if self._kept is None else self._kept :]).strip()
            if rest:
                yield self._item(rest)._replace(is_open=True)

    def _elements(self, path: ItemsPath | None = None) -> Iterator[Frame]:
        """Yield the elements of an array, or the items of those that are objects with a list at ``path``."""
        # What has no list is an event: an array needs no --items.
        within = None if path is None else path._replace(is_required=False)
        self._expect(b"[")
        if self._next_in(b"]"):
            return
        while True:
            if within is not None and self._peek_value() in b"{":
                yield from self._list_of(within)
            else:
                yield self._item(self._value())
            if self._next_in(b"]"):
                return
            self._expect(b",")

    def _list_of(self, path: ItemsPath) -> Iterator[Frame]:
        """Yield the items of an object's list; if it has none, the object itself or its fault."""
        # Kept only as long as it may be an item; then its beginning is let go of.
        self._kept = None if path.is_required else self._at
        start, is_found = self._at, False
        for frame in self._members(path.names):
            is_found = True
            self._kept = None
            if frame is not None:
                yield frame
        if is_found:
            return
        if path.is_required:
            yield self._item(b"")._replace(fault=f"has no list at --items {'.'.join(path.names)}")
        else:
            yield self._item(bytes(self._text[start : self._at]))
        self._kept = None

    def _members(self, names: tuple[str, ...]) -> Iterator[Frame | None]:
        """Yield the items below a path, and first None where its list begins."""
        name, *further = names
        is_seen = False
        self._expect(b"{")
        if self._next_in(b"}"):
            return
        while True:
            found = self._name()
            self._expect(b":")
            start = self._peek_value()
            if found == name and (start in b"{" if further else start in b"["):
                if is_seen:
                    self._fail("the list of items is there twice")
                is_seen = True
                if further:
                    yield from self._members(tuple(further))
                else:
                    yield None
                    yield from self._elements()
            else:
                self._value()
            if self._next_in(b"}"):
                return
            self._expect(b",")

    def _item(self, data: bytes) -> Frame:
        self._items += 1
        return Frame(data, item=self._items)

    def _name(self) -> str:
        if self._peek_value() != b'"':
            self._fail("a name was expected")
        token = self._value()
        try:
            return msgspec.json.decode(token, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._fail("a name is not valid")

    def _value(self) -> bytes:
        """Return the text of the next value, and move beyond it."""
        first = self._peek_value()
        self._compact()
        start = self._at
        if first in _OPENING:
            end = self._end_of_container(start)
        elif first == b'"':
            end = self._end_of(_WHOLE_STRING, start)
        else:
            end = self._end_of_scalar(start)
        self._at = end
        return bytes(self._text[start:end])

    def _end_of_container(self, start: int) -> int:
        at, depth = start, 0
        while True:
            at, depth = _skim(self._text, at, depth)
            if depth == 0:
                return at
            self._grow(start, at)

    def _end_of(self, pattern: re.Pattern[bytes], start: int) -> int:
        while (match := pattern.match(self._text, start)) is None:
            self._grow(start, start)
        return match.end()

    def _end_of_scalar(self, start: int) -> int:
        while True:
            match = _SCALAR.match(self._text, start)
            if match is None:
                self._fail("a value was expected")
            # A number that ends with what was read so far may go on.
            if match.end() < len(self._text) or not self._more():
                return match.end()
            self._require_bounded(start)

    def _grow(self, start: int, at: int) -> None:
        """Read on in the middle of a value."""
        unread = len(self._text) - at
        wanted = len(self._text) + (unread // 4 if unread > _LOOK_AGAIN else 1)
        before = len(self._text)
        while len(self._text) < wanted and self._more():
            pass
        # The end of the value may be in the last bytes of the input, however few they are.
        if len(self._text) == before:
            if not self._source.is_ended:
                raise _StoppedError
            self._fail("the input ends in the middle of a value")
        self._require_bounded(start)

    def _require_bounded(self, start: int) -> None:
        if len(self._text) - (start if self._kept is None else self._kept) > MAX_BYTES:
            self._fail(
                f"one value is longer than {MAX_BYTES >> 20} MiB; if it is an object with a list of events, "
                "name the list with --items"
            )

    def _peek_value(self) -> bytes:
        start = self._peek()
        if start is None:
            if not self._source.is_ended:
                raise _StoppedError
            self._fail("the input ends in the middle of a document")
        return start

    def _peek(self, *, padding: bytes = b"") -> bytes | None:
        """Return the next character that is no space, without moving beyond it; None at the end."""
        while True:
            match = _NOT_SPACE.search(self._text, self._at)
            if match is None:
                self._at = len(self._text)
            elif padding and match[0] == padding:
                self._at = match.end()
                continue
            else:
                self._at = match.start()
                return match[0]
            self._compact()
            if not self._more():
                return None

    def _next_in(self, character: bytes) -> bool:
        if self._peek_value() != character:
            return False
        self._at += 1
        return True

    def _expect(self, character: bytes) -> None:
        if not self._next_in(character):
            self._fail(f"{character.decode()!r} was expected")

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._text += piece
        return bool(piece)

    def _compact(self) -> None:
        """Let go of what was read, unless it may be needed as a whole."""
        if self._kept is None and self._at > _COMPACT:
            self._lines_before += self._text.count(b"\n", 0, self._at)
            self._bytes_before += self._at
            del self._text[: self._at]
            self._at = 0

    def _fail(self, reason: str) -> NoReturn:
        line = self._lines_before + self._text.count(b"\n", 0, self._at) + 1
        message = f"line {line}, byte {self._bytes_before + self._at + 1} of the input: {reason}"
        raise InputError(message)


class _StoppedError(Exception):
    """Reading was stopped inside a document."""


def is_complete(text: bytes) -> bool:
    """Return whether a text has as many closing brackets as opening ones, and ends outside a string."""
    return _skim(text, 0, 0)[1] == 0


def end_of_object(text: bytes, start: int) -> int | None:
    """Return where the object ends that begins at ``start``; None if none begins there, or if it does not end."""
    if not text.startswith(b"{", start):
        return None
    end, depth = _skim(text, start, 0)
    return None if depth else end


def _skim(text: bytes | bytearray, at: int, depth: int) -> tuple[int, int]:
    """Go through brackets and strings until depth 0, or to the beginning of a string whose end is not there yet.

    Returns:
        Where to go on, and the depth; an unfinished string counts as one level.
    """
    while (match := _NEXT.match(text, at)) is not None:
        token = match[1]
        if token == b'"':
            return match.start(1), max(depth, 1)
        at = match.end()
        depth += 1 if token in _OPENING else -1
        if depth <= 0:
            return at, 0
    return at, depth
