"""Writes a catalogue as one JSON Schema, and reads it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from telemetry.catalog.described.described_catalog import DescribedCatalog, DescribedType
from telemetry.catalog.schema import schema_hash
from telemetry.exceptions import ConfigurationError, Problem

MAX_BYTES = 64 << 20
_FORMAT = 1
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CATALOG, _EVENT = "x-telemetry-catalog", "x-telemetry-event"
_UNRESERVED = re.compile(r"[^A-Za-z0-9._~-]")

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def to_document(catalog: DescribedCatalog) -> dict[str, Any]:
    """Return a JSON Schema (2020-12) of the catalogue's events: objects with ``event_type`` and ``payload``.

    Each type's schema is a resource of its own in ``$defs``, so that its own ``$defs`` cannot be mixed up with another's.
    """
    base = f"urn:telemetry-catalog:{_part(catalog.name)}:{_part(catalog.version)}"
    identifiers = {name: f"{base}:{_part(name)}" for name in catalog.types}
    return {
        "$schema": _DIALECT,
        "$id": base,
        "title": f"Events of {catalog.name}, version {catalog.version}",
        _CATALOG: {
            "format": _FORMAT,
            "name": catalog.name,
            "version": catalog.version,
            "unknown": catalog.unknown,
        },
        "type": "object",
        "required": ["event_type", "payload"],
        "oneOf": [
            {"properties": {"event_type": {"const": name}, "payload": {"$ref": identifiers[name]}}}
            for name in catalog.types
        ],
        "$defs": {
            name: {"$id": identifiers[name], **kind.schema, _EVENT: _event(kind)}
            for name, kind in catalog.types.items()
        },
    }


def from_document(content: bytes, *, name: str) -> DescribedCatalog:
    """Return the catalogue of an exported document.

    Args:
        content: The document, at most 64 MiB.
        name: Name of the file, for errors.

    Raises:
        ConfigurationError: It is no such document.
    """
    if len(content) > MAX_BYTES:
        raise ConfigurationError(Problem(name, f"has more than {MAX_BYTES} bytes", "export it again"))
    try:
        document = _decode(content)
        about = _mapping(document.get(_CATALOG))
        if about.get("format") != _FORMAT:
            raise _no_document(name)
        types = {key: _type(key, _mapping(schema)) for key, schema in _mapping(document.get("$defs")).items()}
        empty = msgspec.convert({**about, "types": {}}, DescribedCatalog)
        return msgspec.structs.replace(empty, types=types)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as exc:
        raise _no_document(name) from exc


def _event(kind: DescribedType) -> dict[str, Any]:
    written: dict[str, Any] = msgspec.to_builtins(kind)
    del written["name"], written["schema"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in written.items()}


def _type(name: str, schema: Mapping[str, Any]) -> DescribedType:
    event = _mapping(schema.get(_EVENT))
    own = {key: value for key, value in schema.items() if key not in ("$id", _EVENT)}
    # Computed, not believed: a document may have been changed by hand.
    return msgspec.convert({**event, "name": name, "schema": own, "hash": schema_hash(own)}, DescribedType)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return value


def _part(text: str) -> str:
    return _UNRESERVED.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)


def _no_document(name: str) -> ConfigurationError:
    problem = Problem(
        name, "is no exported catalogue", "write one with `telemetry catalog export --format json-schema`"
    )
    return ConfigurationError(problem)
