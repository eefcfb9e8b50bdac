"""Checks the names of stored objects: one alphabet that every store, file system and shell accepts unchanged."""

from __future__ import annotations

import hashlib
import re

from telemetry.exceptions import ConfigurationError, Problem, StorageLimitError

MAX_NAME_BYTES = 900
"""S3, Azure Blob Storage and Cloud Storage accept 1,024; the rest is left to the prefix."""

# Neither ``.`` nor ``..`` as a part, and no part longer than 250: file systems allow 255.
_PART = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._=-]{1,250}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_UNSAFE_PART = re.compile(r"(?:\A|/)(?:\.{0,2})(?:/|\Z)|[\x00-\x1f\x7f\\]")
_UNSTORABLE = re.compile(r"[^A-Za-z0-9._=-]", re.ASCII)
_SHOWN = 120
_KEPT = 200


def require_name(name: str) -> None:
    """Check the name of an object that is about to be stored.

    Raises:
        StorageLimitError: It is empty or too long, has an empty, ``.`` or ``..`` part, or a character outside
            ``A-Z a-z 0-9 . _ - = /``.
    """
    if len(name) > MAX_NAME_BYTES or not _NAME.fullmatch(name):
        message = (
            f"the object name {name[:_SHOWN]!r} cannot be used: 1 to {MAX_NAME_BYTES} characters out of "
            "A-Z a-z 0-9 . _ - = in parts of at most 250, with / between them"
        )
        raise StorageLimitError(message)


def require_safe(name: str) -> None:
    """Check a name that is read or deleted: a foreign object may be called anything that stays below the prefix.

    Raises:
        StorageLimitError: It could lead out of the prefix, or has control characters.
    """
    if not name or len(name) > MAX_NAME_BYTES or _UNSAFE_PART.search(name):
        message = f"the object name {name[:_SHOWN]!r} is refused: it is not a plain path below the store's prefix"
        raise StorageLimitError(message)


def storable_name(name: str) -> str:
    """Return a name that can be stored for any foreign one; a name that can be stored is returned unchanged.

    Other characters become ``_``, and a digest of the foreign name at its end keeps two of them apart.
    """
    if len(name) <= MAX_NAME_BYTES and _NAME.fullmatch(name):
        return name
    # Without the digest, ``a b`` and ``a_b`` would become one name.
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{_UNSTORABLE.sub('_', name)[:_KEPT]}-{digest}"


def clean_prefix(prefix: str) -> str:
    """Return a configured prefix without slashes at its ends; empty when there is none.

    Raises:
        ConfigurationError: It cannot be part of an object's name.
    """
    cleaned = prefix.strip("/")
    if cleaned and (len(cleaned) > 1_024 - MAX_NAME_BYTES or not _NAME.fullmatch(cleaned)):
        problem = Problem(
            "prefix",
            "it cannot begin an object's name",
            "use up to 124 of A-Z a-z 0-9 . _ - = with / between the parts",
        )
        raise ConfigurationError(problem)
    return cleaned
