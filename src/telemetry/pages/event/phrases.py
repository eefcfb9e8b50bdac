"""Joins the pieces of a sentence so that nobody can take a value for words of the sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from telemetry.pages.hostile_text import plain

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
        is_value: Whether it is from the event, so that a page can set it apart from its own words.
        gap: The space before it, or nothing.
    """

    text: str
    is_value: bool = False
    gap: str = ""

    def __repr__(self) -> str:
        return "Phrase()"


def value(text: str) -> Phrase:
    """Return a value from an event: cut, with escapes for what cannot be seen, and in quotation marks unless it is one word."""
    cut = text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
    clean = plain(cut)
    if clean == text and _PLAIN.fullmatch(text):
        return Phrase(text, is_value=True)
    return Phrase(f"“{clean.translate(_QUOTES)}”", is_value=True)


def laid_out(phrases: Iterable[Phrase]) -> list[Phrase]:
    """Return the phrases with the space that comes before each: none at the start, before a comma or after a bracket."""
    placed: list[Phrase] = []
    for phrase in phrases:
        opens = not placed or (placed[-1].text == "(" and not placed[-1].is_value)
        is_close = opens or (not phrase.is_value and phrase.text[:1] in ",;:)")
        placed.append(replace(phrase, gap="" if is_close else " "))
    return placed


def joined(phrases: Iterable[Phrase]) -> str:
    """Return phrases that were laid out as one text."""
    return "".join(phrase.gap + phrase.text for phrase in phrases)
