"""Compares two versions of a catalogue: what breaks callers, and what promises less than before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from telemetry.catalog.described.described_catalog import DescribedCatalog, DescribedType
from telemetry.catalog.described.schema_difference import schema_changes
from telemetry.catalog.policy import LEVELS, ON_FAILURE, SEVERITIES

Effect = Literal["breaking", "weaker", "compatible"]
"""A call that was right is refused, or readers miss what they had; less is promised than before; or neither."""

_DAYS = {"d": 1, "m": 30, "y": 365}
_UNKNOWN = {"allow": 0, "warn": 1, "refuse": 2}
_RETENTION = re.compile(r"(\d+)([dmy])")


class Change(NamedTuple):
    """One difference.

    Attributes:
        effect: What it means.
        event_type: The type; empty if it concerns the catalogue.
        text: What is different, in words.
    """

    effect: Effect
    event_type: str
    text: str


def compare(old: DescribedCatalog, new: DescribedCatalog) -> list[Change]:
    """Return every difference, the worst first."""
    order: tuple[Effect, ...] = ("breaking", "weaker", "compatible")
    return sorted(_changes(old, new), key=lambda change: (order.index(change.effect), change.event_type))


def _changes(old: DescribedCatalog, new: DescribedCatalog) -> Iterator[Change]:
    if old.unknown != new.unknown:
        effect: Effect = "weaker" if _UNKNOWN[new.unknown] < _UNKNOWN[old.unknown] else "breaking"
        yield Change(effect, "", f"events of other types: {old.unknown} becomes {new.unknown}")
    for name, kind in old.types.items():
        if name in new.types:
            yield from _of_type(kind, new.types[name])
        else:
            yield Change("breaking", name, "is no longer declared")
    for name in new.types.keys() - old.types.keys():
        yield Change("compatible", name, "is new")


def _of_type(old: DescribedType, new: DescribedType) -> Iterator[Change]:
    name = new.name
    for place, ranks in (("delivery", LEVELS), ("on_failure", ON_FAILURE)):
        yield from _ranked(name, place, getattr(old, place), getattr(new, place), ranks)
    before, after = _days(old.retention), _days(new.retention)
    if old.retention != new.retention:
        effect: Effect = "weaker" if after < before else "compatible"
        yield Change(effect, name, f"retention: {old.retention or 'none'} becomes {new.retention or 'none'}")
    yield from _ranked(name, "severity", old.severity or "", new.severity or "", {"": 0, **SEVERITIES})
    for control in old.controls:
        if control not in new.controls:
            yield Change("weaker", name, f"is no longer logged for {control}")
    for place in ("entity", "entity_id", "action", "outcome", "ocsf"):
        one, other = getattr(old, place), getattr(new, place)
        if one != other:
            is_lost = one is not None
            yield Change("breaking" if is_lost else "compatible", name, f"{place}: {_said(one)} becomes {_said(other)}")
    for found in schema_changes(old.schema, new.schema):
        yield Change(found.effect, name, f"{found.place} {found.text}")


def _ranked(name: str, place: str, old: str, new: str, ranks: dict[str, int]) -> Iterator[Change]:
    if old != new:
        effect: Effect = "weaker" if ranks[new] < ranks[old] else "compatible"
        yield Change(effect, name, f"{place}: {old or 'none'} becomes {new or 'none'}")


def _days(retention: str | None) -> int:
    match = _RETENTION.fullmatch(retention or "")
    return int(match[1]) * _DAYS[match[2]] if match else 0


def _said(value: Any) -> str:
    return "none" if value is None else "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
