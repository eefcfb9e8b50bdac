"""Deals with names that the client of a cloud store cannot parse: anyone who may write to the store can choose them.

obstore refuses a whole page of a listing for one name with an empty or a dot part, or with a control character. One such
name must not hide the objects of everybody else.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore import ObjectMeta

logger = logging.getLogger("telemetry.storage")

_PATH = re.compile(r'path: "((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_ODD = re.compile(r"(?:\A|/)(\.{0,2})(?:/|\Z)|[\x00-\x1f\x7f]")
_SHOWN = 300


def odd_name_in(error: BaseException) -> str | None:
    """Return the name that a listing failed on; None if it failed for another reason."""
    if type(error).__name__ != "InvalidPathError":
        return None
    # obstore has no attribute for it. Its text quotes the name as Rust writes a string.
    found = _PATH.search(str(error))
    return None if found is None else _ESCAPE.sub(_unescaped, found[1])


def next_page(pages: Iterator[Sequence[ObjectMeta]]) -> Sequence[ObjectMeta] | str | None:
    """Return the next page, the name that keeps obstore from giving it, or None at the end."""
    try:
        return next(pages, None)
    except BaseException as exc:
        odd = odd_name_in(exc)
        if odd is None:
            raise
        return odd


def is_odd(name: str) -> bool:
    """Whether a name has an empty or a dot part, or a control character."""
    return _ODD.search(name) is not None


def after_odd(name: str) -> str:
    """Return a name that sorts after all names that are odd in the same way and place, and before any other.

    Listed from there on, the next page has neither this name nor those beside it.
    """
    found = _ODD.search(name)
    if found is None:
        return name
    if found[1] is None:
        # A control character: the first character that is none sorts after all of its kind.
        return name[: found.start()] + (" " if found[0] < " " else "\x80")
    # A part: "0" is the next character after the slash that ends it; a space is the first that may follow the last part.
    return name[: found.end(1)] + ("0" if found.end() > found.end(1) else " ")


def report(name: str, *, location: str, is_hiding: bool) -> None:
    """Log that a listing met an odd name.

    Args:
        name: The name.
        location: The store.
        is_hiding: Whether names before it may have been left out with it.
    """
    hidden = "; objects that sort up to 5,000 names before it may be hidden" if is_hiding else ""
    logger.error(
        "%s has an object with the impossible name %r, which this library cannot have written; it is left out%s: delete it",
        location,
        name[:_SHOWN],
        hidden,
    )


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] is not None:
        code = int(escape[1], 16)
        return chr(code) if code <= sys.maxunicode else ""
    return _SIMPLE.get(escape[2], escape[2])
