"""Writes a catalogue as the component schemas of an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from typing import Any

from telemetry.catalog.described.described_catalog import DescribedCatalog, DescribedType

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")
_LOCAL = "#/$defs/"


def to_openapi(catalog: DescribedCatalog) -> dict[str, Any]:
    """Return an OpenAPI document without paths: a service's own document refers to its schemas."""
    schemas: dict[str, Any] = {}
    names = _names(catalog)
    for kind in catalog.types.values():
        schemas |= _schemas(kind, names[kind.name])
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Events of {catalog.name}", "version": catalog.version},
        "components": {"schemas": schemas},
    }


def _schemas(kind: DescribedType, name: str) -> dict[str, Any]:
    inner = {key: f"{name}..{_NOT_IN_A_NAME.sub('_', key)}" for key in kind.schema.get("$defs", {})}
    own = {key: value for key, value in kind.schema.items() if key != "$defs"}
    if kind.description:
        own["description"] = kind.description
    definitions = {inner[key]: _moved(schema, inner) for key, schema in kind.schema.get("$defs", {}).items()}
    return {name: _moved(own, inner), **definitions}


def _moved(node: Any, names: dict[str, str]) -> Any:
    """Return a schema whose references lead to the components."""
    if isinstance(node, list):
        return [_moved(child, names) for child in node]
    if not isinstance(node, dict):
        return node
    moved = {key: _moved(child, names) for key, child in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.removeprefix(_LOCAL) in names:
        moved["$ref"] = f"#/components/schemas/{names[reference.removeprefix(_LOCAL)]}"
    return moved


def _names(catalog: DescribedCatalog) -> dict[str, str]:
    """Return a name for each type that OpenAPI allows, and no other type has."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for event_type in catalog.types:
        name = free = _NOT_IN_A_NAME.sub("_", event_type)
        number = 1
        while free in taken:
            number += 1
            free = f"{name}-{number}"
        taken.add(free)
        names[event_type] = free
    return names
