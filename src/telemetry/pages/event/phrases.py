"""Joins the pieces of a sentence so that nobody can take a value for words of the sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.pages.hostile_text import PiecedText, plain

MAX_VALUE = 80
"""Characters of a value within a sentence; the fields show it in full."""
# A value of other characters is put in quotation marks: `ada deleted order 1` may be somebody's user id.
_PLAIN = re.compile(r"[\w.@:/+#=,~*%-]+")
_QUOTES = str.maketrans({"“": r"\u201c", "”": r"\u201d"})


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a sentence.

    Attributes:
        text: The words, or a value in which nothing is hidden.
        is_value: Whether it is from the event, so that a page sets it apart from its own words.
    """

    text: str
    is_value: bool = False

    def __repr__(self) -> str:
        return "Phrase()"


def value(text: str) -> Phrase:
    """Return a value from an event: cut, with escapes for what cannot be seen, and in quotation marks unless it is one word."""
    cut = text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
    clean = plain(cut)
    if clean == text and _PLAIN.fullmatch(text):
        return Phrase(text, is_value=True)
    return Phrase(f"“{clean.translate(_QUOTES)}”", is_value=True)


def joined(phrases: Iterable[Phrase]) -> PiecedText:
    """Return the phrases as a sentence: a space before each, none at the start, before a comma or after a bracket."""
    pieces: list[tuple[str, bool]] = []
    for phrase in phrases:
        begins = not pieces or pieces[-1] == ("(", False)
        is_close = begins or (not phrase.is_value and phrase.text[:1] in ",;:)")
        # The space is no part of the value, which begins and ends where it says.
        pieces += [(phrase.text, phrase.is_value)] if is_close else [(" ", False), (phrase.text, phrase.is_value)]
    return PiecedText(pieces)
