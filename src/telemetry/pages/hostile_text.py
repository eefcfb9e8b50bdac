"""Shows text that an attacker may have written: as text, completely, and without any effect on what surrounds it.

Three things can go wrong with such a text: it becomes markup, it changes how its surroundings read (direction, invisible
characters), or it is so long that nobody can use the page. Each filter deals with all three.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Self

from telemetry.pages.markup import Markup, escape

MAX_SHOWN = 20_000
"""Characters of one text that a page shows; the rest is counted."""
MAX_TITLE = 1_000
"""Characters of a tooltip."""
_MAX_MARKS = 4
"""Combining characters in a row that are drawn: enough for the scripts in use; hundreds would paint over other lines."""
_MAX_NAMED = 8
"""Hidden characters of one run that its tooltip names."""

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_COMBINING = frozenset({"Mn", "Me"})
# Letters and marks that are drawn as nothing (Unicode's Default_Ignorable_Code_Point outside Cf), and the empty Braille cell.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_LAST_SHORT = 0xFFFF
"""Last character that is written with four digits."""
_SHORT_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


class PiecedText(str):
    """A text of several pieces: one line as a string, and each value from outside isolated where a page shows it.

    Args:
        pieces: Texts without hidden characters, spaces included, each with whether it is from outside.
    """

    __slots__ = ("_pieces",)

    _pieces: tuple[tuple[str, bool], ...]

    def __new__(cls, pieces: Iterable[tuple[str, bool]]) -> Self:
        """Join the pieces."""
        kept = tuple(pieces)
        text = super().__new__(cls, "".join(piece for piece, _ in kept))
        text._pieces = kept
        return text

    def isolated(self) -> Markup:
        """Return the pieces as HTML."""
        value = Markup('<bdi class="value">{}</bdi>')
        parts = (value.format(piece) if is_value else escape(piece) for piece, is_value in self._pieces)
        return Markup('<span class="text">{}</span>').format(Markup().join(parts))


def says_something(text: str) -> bool:
    """Return whether a text has a letter or a digit that is drawn: what has none says nothing to who reads it."""
    return any(char.isalnum() for char in _BLANK.sub("", text))


def plain(text: str, most: int = MAX_SHOWN) -> str:
    r"""Return the text with every character that cannot be seen as an escape such as ``\u202e``; no markup.

    Args:
        text: Any text; lone surrogates too.
        most: Characters that are kept; the rest is counted.
    """
    shown = "".join(part if not hidden else "".join(map(_escaped, part)) for hidden, part in _runs(text[:most]))
    return shown + _rest(len(text) - most)


def shown(text: object, most: int = MAX_SHOWN) -> Markup:
    """Return the text isolated in ``<bdi>``, with escapes for the characters that cannot be seen, each marked as one.

    Args:
        text: Any text; another value is shown as Python writes it.
        most: Characters that are kept; the rest is counted.
    """
    if isinstance(text, PiecedText) and len(text) <= most:
        return text.isolated()
    whole = str(text)
    parts = [_part(part, hidden=hidden) for hidden, part in _runs(whole[:most])]
    rest = _rest(len(whole) - most)
    # The direction of the text ends with the element: it cannot reorder what is beside it.
    end = Markup(' <span class="rest">{}</span>').format(rest.strip()) if rest else Markup()
    return Markup('<bdi class="text">{}</bdi>{}').format(Markup().join(parts), end)


def short(text: object, most: int = 60) -> Markup:
    """Return the text for a list: cut after some characters, with more of it as the tooltip.

    Args:
        text: Any text.
        most: Characters that are shown. A page of its own must show the whole text: a tooltip does not reach everyone.
    """
    whole = str(text)
    if len(whole) <= most:
        return shown(text)
    return Markup('<span class="cut" title="{}">{}<span aria-hidden="true">…</span></span>').format(
        plain(whole, most=MAX_TITLE), shown(whole[:most])
    )


def exact(text: str) -> Markup:
    """Return the text escaped and otherwise unchanged, for the ``value`` of a form field: what is sent back must be the same.

    Characters that no UTF-8 has (lone surrogates) become U+FFFD.
    """
    return escape(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def inert(value: object) -> object:
    """Return what a template outputs without a filter: texts become :func:`plain`, all else stays.

    The environment applies this to every expression, so that a forgotten filter is ugly and not dangerous.
    """
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _part(part: str, *, hidden: bool) -> Markup:
    if not hidden:
        return escape(part)
    named = ", ".join(_name(character) for character in part[:_MAX_NAMED])
    more = f", and {len(part) - _MAX_NAMED:,} more" if len(part) > _MAX_NAMED else ""
    # Names and escapes are written by this module and have no character of markup. A hostile text can have thousands of them.
    return Markup(f'<span class="odd" title="{named}{more}">{"".join(map(_escaped, part))}</span>')


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    """Yield stretches of the text, each with whether its characters cannot be seen."""
    if text.isascii() and text.isprintable():
        yield from [(False, text)] * bool(text)
        return
    start, was_hidden, marks = 0, False, 0
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _COMBINING else 0
        # A combining character at the start would sit on what is before the text.
        is_stray = bool(marks) and (marks > _MAX_MARKS or position < marks)
        hidden = character != " " and (category in _HIDDEN_CATEGORIES or is_stray or bool(_BLANK.match(character)))
        if hidden != was_hidden:
            if position > start:
                yield was_hidden, text[start:position]
            start, was_hidden = position, hidden
    if text[start:]:
        yield was_hidden, text[start:]


def _escaped(character: str) -> str:
    number = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\u{number:04x}" if number <= _LAST_SHORT else f"\\U{number:08x}")


def _name(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def _rest(count: int) -> str:
    return f" … and {count:,} more characters" if count > 0 else ""
