"""Replaces the parts of a value that JSON cannot express by texts, within bounds: for callers that must not be refused."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from telemetry.audit.accept.draft.json_exact import encode_exact
from telemetry.format import canonical_base64

MAX_TEXT = 1_000
"""Characters of the text that stands for an unfit part, or for the beginning of a value that is too large."""

_MAX_DEPTH = 100
_MAX_PARTS = 100_000
_CYCLE, _DEEP, _MORE = "<contains itself>", "<nested too deeply>", "<more>"


def encode_readable(value: Any) -> bytes:
    """Return a value as JSON in which a text stands for each part that JSON cannot express.

    A part of another type becomes its ``repr()``, cut to :data:`MAX_TEXT` characters; whatever ``repr()`` raises is
    caught. NaN and infinity become texts, lone surrogates escapes, and keys that are equal as text get a number.
    """
    return msgspec.json.encode(_Readable().of(value, ()))


def cut_json(encoded: bytes) -> dict[str, Any]:
    """Return what stands for a value that is too large: its beginning, its size in bytes, and its SHA-256."""
    return {
        "cut": encoded[: MAX_TEXT * 4].decode("utf-8", "replace")[:MAX_TEXT],
        "bytes": len(encoded),
        "sha256": canonical_base64.encode_url(hashlib.sha256(encoded).digest()).decode(),
    }


def short_repr(value: Any) -> str:
    """Return ``repr()`` of a value, cut and without lone surrogates; its type where that fails."""
    try:
        # An object's own code runs here, and may raise anything.
        text = repr(value)
    except Exception:  # noqa: BLE001 - the answer is the same
        return f"<{type(value).__name__}>"
    return _plain(text[:MAX_TEXT])


class _Readable:
    """One walk through a value; counts its parts."""

    def __init__(self) -> None:
        self._parts = 0

    def of(self, value: Any, parents: tuple[int, ...]) -> Any:
        """Return a value that JSON can express."""
        self._parts += 1
        if self._parts > _MAX_PARTS:
            return _MORE
        if isinstance(value, str):
            return _plain(str.__str__(value))
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float | Decimal):
            return float(value) if type(value) is float and math.isfinite(value) else str(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._of_container(value, parents)
        return self._of_leaf(value, parents)

    def _of_container(self, value: Any, parents: tuple[int, ...]) -> Any:
        if id(value) in parents:
            return _CYCLE
        if len(parents) >= _MAX_DEPTH:
            return _DEEP
        below = (*parents, id(value))
        try:
            if not isinstance(value, Mapping):
                return [self.of(child, below) for child in value]
            members: dict[str, Any] = {}
            for name, child in value.items():
                members[_free_name(members, _name(name))] = self.of(child, below)
        except Exception:  # noqa: BLE001 - a container's own code may raise anything
            return short_repr(value)
        return members

    def _of_leaf(self, value: Any, parents: tuple[int, ...]) -> Any:
        try:
            # Dates, UUIDs, data classes, models: written as they are where nothing is unfit.
            plain = msgspec.json.decode(encode_exact(value))
        except Exception:  # noqa: BLE001 - an object's own code may raise anything
            return short_repr(value)
        return self.of(plain, parents) if isinstance(plain, dict | list) else plain


def _name(name: Any) -> str:
    if isinstance(name, str):
        return _plain(str.__str__(name))
    return str(name) if isinstance(name, int | float) else short_repr(name)


def _free_name(members: dict[str, Any], name: str) -> str:
    number, free = 1, name
    while free in members:
        number += 1
        free = f"{name} ({number})"
    return free


def _plain(text: str) -> str:
    """Return a text in which an escape stands for each lone surrogate."""
    return text.encode("utf-8", "backslashreplace").decode()
