"""Defines the members of an event that have a structure of their own."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

MAX_DEDUP = 256
"""Characters of a value by which repeated calls are recognized, and of the name of their caller."""

_DedupText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_DEDUP)]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]


class Dedup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes two events of a source repeats of one call: the same value, caller and digest.

    Attributes:
        value: Given by the caller; the same in each repeat.
        digest: base64url(SHA-256) of what the caller gave: the same value with another digest is a conflict.
        caller: Whose value it is; values of different callers have nothing to do with each other.
    """

    value: _DedupText
    digest: _Digest
    caller: _DedupText | None = None

    def __repr__(self) -> str:
        return f"Dedup(digest={self.digest!r})"


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of several things that were acted upon.

    Attributes:
        entity: Kind of the thing.
        entity_id: Its id; None where the kind says all.
    """

    entity: str
    entity_id: str | None = None

    def __repr__(self) -> str:
        return "Target()"


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one attribute of a thing changed; a side that is not known, or did not exist, is absent.

    Attributes:
        old: Value before, any JSON value; ``msgspec.UNSET`` where it is absent.
        new: Value after, likewise.
    """

    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET

    def __repr__(self) -> str:
        return "Change()"
