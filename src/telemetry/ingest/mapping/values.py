"""Reads values of a line as the fields of an event need them; a value changes its kind by a rule only."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format import canonical_base64
from telemetry.ingest.mapping.preset import Paths
from telemetry.ingest.paths import ValuePath, compile_path

MAX_KEPT = 4_096
"""Characters of a value that is kept as metadata because it does not fit its field."""
MAX_KEY = 256
"""Characters of an idempotency key."""

_HASH_LENGTH = 22
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


class Joined:
    """One path, or several whose texts are joined by dots.

    Args:
        paths: As a preset writes them.
        option: Where they were written, for the error.

    Raises:
        ConfigurationError: A path cannot be read.
    """

    def __init__(self, paths: Paths, *, option: str) -> None:
        written = [paths] if isinstance(paths, str) else paths
        if not written:
            raise ConfigurationError(Problem(option, "names no path", 'write it like "user.name"'))
        self._paths: tuple[ValuePath, ...] = tuple(compile_path(path, option=option) for path in written)

    def find(self, document: Any, *, absent: frozenset[str]) -> Any:
        """Return the value, or the joined text; None if no path leads to anything."""
        if len(self._paths) == 1:
            return self._paths[0].find(document, absent=absent)
        found = (as_text(path.find(document, absent=absent)) for path in self._paths)
        return ".".join(part for part in found if part is not None) or None


def as_text(value: Any) -> str | None:
    """Return a value as the text of a field: a text that is not blank, or a whole number; None for anything else."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    # Many systems number their users; a bool is an int for Python alone.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def as_key(value: Any, *, scope: str | None) -> str | None:
    """Return a value as an idempotency key; None if it is no text.

    A key that is too long or odd becomes its SHA-256: it is the same in each repeat, which is all that a key must be.
    """
    text = as_text(value)
    if text is None:
        return None
    key = f"{scope}:{text}" if scope else text
    return key if len(key) <= MAX_KEY and is_plain(key) else f"sha256:{_hash(key)}"


def is_plain(text: str) -> bool:
    """Return whether a text has neither control characters nor lone surrogates."""
    return text.isprintable() or _CONTROL.search(text) is None


def kept(value: Any) -> str:
    """Return a value that does not fit its field as the text under which it is kept: a text as it is, else JSON.

    A text longer than ``MAX_KEPT`` is cut; then it ends in ``~`` and the beginning of its SHA-256.
    """
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    if len(text) <= MAX_KEPT:
        return text
    return f"{text[: MAX_KEPT - _HASH_LENGTH - 1]}~{_hash(text)[:_HASH_LENGTH]}"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return canonical_base64.encode_url(digest).decode()
