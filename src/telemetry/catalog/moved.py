"""Finds the members of a payload class that become fields of the event."""

from __future__ import annotations

import typing
from typing import Annotated, Any, get_origin

import msgspec

from telemetry.catalog.marks import EventField
from telemetry.exceptions import ConfigurationError, Problem


def moved_fields(kind: type[Any]) -> dict[str, str]:
    """Return the written name of each such member, with the name of the event's field.

    Raises:
        ConfigurationError: Two members would become one field.
    """
    moved: dict[str, str] = {}
    for name, field in _marked(kind):
        if field in moved.values():
            raise ConfigurationError(Problem(kind.__name__, f"has two members that are the event's {field}"))
        moved[name] = field
    return moved


def _marked(kind: type[Any]) -> list[tuple[str, str]]:
    pydantic = getattr(kind, "model_fields", None)
    if isinstance(pydantic, dict):
        metadata = {name: field.metadata for name, field in pydantic.items()}
    else:
        hints = typing.get_type_hints(kind, include_extras=True)
        written = _written_names(kind)
        metadata = {written.get(name, name): _metadata(hint) for name, hint in hints.items()}
    return [(name, mark.name) for name, marks in metadata.items() for mark in marks if isinstance(mark, EventField)]


def _written_names(kind: type[Any]) -> dict[str, str]:
    if not issubclass(kind, msgspec.Struct):
        return {}
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def _metadata(hint: Any) -> list[Any]:
    return list(hint.__metadata__) if get_origin(hint) is Annotated else []
