"""Counts what a mapping found in the lines, so that a path that leads nowhere is noticed at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from telemetry.ingest.mapping.rules import Globs

_REMEMBERED_TYPES = 4_096


class MappingTally:
    """Counts of one run.

    Args:
        mapped: Names that the mapping looks for.
        known: Patterns of the event types that the preset knows; None where there is no such list.

    Attributes:
        lines: Lines that were mapped.
        found: Lines in which each name was found.
        unfit: Lines in which the value of a name did not fit and was kept in the metadata.
        unknown_types: Lines whose event type the preset does not know.
    """

    def __init__(self, mapped: Iterable[str], *, known: Globs | None = None) -> None:
        self.lines = 0
        self.found = dict.fromkeys(mapped, 0)
        self.unfit: Counter[str] = Counter()
        self.unknown_types = 0
        self._known = known
        self._types: dict[str, bool] = {}

    def add(self, event_type: str, *, seen: Iterable[str], unfit: Iterable[str]) -> None:
        """Count one line.

        Args:
            event_type: Its event type.
            seen: Names that were found in it.
            unfit: Names whose value did not fit.
        """
        self.lines += 1
        for name in seen:
            if name in self.found:
                self.found[name] += 1
        self.unfit.update(unfit)
        self.unknown_types += not self._is_known(event_type)

    def _is_known(self, event_type: str) -> bool:
        if self._known is None:
            return True
        known = self._types.get(event_type)
        if known is None:
            known = self._known.match(event_type)
            if len(self._types) < _REMEMBERED_TYPES:
                self._types[event_type] = known
        return known

    def as_json(self) -> dict[str, Any]:
        """Return the counts as they are printed with ``--json``."""
        return {"found": self.found, "unfit": dict(self.unfit), "unknown_types": self.unknown_types}

    def remarks(self) -> list[str]:
        """Return what a person should know at the end; no value of a line is in it."""
        remarks = [
            f"{name} was found in 0 of {self.lines} lines"
            for name, count in self.found.items()
            if self.lines and not count and name not in self.unfit
        ]
        for name, count in self.unfit.items():
            remedy = "; say what it means with --outcome-map" if name == "outcome" else ""
            reason = "has a value that no table knows" if name == "outcome" else "has a value that does not fit"
            remarks.append(
                f"{name} {reason} in {count} of {self.lines} lines: it is kept as metadata {name}_text{remedy}"
            )
        if self.unknown_types:
            remarks.append(
                f"{self.unknown_types} of {self.lines} lines have an event type that the preset does not know"
            )
        return remarks
