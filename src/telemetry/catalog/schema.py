"""Renders the schema of a payload class: with its marks for people and tools, and in one canonical form for its hash."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from telemetry.catalog.disclosure import AnyOf, Each, Marked, Members, Rule
from telemetry.catalog.marks import Personal
from telemetry.format import canonical_base64

PERSONAL, SECRET = "x-telemetry-personal", "x-telemetry-secret"
"""Keywords of a schema: what is shown of a personal value, and what happens to a secret."""

_PROSE = frozenset(("title", "description", "examples"))
_BY_NAME = frozenset(("properties", "$defs", "patternProperties"))
_LOCAL = "#/$defs/"

_encode = msgspec.json.Encoder(order="deterministic").encode


def marked_schema(schema: dict[str, Any], rule: Rule | None) -> dict[str, Any]:
    """Return a schema in which each place that has a mark says so.

    Args:
        schema: JSON Schema of the class.
        rule: The rule of the class.
    """
    marked = copy.deepcopy(schema)
    if rule is not None:
        _mark(marked, rule, marked.get("$defs", {}), set())
    return marked


def schema_hash(schema: dict[str, Any]) -> str:
    """Return base64url(SHA-256) of a schema without its prose, as JSON with sorted names and without white space."""
    canonical = _encode(without_prose(schema))
    return canonical_base64.encode_url(hashlib.sha256(canonical).digest()).decode()


def without_prose(node: Any, *, is_named: bool = False) -> Any:
    """Return a schema without titles, descriptions and examples.

    Args:
        node: The schema, or a part of it.
        is_named: Whether the keys are names that somebody chose, not keywords.
    """
    if isinstance(node, dict):
        return {
            key: without_prose(child, is_named=key in _BY_NAME and not is_named)
            for key, child in node.items()
            if is_named or key not in _PROSE
        }
    return [without_prose(child) for child in node] if isinstance(node, list) else node


def resolved(node: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference of the same document means; a schema without one is returned unchanged."""
    for _ in range(len(definitions) + 1):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str) or not reference.startswith(_LOCAL):
            break
        node = definitions.get(reference.removeprefix(_LOCAL), {})
    return node if isinstance(node, dict) else {}


def _mark(node: Any, rule: Rule, definitions: dict[str, Any], seen: set[tuple[int, int]]) -> None:
    if not isinstance(node, dict) or (id(node), id(rule)) in seen:
        return
    seen.add((id(node), id(rule)))
    if isinstance(rule, Marked):
        is_personal = isinstance(rule.mark, Personal)
        node[PERSONAL if is_personal else SECRET] = (
            rule.mark.show if isinstance(rule.mark, Personal) else rule.mark.given
        )
        return
    target = resolved(node, definitions)
    for option in (*target.get("anyOf", ()), *target.get("oneOf", ())):
        _mark(option, rule, definitions, seen)
    for place, below in _places(node, target, rule):
        _mark(place, below, definitions, seen)


def _places(node: dict[str, Any], target: dict[str, Any], rule: Rule) -> Iterator[tuple[Any, Rule]]:
    """Yield the schemas below one, each with its rule."""
    match rule:
        case Members():
            properties = target.get("properties", {})
            yield from ((properties.get(name), below) for name, below in rule.of.items())
        case Each():
            values = (target.get("items"), target.get("additionalProperties"), *target.get("prefixItems", ()))
            yield from ((value, rule.rule) for value in values)
        case AnyOf():
            yield from ((node, below) for below in rule.rules)
