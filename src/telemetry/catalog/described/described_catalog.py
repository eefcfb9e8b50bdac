"""Defines what a catalogue says, without the classes that say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from telemetry.catalog.catalog import AuditCatalog
from telemetry.catalog.event_type import EventType
from telemetry.catalog.policy import BLOCK_SECONDS, Level, OnFailure, Severity
from telemetry.format.value.event import Outcome

_OF_POLICY = frozenset(("delivery", "on_failure", "block_seconds"))


class DescribedType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a catalogue says about one type; the attributes are those of ``AuditCatalog.event``.

    Attributes:
        name: The event type.
        schema: JSON Schema of the payload, with the marks.
        hash: Hash of the schema.
        catalog: Name of the catalogue that declares it.
        catalog_version: Version of that catalogue.
    """

    name: str
    schema: dict[str, Any]
    hash: str
    catalog: str
    catalog_version: str
    description: str = ""
    entity: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: Outcome | None = None
    severity: Severity | None = None
    delivery: Level = "accepted"
    on_failure: OnFailure = "raise"
    block_seconds: float = BLOCK_SECONDS
    retention: str | None = None
    controls: tuple[str, ...] = ()
    ocsf: tuple[int, int] | None = None


class DescribedCatalog(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue.

    Attributes:
        name: Its name.
        version: Its version.
        unknown: What happens to events of other types.
        types: The types by name, in their order.
    """

    name: str
    version: str
    unknown: Literal["refuse", "warn", "allow"]
    types: dict[str, DescribedType]


def describe(catalog: AuditCatalog) -> DescribedCatalog:
    """Return what a catalogue says."""
    return DescribedCatalog(
        name=catalog.name,
        version=catalog.version,
        unknown=catalog.unknown,
        types={kind.name: _described(kind) for kind in catalog},
    )


def properties_of(kind: DescribedType) -> Iterable[tuple[str, Any]]:
    """Yield name and value of what a type says of itself, other than its schema."""
    for name in kind.__struct_fields__:
        if name not in ("name", "schema", "hash"):
            yield name, getattr(kind, name)


def _described(kind: EventType) -> DescribedType:
    reference = kind.reference
    own = {name: getattr(kind, name) for name in DescribedType.__struct_fields__ if hasattr(kind, name)}
    policy = {name: getattr(kind.policy, name) for name in _OF_POLICY}
    return DescribedType(**{**own, **policy, "hash": reference.schema or ""})
