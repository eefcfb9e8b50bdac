"""Scrubs the members of an event after they were written as JSON, so that texts which stand for odd values are scrubbed too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.audit.accept.draft.adjuster import Adjuster
from telemetry.audit.accept.draft.fields import TEXTS, OptionalFields
from telemetry.exceptions import EventError
from telemetry.format.value.members import Target

if TYPE_CHECKING:
    from telemetry.catalog.scrubber import Scrubber

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_SCRUBBED = "[scrubbed]"
_UNSEEN = _encode(_SCRUBBED)


class Scrubbing:
    """Decides which events are scrubbed, and scrubs them.

    Args:
        by_default: Whether a call that does not say so is scrubbed.
        keys: Further names of secrets.
        spared: Names that are no secrets.
    """

    def __init__(self, *, by_default: bool = False, keys: Sequence[str] = (), spared: Sequence[str] = ()) -> None:
        self.by_default = by_default
        self._keys = keys
        self._spared = spared
        self._created: Scrubber | None = None

    @property
    def _scrubber(self) -> Scrubber:
        # Without a lock, as a cached property of Python 3.11 has: a fork beside the first event would leave it taken for
        # ever. Two threads may create one each, which are equal.
        if self._created is None:
            # Loaded with the first event that is scrubbed: most services have none.
            from telemetry.catalog.scrubber import Scrubber  # noqa: PLC0415

            self._created = Scrubber(keys=self._keys, spared=self._spared)
        return self._created

    def is_due(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether the event of a call is scrubbed.

        Raises:
            EventError: The argument ``scrub`` is neither True nor False.
        """
        asked = arguments.get("scrub")
        if asked is None:
            return self.by_default
        if not isinstance(asked, bool):
            message = f"scrub must be True or False, not of type {type(asked).__name__}"
            raise EventError(message)
        # The configuration decides for every call; a call can only ask for more.
        return asked or self.by_default

    def json(self, encoded: bytes) -> bytes:
        """Return a payload or metadata without secrets; the same object where it has none."""
        try:
            scrubbed = self._scrubber.scrub(_decode(encoded))
        except RecursionError:
            return _UNSEEN
        return _encode(scrubbed.value) if scrubbed.is_changed else encoded

    def fields(self, fields: OptionalFields, adjuster: Adjuster) -> None:
        """Scrub metadata, changes, targets and texts, and name those in ``adjusted`` of which something was replaced."""
        if fields.metadata is not None:
            metadata = self.json(bytes(fields.metadata))
            if metadata != bytes(fields.metadata):
                fields.metadata = msgspec.Raw(metadata if metadata != _UNSEEN else _encode({"*": _SCRUBBED}))
                adjuster.adjusted.add("metadata")
        if fields.changes is not None:
            self._changes(fields, adjuster)
        for name in TEXTS:
            text = getattr(fields, name)
            if text is not None and (kept := self._scrubber.scrub_text(text)) != text:
                setattr(fields, name, kept)
                adjuster.adjusted.add(name)
        if fields.targets:
            targets = [Target(*map(self._text, (each.entity, each.entity_id))) for each in fields.targets]
            if targets != fields.targets:
                fields.targets = targets
                adjuster.adjusted.add("targets")

    def _changes(self, fields: OptionalFields, adjuster: Adjuster) -> None:
        try:
            scrubbed = self._scrubber.scrub_changes(_decode(bytes(fields.changes or b"{}")))
        except RecursionError:
            fields.changes = msgspec.Raw(_encode({"*": {"new": _SCRUBBED}}))
            adjuster.adjusted.add("changes")
            return
        if scrubbed.is_changed:
            fields.changes = msgspec.Raw(_encode(scrubbed.value))
            adjuster.adjusted.add("changes")

    def _text(self, text: Any) -> Any:
        return None if text is None else self._scrubber.scrub_text(text)
