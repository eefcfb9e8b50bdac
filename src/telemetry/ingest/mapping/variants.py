"""Finds the paths that are different in the lines of some event types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from telemetry.ingest.mapping.preset import Variant, patterns_of
from telemetry.ingest.mapping.rules import Globs
from telemetry.ingest.mapping.values import Joined

_REMEMBERED_TYPES = 4_096
_NONE: Mapping[str, Joined] = MappingProxyType({})


class Variants:
    """Compiled variants of a preset.

    Args:
        variants: The variants, in their order.

    Raises:
        ConfigurationError: A path or a pattern cannot be used.
    """

    def __init__(self, variants: Iterable[Variant]) -> None:
        self._variants = tuple(
            (
                Globs(patterns_of(variant.type), option="variant"),
                {name: Joined(paths, option=f"variant, {name}") for name, paths in variant.fields.items()},
            )
            for variant in variants
        )
        self._found: dict[str, Mapping[str, Joined]] = {}

    def of(self, event_type: str) -> Mapping[str, Joined]:
        """Return the paths that replace others in lines of this type."""
        if not self._variants:
            return _NONE
        found = self._found.get(event_type)
        if found is None:
            found = next((paths for types, paths in self._variants if types.match(event_type)), _NONE)
            # A log has few types; what is remembered is bounded, because a type can be anyone's text.
            if len(self._found) < _REMEMBERED_TYPES:
                self._found[event_type] = found
        return found
