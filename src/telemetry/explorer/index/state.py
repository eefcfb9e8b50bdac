"""Defines how far the index is filled, and what is not in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """How far the index is filled.

    Attributes:
        indexed: Events in the index, foreign ones included.
        read: Records that were read in the present pass over the sources.
        expected: Records that the sources have, as far as they say; 0 while that is unknown.
        is_filling: Whether the sources are still read for the first time.
        is_following: Whether new events appear by themselves.
        is_opened: Whether content is in the index; otherwise events stay sealed.
        is_cut: Whether events that were read are not in the index, because it is full.
        cut_before: Time of the oldest event that was kept; None if only records that nothing proves were left out.
        left_out: Events that are not in the index, because it is full.
        foreign_left_out: Foreign events that are not in the index, because there is room for few of them.
        damaged: Damaged records that were read.
        foreign_damaged: Damaged records that concern no trusted stream.
        copies: Records that were read more than once.
        problem: Why nothing can be read at present, without content; None if all is well.
        has_ended: Whether it will not be tried again: the configuration has to be corrected first.
    """

    indexed: int = 0
    read: int = 0
    expected: int = 0
    is_filling: bool = False
    is_following: bool = False
    is_opened: bool = False
    is_cut: bool = False
    cut_before: str | None = None
    left_out: int = 0
    foreign_left_out: int = 0
    damaged: int = 0
    foreign_damaged: int = 0
    copies: int = 0
    problem: str | None = None
    has_ended: bool = False

    @property
    def percent(self) -> int | None:
        """How much of what is expected was read, 0 to 100; None while that is unknown."""
        return min(100, 100 * self.read // self.expected) if self.expected else None
