"""Defines a chart: the picture, and the table for everyone who does not see it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.pages.hostile_text import plain
from telemetry.pages.markup import Markup

WIDTH = 960
"""Units of a picture's width; it is scaled to the width of its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture with its table.

    Attributes:
        title: What it shows.
        svg: The picture: SVG without style attributes, ids or script; classes give it its colours.
        columns: Heads of the table.
        rows: The numbers that the picture shows.
        note: What has to be known of it, such as what is left out; empty for nothing.
    """

    title: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int, ...], ...]
    note: str = ""


def picture(parts: Iterable[Markup], *, height: int, title: str, summary: str) -> Markup:
    """Return the parts as one picture, named for those who do not see it.

    Args:
        parts: Elements of SVG.
        height: Units of its height.
        title: Its name.
        summary: What is to be seen, in a sentence.
    """
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" focusable="false"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(WIDTH, height, plain(title, 200), plain(summary, 500), Markup().join(parts))


def words(text: str, *, x: float, y: float, width: float, anchor: str = "start") -> Markup:
    """Return a text that ends where its room ends; the whole is its tooltip.

    Args:
        text: Any text.
        x: Where it begins, or ends with the anchor ``end``.
        y: Its base line.
        width: Its room.
        anchor: ``start``, ``middle`` or ``end``.
    """
    clean = plain(text, 300)
    cut = _cut(clean, round(width / _LETTER))
    tooltip = Markup("<title>{}</title>").format(clean) if cut != clean else Markup()
    return Markup('<text x="{:g}" y="{:g}" text-anchor="{}" direction="ltr">{}{}</text>').format(
        round(x, 2), round(y, 2), anchor, tooltip, cut
    )


_LETTER = 6.4
"""Width of a letter of the charts' font (11 px), on the safe side."""


def _cut(text: str, room: int) -> str:
    taken, kept = 0, 0
    for kept, character in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > room:
            return text[: max(kept - 1, 0)] + "…"
    return text
