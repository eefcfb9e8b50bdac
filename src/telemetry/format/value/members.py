"""Defines the members of an event that have a structure of their own."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

MAX_CATALOG_TEXT = 64
"""Characters of the name and of the version of a catalogue."""

RETENTION = r"^[1-9][0-9]{0,3}[dmy]\Z"
"""Form of a retention class: a number of days, months or years."""

MAX_DEDUP = 256
"""Characters of a value by which repeated calls are recognized, and of the name of their caller."""

_CatalogText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CATALOG_TEXT)]
_DedupText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_DEDUP)]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]


class CatalogReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the writer's catalogue says about the event.

    Attributes:
        name: Name of the catalogue.
        version: Version of the catalogue.
        schema: base64url(SHA-256) of the canonical schema of the type's payload; None if the payload did not pass it.
        retention: How long to keep the event, such as ``7y``; None if the catalogue does not say.
    """

    name: _CatalogText
    version: _CatalogText
    schema: _Digest | None = None
    retention: Annotated[str, msgspec.Meta(pattern=RETENTION)] | None = None


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


class SubjectReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Under which key the content of an event was sealed inside.

    Attributes:
        key: Id of the subject's key.
        forgotten: Whether that key was destroyed: the event has the user ``forgotten`` and no payload any more. The reader says
            so; it is in no event that was logged.
    """

    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{32}\Z")]
    forgotten: bool = False
