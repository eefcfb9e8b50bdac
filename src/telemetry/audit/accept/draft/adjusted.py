"""Makes any text fit into a field of the event: too long, empty or odd ones are cut and escaped, and stay distinct (ADR 0022)."""

from __future__ import annotations

import hashlib
import re

from telemetry.format import canonical_base64

HASH_CHARACTERS = 22
"""Characters of the hash at the end of an adjusted text: 132 bits."""
SUFFIX = HASH_CHARACTERS + 1
"""Characters of the hash and of the ``~`` before it."""

_ODD = re.compile("[\\\\\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_LOOKS_ADJUSTED = re.compile(r".*~[A-Za-z0-9_-]{22}", re.ASCII | re.DOTALL)


def is_fit(text: str, limit: int) -> bool:
    """Return whether a text may be written into a field as it is.

    Args:
        text: The text; of the type ``str`` itself.
        limit: Largest number of characters.
    """
    if not 0 < len(text) <= limit or text.isspace():
        return False
    # Nearly every text is printable, and the question is cheap: only the others are searched.
    if not text.isprintable() and _CONTROL.search(text):
        return False
    # One that already ends like an adjusted text could be mistaken for the text that ends so after adjusting.
    return not (len(text) > HASH_CHARACTERS and text[-SUFFIX] == "~" and _LOOKS_ADJUSTED.fullmatch(text))


def adjusted_text(text: str, limit: int) -> str:
    """Return a text that fits, for one that does not: different texts give different ones.

    Args:
        text: The original, of the type ``str`` itself.
        limit: Largest number of characters; more than 23.

    Returns:
        A beginning of the original with control characters, lone surrogates and backslashes escaped, then ``~`` and 22
        characters of base64url(SHA-256(original)).
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    room = limit - SUFFIX
    # An escape is longer than what it stands for, so nothing after this can be needed.
    pieces, length = [], 0
    for character in text[:room]:
        piece = _ODD.sub(_escaped, character)
        length += len(piece)
        if length > room:
            break
        pieces.append(piece)
    return f"{''.join(pieces)}~{canonical_base64.encode_url(digest).decode()[:HASH_CHARACTERS]}"


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return "\\\\" if character == "\\" else f"\\u{ord(character):04x}"
