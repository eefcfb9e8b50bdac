"""Defines a frame: the text of one JSON value of an input, and its place."""

from __future__ import annotations

from typing import NamedTuple

MAX_BYTES = 64 << 20
"""Longest line or item that is read as one."""


class Frame(NamedTuple):
    """The text of one value, as it is in the input.

    Attributes:
        data: Its bytes in UTF-8, without what separates it from the next one.
        line: Number of its line, from 1; None where the input is not read line by line.
        item: Its number among the items of the line, or of the input; None for a line that is a value of its own.
        fault: Why it cannot be an event; empty where only its content can say that.
        is_open: Whether the input ended before the end of the value was certain.
        is_part: Whether the next frame continues it, because it is too long to be read as one.
    """

    data: bytes
    line: int | None = None
    item: int | None = None
    fault: str = ""
    is_open: bool = False
    is_part: bool = False

    @property
    def place(self) -> str:
        """The place as people say it, such as ``line 7``."""
        parts = (("line", self.line), ("item", self.item))
        return ", ".join(f"{word} {number}" for word, number in parts if number is not None)

    @property
    def coordinates(self) -> dict[str, int]:
        """The place for machines: ``line``, ``item`` or both."""
        parts = (("line", self.line), ("item", self.item))
        return {word: number for word, number in parts if number is not None}
