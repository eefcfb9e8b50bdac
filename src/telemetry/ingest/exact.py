"""Decodes a JSON text, and refuses one whose value would not say what the text says.

A decoder keeps one of two members with the same name, and the nearest double of a number. For evidence both are changes.
Nearly every text is checked by comparing it with its value encoded again; the others are decoded a second time, and one
that has a fault is read token by token to find its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from telemetry.exceptions import EventError

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]|[-0-9][-+.0-9eE]*+', re.DOTALL)
_MINUS_ZERO = re.compile(rb"[:,\[][ \t\r\n]*+-0(?=[ \t\r\n]*+[,\]}])")
_CHANGED = "has a number that would be changed"
_TOO_LARGE = "has a number that is too large"
_SPACE = b" \t\r\n"
_SURROGATE = re.compile(rb"\\u(?:[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[dD][c-fC-F][0-9a-fA-F]{2})")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_ESCAPED_BACKSLASH = re.compile(rb"\\\\")
_BYTE = re.compile(r"^(?:JSON is malformed: )?(.*?)(?: \(byte (\d+)\))?$", re.DOTALL)


class InexactNumberError(ValueError):
    """A number has no exact value."""


def decoded(data: bytes) -> Any:
    """Return the value of a JSON text, with the nearest double of each number, and the last of several equal names.

    Args:
        data: The text.

    Raises:
        EventError: It is not JSON, or its value cannot be kept; the message has the reason and the place, no content.
    """
    return _decoded(data, _plain)


def decoded_exactly(data: bytes) -> Any:
    """Return the value of a JSON text, which says all that the text says.

    Args:
        data: The text.

    Raises:
        EventError: As :func:`decoded`; or a name is there twice in an object, or a number has no exact value.
    """
    value = _decoded(data, _exact)
    encoded = _encode(value)
    if data != encoded and not _is_equal_but_for_space(data, encoded) and _may_be_changed(data):
        fault = _fault(data)
        if fault:
            raise EventError(fault)
    return value


def _is_equal_but_for_space(data: bytes, encoded: bytes) -> bool:
    """Return whether two JSON texts are equal without any space, inside strings too.

    Then they have the same brackets, numbers and members in the same order. The second was written from the value of the
    first, so the first has no name twice: the second would have fewer members.
    """
    return data.translate(None, _SPACE) == encoded.translate(None, _SPACE)


def _may_be_changed(data: bytes) -> bool:
    try:
        _pairs.decode(data.decode())
    except (ValueError, RecursionError):
        return True
    return _MINUS_ZERO.search(data) is not None


def _require_distinct(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) != len(members):
        raise ValueError


def _exact_number(text: str) -> float:
    value = float(text)
    if not _is_kept(text, value):
        raise InexactNumberError
    return value


def _is_kept(text: str, value: float) -> bool:
    """Return whether a number's decimal value survives as a double."""
    if value == 0:
        return not re.split("[eE]", text)[0].strip("-0.")
    return math.isfinite(value) and Decimal(text) == Decimal(repr(value))


_pairs = json.JSONDecoder(object_pairs_hook=_require_distinct)
_plain = msgspec.json.Decoder().decode
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_exact = msgspec.json.Decoder(float_hook=_exact_number).decode
_encode = msgspec.json.Encoder().encode


def _decoded(data: bytes, decode: Callable[[bytes], Any]) -> Any:
    try:
        return decode(data)
    except UnicodeDecodeError as exc:
        message = "is not JSON: it is not valid UTF-8"
        raise EventError(message) from exc
    except RecursionError as exc:
        message = "is nested too deeply"
        raise EventError(message) from exc
    except msgspec.DecodeError as exc:
        if isinstance(exc.__cause__, InexactNumberError):
            # What follows the number was not looked at: it may be no JSON.
            _decoded(data, _skip)
            raise EventError(_fault(data) or _CHANGED) from exc
        # The decoder's messages name a place and a reason, and never quote the text.
        raise EventError(_reason(data, str(exc))) from exc


def _fault(data: bytes) -> str:
    """Read the text token by token; return what its value does not say, or nothing."""
    places = _NamePlaces()
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token[:1] in b"-0123456789":
            if not _is_kept_token(token.decode()):
                return f"{_number_fault(token.decode())} at byte {match.start() + 1}; --keep-line keeps it"
        elif token[:1] != b'"':
            places.move(token)
        elif places.is_repeated(token):
            return f"has a name twice in one object, the second time at byte {match.start() + 1}"
    return ""


class _NamePlaces:
    """Knows of each token of a JSON text whether it is the name of a member, and which names its object has."""

    def __init__(self) -> None:
        self._open: list[set[str] | None] = []  # the names of each object that is open; None for a list
        self._is_name = False

    def move(self, mark: bytes) -> None:
        """Move over a bracket, comma or colon."""
        if mark in b"{[":
            self._open.append(set() if mark == b"{" else None)
        elif mark in b"}]":
            self._open.pop()
        self._is_name = mark == b"{" or (mark == b"," and self._open[-1] is not None)

    def is_repeated(self, string: bytes) -> bool:
        """Move over a string; return whether it is a name that its object has already."""
        names = self._open[-1] if self._is_name else None
        if names is None:
            return False
        name = json.loads(string)
        if name in names:
            return True
        names.add(name)
        return False


def _is_kept_token(text: str) -> bool:
    if any(character in text for character in ".eE"):
        return _is_kept(text, float(text))
    return text != "-0"  # Other integers are kept, however long they are.


def _number_fault(text: str) -> str:
    return _TOO_LARGE if text != "-0" and not math.isfinite(float(text)) else _CHANGED


def _reason(data: bytes, said: str) -> str:
    if "out of range" in said:
        return _TOO_LARGE
    if match := _SURROGATE.search(_PAIR.sub(lambda pair: b"." * len(pair[0]), _without_escaped(data))):
        return f"has half of a surrogate pair at byte {match.start() + 1}: that is no character"
    found = _BYTE.match(said)
    reason, place = found.groups() if found else (said, None)
    return f"is not JSON: {reason.lower()}" + (f" at byte {int(place) + 1}" if place else "")


def _without_escaped(data: bytes) -> bytes:
    # In ``\\ud800`` the first two characters are a backslash, and what follows is plain text.
    return _ESCAPED_BACKSLASH.sub(b"..", data)
