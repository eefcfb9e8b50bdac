"""Reads the header ``Prefer`` (RFC 7240): which level to wait for, and for how long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_CHARACTERS = 1_024
"""Of what is longer, nothing is read: a preference is no condition."""
LEVELS = ("accepted", "durable", "delivered")

# A preference is a token, or a token with a value; parameters may follow (RFC 7240 section 2).
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(
    rf"[\s,]*(?P<name>{_WORD})\s*(?:=\s*(?P<value>{_WORD}|{_QUOTED}))?(?:\s*;[^,\"]*(?:{_QUOTED}[^,\"]*)*)?\s*(?:,|$)"
)
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


class Preference(NamedTuple):
    """What a caller prefers.

    Attributes:
        level: ``accepted``, ``durable`` or ``delivered``; None if nothing was said.
        seconds: How long it would wait; None if nothing was said.
    """

    level: str | None = None
    seconds: int | None = None

    @property
    def applied(self) -> str:
        """What the header ``Preference-Applied`` says; empty where there is nothing to say."""
        return ", ".join(f"wait={value}" for value in self if value is not None)


NO_PREFERENCE = Preference()


def preference_of(headers: Sequence[str]) -> Preference:
    """Return what the headers ``Prefer`` of a request say about waiting.

    ``wait=SECONDS`` is that of RFC 7240 section 4.3; ``wait=LEVEL`` is an extension of this gateway, so that both may be
    given. Of each the first one counts. What is not understood is ignored, as the RFC requires.

    Args:
        headers: Values of the headers.
    """
    text = ", ".join(headers)
    if not text or len(text) > MAX_CHARACTERS:
        return NO_PREFERENCE
    level: str | None = None
    seconds: int | None = None
    at = 0
    while match := _PREFERENCE.match(text, at):
        if match.end() == at:
            break
        at = match.end()
        if match["name"].lower() != "wait" or not match["value"]:
            continue
        value = match["value"].strip('"').lower()
        if level is None and value in LEVELS:
            level = value
        elif seconds is None and _SECONDS.fullmatch(value):
            seconds = int(value)
    return Preference(level, seconds)
