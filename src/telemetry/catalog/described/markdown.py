"""Writes a catalogue as a page for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from telemetry.catalog.described.described_catalog import DescribedCatalog, DescribedType
from telemetry.catalog.schema import PERSONAL, SECRET, resolved

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|#"})


def to_markdown(catalog: DescribedCatalog) -> str:
    """Return the page; texts of the catalogue cannot become markup."""
    return "\n".join(_page(catalog)) + "\n"


def _page(catalog: DescribedCatalog) -> Iterator[str]:
    yield f"# Events of {_text(catalog.name)}, version {_text(catalog.version)}"
    yield ""
    yield f"{len(catalog.types)} types. Events of other types: {catalog.unknown}."
    yield ""
    yield "| type | meaning | severity | delivery | on failure | retention | controls |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for kind in catalog.types.values():
        cells = (
            *(kind.name, kind.description, kind.severity or "", kind.delivery, kind.on_failure),
            *(kind.retention or "", ", ".join(kind.controls)),
        )
        yield f"| {' | '.join(map(_text, cells))} |"
    for kind in catalog.types.values():
        yield ""
        yield from _section(kind)


def _section(kind: DescribedType) -> Iterator[str]:
    yield f"## {_text(kind.name)}"
    yield ""
    if kind.description:
        yield _text(kind.description)
        yield ""
    about = [("entity", kind.entity), ("id", kind.entity_id), ("action", kind.action), ("outcome", kind.outcome)]
    said = [f"{name} {_text(str(value))}" for name, value in about if value is not None]
    if kind.ocsf is not None:
        said.append(f"OCSF class {kind.ocsf[0]}, activity {kind.ocsf[1]}")
    if said:
        yield "; ".join(said)
        yield ""
    yield "| member | type | required | sealed as |"
    yield "| --- | --- | --- | --- |"
    yield from _members(kind.schema)
    yield ""
    yield f"Schema `{kind.hash}`, declared by {_text(kind.catalog)} {_text(kind.catalog_version)}."


def _members(schema: dict[str, Any]) -> Iterator[str]:
    definitions = schema.get("$defs", {})
    own = resolved(schema, definitions)
    required = own.get("required", ())
    for name, member in own.get("properties", {}).items():
        cells = (name, _type(member, definitions), "yes" if name in required else "", _shown(member))
        yield f"| {' | '.join(map(_text, cells))} |"


def _type(member: dict[str, Any], definitions: dict[str, Any]) -> str:
    target = resolved(member, definitions)
    options = [*target.get("anyOf", ()), *target.get("oneOf", ())]
    if options:
        return " or ".join(_type(option, definitions) for option in options)
    if "enum" in target:
        return ", ".join(map(str, target["enum"]))
    kind = target.get("type", "any")
    if kind == "array":
        return f"array of {_type(target.get('items') or {}, definitions)}"
    if kind == "object" and "title" in target:
        return str(target["title"])
    return f"{kind} ({target['format']})" if "format" in target else str(kind)


def _shown(member: dict[str, Any]) -> str:
    if SECRET in member:
        return "never"
    return str(member[PERSONAL]) if PERSONAL in member else ""


def _text(text: str) -> str:
    return " ".join(text.split()).translate(_SPECIAL)
