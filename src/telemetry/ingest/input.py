"""Reads an input of JSON values, whatever it looks like, as frames: lines, a sequence, or the items of documents."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.exceptions import InputError
from telemetry.ingest.framing.byte_source import ByteSource, WholeText
from telemetry.ingest.framing.documents import DocumentReader, ItemsPath
from telemetry.ingest.framing.encoding import TextSource
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.framing.joined import is_joined, pieces_of
from telemetry.ingest.framing.lines import split_lines, split_sequence
from telemetry.ingest.framing.recognition import Framing, needs_a_look, recognize


class JsonInput:
    """The JSON values of an input, each as the text that is in it.

    Args:
        source: The bytes.
        path: Where the items of an object are; None if each object is an event.
    """

    def __init__(self, source: ByteSource, path: ItemsPath | None = None) -> None:
        self._source = TextSource(source)
        self._path = path

    def __iter__(self) -> Iterator[Frame]:
        """Yield the values in the order of the input.

        Raises:
            InputError: The input cannot be read on; the message says where and why, without its content.
        """
        last: Frame | None = None
        try:
            for last in self._frames():
                yield last
        except InputError as exc:
            message = f"{exc}" if last is None else f"after {last.place}: {exc}"
            raise InputError(message) from exc

    def _frames(self) -> Iterator[Frame]:
        text = _Resumed(self._source)
        framing = text.recognized(has_items=self._path is not None)
        if framing is Framing.DOCUMENTS:
            yield from DocumentReader(text, self._path)
        elif framing is Framing.SEQUENCE:
            for text_of_sequence in split_sequence(text):
                yield from self._expanded(text_of_sequence)
        else:
            yield from self._divided(split_lines(text, end=b"\r" if framing is Framing.CR_LINES else b"\n"))

    def _divided(self, lines: Iterator[Frame]) -> Iterator[Frame]:
        """Yield the lines that are one value, and the objects of the others, numbered in each line."""
        number, items, is_divided = 0, 0, False
        for line in lines:
            if line.line != number:
                number, items, is_divided = line.line or 0, 0, False
            is_divided = is_divided or line.item is not None or (not line.fault and is_joined(line.data))
            if not is_divided:
                yield from self._expanded(line)
                continue
            for frame in self._objects_of(line):
                items += not frame.is_part
                yield frame._replace(item=items + frame.is_part)

    def _objects_of(self, line: Frame) -> Iterator[Frame]:
        if line.fault:
            yield line
            return
        for piece in pieces_of(line.data):
            is_open = line.is_open and not piece.is_whole
            yield from self._expanded(line._replace(data=piece.text, item=None, fault=piece.fault, is_open=is_open))

    def _expanded(self, frame: Frame) -> Iterator[Frame]:
        return iter((frame,)) if self._path is None else _items_of(frame, self._path)


class _Resumed:
    """A text whose beginning was looked at, and is yielded again."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._pieces = iter(source)
        self._head = b""

    @property
    def is_ended(self) -> bool:
        return self._source.is_ended

    def recognized(self, *, has_items: bool) -> Framing:
        head = bytearray()
        framing = None
        for piece in self._pieces:
            head += piece
            if needs_a_look(piece, size=len(head)):
                framing = recognize(bytes(head), is_whole=False, has_items=has_items)
            if framing is not None:
                break
        self._head = bytes(head)
        return framing or recognize(self._head, is_whole=True, has_items=has_items) or Framing.LINES

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        yield from self._pieces


def _items_of(frame: Frame, path: ItemsPath) -> Iterator[Frame]:
    """Yield the items of a line that is an object with a list of them, or the line itself."""
    # Most lines of a log have no such name at all.
    name = path.names[-1]
    if frame.fault or frame.is_open or (not path.is_required and name.isascii() and name.encode() not in frame.data):
        yield frame
        return
    try:
        items = list(DocumentReader(WholeText(frame.data), path))
    except InputError as exc:
        # Its place is that in the line, which has been named already.
        yield frame._replace(fault=f"cannot be read as a document: {str(exc).rpartition(': ')[2]}")
        return
    for item in items:
        if item.fault:
            yield frame._replace(fault=item.fault)
        elif item.data == frame.data:
            yield frame
        else:
            yield item._replace(line=frame.line)
