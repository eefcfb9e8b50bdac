"""Notes how far the sources were read; the thread that reads writes it, others see what it was at one moment."""

from __future__ import annotations

from dataclasses import replace

from telemetry.explorer.index.state import IndexState


class FillProgress:
    """How far the sources were read.

    Attributes:
        state: What the reading thread knows of the state; a new object each time.
        is_from_middle: Whether the sources are not read from their beginning, so that beginnings of streams may be absent.
    """

    def __init__(self) -> None:
        self.state = IndexState()
        self.is_from_middle = False

    def begin(self) -> None:
        """Note that the sources are going to be read from their beginning."""
        self.is_from_middle = False
        self.state = IndexState(is_filling=True, is_opened=self.state.is_opened, problem=self.state.problem)

    def opened(self, *, with_content: bool, is_from_middle: bool = False) -> None:
        """Note that the trail is open, with content or sealed, and whether its beginning is left out."""
        self.is_from_middle = self.is_from_middle or is_from_middle
        self.state = replace(self.state, is_opened=with_content or self.state.is_opened)

    def expect(self, records: int, *, is_from_middle: bool) -> None:
        """Note that a topic has so many records, and whether there were others before them."""
        self.is_from_middle = self.is_from_middle or is_from_middle
        self.state = replace(self.state, expected=self.state.expected + records)

    def advance(self, records: int) -> None:
        """Note that so many further records were read; so nothing keeps them from being read."""
        self.state = replace(self.state, read=self.state.read + records, problem=None)

    def filled(self, *, is_following: bool) -> None:
        """Note that the sources were read to their end, and whether new events are waited for."""
        self.state = replace(self.state, is_filling=False, is_following=is_following, problem=None)

    def failed(self, problem: str, *, is_final: bool) -> None:
        """Note why nothing can be read, and whether it is final."""
        self.state = replace(
            self.state, is_filling=not is_final, is_following=False, problem=problem, has_ended=is_final
        )
