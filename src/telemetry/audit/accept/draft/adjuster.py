"""Turns what a caller gives into texts and JSON that fit, and remembers which members are not what was given."""

from __future__ import annotations

import enum
from typing import Any, Literal

from telemetry.audit.accept.draft.adjusted import HASH_CHARACTERS, SUFFIX, adjusted_text, is_fit
from telemetry.audit.accept.draft.json_exact import encode_exact, explain
from telemetry.audit.accept.draft.readable import encode_readable, short_repr
from telemetry.exceptions import EventError

Unfit = Literal["refuse", "repr"]
"""What happens to a value that cannot be written: the call is refused, or a text stands for it."""

MAX_USER_ID = 1_024
MAX_FIELD = 4_096

_TEXT_MODULES = frozenset(("uuid", "uuid_utils", "ipaddress"))


class Adjuster:
    """Makes the members of one event fit.

    Args:
        limit: Most characters of any text, where an event must become smaller than usual.
        unfit: What happens to values that have no plain text form or are no JSON: they are refused, or a text stands for
            them.

    Attributes:
        adjusted: Names of the members that are not what the caller gave.
    """

    __slots__ = ("_limit", "_unfit", "adjusted")

    def __init__(self, *, limit: int = MAX_FIELD, unfit: Unfit = "refuse") -> None:
        self._limit = limit
        self._unfit = unfit
        self.adjusted: set[str] = set()

    def text(self, name: str, value: Any, limit: int = MAX_FIELD) -> str:
        """Return the text of a member.

        Args:
            name: The member.
            value: A text, or what has one plain text form: an integer, a UUID, an IP address.
            limit: Most characters of the member.

        Raises:
            EventError: The value has no plain text form, and such values are refused.
        """
        limit = min(limit, self._limit)
        # The usual text, without a further call: an event has several.
        if (
            type(value) is str
            and 0 < len(value) <= limit
            and value.isprintable()
            and value[-SUFFIX:-HASH_CHARACTERS] != "~"
            and not value.isspace()
        ):
            return value
        text = self._text(name, value)
        if is_fit(text, limit):
            return text
        self.adjusted.add(name)
        return adjusted_text(text, limit)

    def json(self, name: str, value: Any) -> bytes:
        """Return a member that may be any value as JSON that says exactly the same.

        Raises:
            EventError: JSON cannot express it, and such values are refused; the message names the place.
        """
        try:
            return encode_exact(value)
        except Exception:  # noqa: BLE001 - a value's own code may raise anything
            if self._unfit == "refuse":
                # The foreign error may quote the value, so it is not chained.
                raise explain(value, name) from None
        self.adjusted.add(name)
        return encode_readable(value)

    def _text(self, name: str, value: Any) -> str:
        if type(value) is str:
            return value
        text = plain_form(value)
        if text is not None:
            return text
        if self._unfit == "refuse":
            message = f"{name} must be a text, a number or a UUID, not of type {type(value).__name__}"
            raise EventError(message)
        self.adjusted.add(name)
        return short_repr(value)


def _digits(value: int) -> str | None:
    try:
        return int.__repr__(value)
    except ValueError:
        return None  # Python writes no more than some thousand digits; no id has so many.


def plain_form(value: Any) -> str | None:
    """Return the text of a value that has only one; None if it is of another type."""
    if isinstance(value, str):
        # An enum's member is a text that the encoders and ``str()`` write differently.
        return str.__str__(value)
    if isinstance(value, enum.Enum):
        return plain_form(value.value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value)
    return str(value) if type(value).__module__ in _TEXT_MODULES else None
