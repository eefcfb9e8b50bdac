"""Compares two JSON Schemas of payloads: whether what the old one accepts the new one accepts too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from telemetry.catalog.schema import PERSONAL, SECRET, resolved, without_prose

_MAX_DEPTH = 50
_MAX_OPTIONS = 100
_SHOWN = {"keep": 0, "last4": 1, "hmac": 1, "mask": 2, "drop": 3}
_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "multipleOf", "contentEncoding", "const")

_encode = msgspec.json.Encoder(order="deterministic").encode


class SchemaChange(NamedTuple):
    """One difference.

    Attributes:
        effect: What it means (``difference.Effect``).
        place: Path of the member, such as ``payload.amount``.
        text: What is different, in words.
    """

    effect: Literal["breaking", "weaker", "compatible"]
    place: str
    text: str


def schema_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[SchemaChange]:
    """Yield the differences of two schemas."""
    yield from _Comparison(old, new).of(old, new, "payload", 0)


class _Comparison:
    """Compares two documents; a pair of definitions is compared once, however often it is referred to."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self._old = old.get("$defs", {})
        self._new = new.get("$defs", {})
        self._seen: set[tuple[int, int]] = set()

    def of(self, old: Any, new: Any, place: str, depth: int) -> Iterator[SchemaChange]:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return
        yield from _marks(old, new, place)
        before, after = resolved(old, self._old), resolved(new, self._new)
        if (id(before), id(after)) in self._seen:
            return
        self._seen.add((id(before), id(after)))
        if depth > _MAX_DEPTH:
            if _encode(before) != _encode(after):
                yield SchemaChange("breaking", place, "differs deep inside")
            return
        accepted, accepts = self._options(before, self._old), self._options(after, self._new)
        for kind, option in accepted.items():
            counterpart = (
                accepts.get(kind) or (accepts.get("number") if kind == "integer" else None) or accepts.get("any")
            )
            if counterpart is None:
                yield SchemaChange("breaking", place, f"no longer accepts {kind}")
            else:
                yield from self._same_kind(option, counterpart, place, depth)
        for kind in accepts.keys() - accepted.keys():
            yield SchemaChange("compatible", place, f"accepts {kind} too")

    def _options(self, node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the alternatives of a schema by their type; several of one type are told apart by what they are."""
        found: dict[str, dict[str, Any]] = {}
        waiting = [node]
        # The list grows while it is walked, up to a bound: alternatives may be nested, and refer to each other.
        for one in waiting:
            alternatives = [*one.get("anyOf", ()), *one.get("oneOf", ())]
            if alternatives and len(waiting) < _MAX_OPTIONS:
                waiting.extend(resolved(each, definitions) for each in alternatives)
                continue
            kinds = one.get("type", "any")
            for kind in kinds if isinstance(kinds, list) else [kinds]:
                label = str(kind)
                if label in found and found[label] is not one:
                    label = f"{kind} {one.get('title') or _encode(without_prose(one)).decode()[:80]}"
                found[label] = one
        return found

    def _same_kind(self, old: dict[str, Any], new: dict[str, Any], place: str, depth: int) -> Iterator[SchemaChange]:
        yield from _limits(old, new, place)
        yield from self._members(old, new, place, depth)
        for key, path in (("items", f"{place}[]"), ("additionalProperties", f"{place}.*")):
            one, other = old.get(key, True), new.get(key, True)
            if one is not False and other is False:
                yield SchemaChange("breaking", path, "no longer accepts anything")
            elif one is True and isinstance(other, dict) and other:
                yield SchemaChange("breaking", path, "accepts less than everything")
            elif isinstance(one, dict) and one and other is True:
                yield SchemaChange("compatible", path, "accepts everything")
            elif one is False and other is not False:
                yield SchemaChange("compatible", path, "accepts more than nothing")
            else:
                yield from self.of(one, other, path, depth + 1)
        places = zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False)
        for number, (one, other) in enumerate(places):
            yield from self.of(one, other, f"{place}[{number}]", depth + 1)

    def _members(self, old: dict[str, Any], new: dict[str, Any], place: str, depth: int) -> Iterator[SchemaChange]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name, member in before.items():
            path = f"{place}.{name}"
            if name not in after:
                yield SchemaChange("breaking", path, "is gone")
                continue
            if name in needs - needed:
                yield SchemaChange("breaking", path, "is required now")
            if name in needed - needs:
                yield SchemaChange("compatible", path, "is no longer required")
            yield from self.of(member, after[name], path, depth + 1)
        for name in after.keys() - before.keys():
            effect: Literal["breaking", "compatible"] = "breaking" if name in needs else "compatible"
            yield SchemaChange(effect, f"{place}.{name}", "is new and required" if name in needs else "is new")


def _marks(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[SchemaChange]:
    if SECRET in old and SECRET not in new:
        yield SchemaChange("weaker", place, "is no longer a secret")
    if SECRET in new and SECRET not in old:
        yield SchemaChange("compatible", place, "is a secret now, and no longer written")
    if old.get(SECRET) == "drop" and new.get(SECRET) == "refuse":
        yield SchemaChange("breaking", place, "is refused where it is given")
    before, after = old.get(PERSONAL), new.get(PERSONAL)
    if before != after and SECRET not in new:
        # A word that this version does not know counts as the least.
        is_weaker = _SHOWN.get(str(after), 0) < _SHOWN.get(str(before), 0) or (after is None and SECRET not in old)
        text = f"personal: {before or 'not'} becomes {after or 'not'}"
        yield SchemaChange("weaker" if is_weaker else "compatible", place, text)


def _limits(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[SchemaChange]:
    if "enum" in new:
        gone = [value for value in old.get("enum", ()) if value not in new["enum"]]
        if gone or "enum" not in old:
            yield SchemaChange("breaking", place, f"no longer accepts {', '.join(map(str, gone)) or 'other values'}")
    if "enum" in old and any(value not in old["enum"] for value in new.get("enum", (None,))):
        yield SchemaChange("compatible", place, "accepts more values")
    for keys, is_stricter in ((_AT_LEAST, _is_more), (_AT_MOST, _is_less)):
        for key in keys:
            if old.get(key) != new.get(key):
                effect: Literal["breaking", "compatible"] = (
                    "breaking" if is_stricter(old.get(key), new.get(key)) else "compatible"
                )
                yield SchemaChange(effect, place, f"{key}: {_said(old.get(key))} becomes {_said(new.get(key))}")
    for key in _EXACT:
        if old.get(key) != new.get(key):
            yield SchemaChange(
                "breaking" if key in new else "compatible",
                place,
                f"{key}: {_said(old.get(key))} becomes {_said(new.get(key))}",
            )


def _is_more(old: Any, new: Any) -> bool:
    return new is not None and (old is None or new > old)


def _is_less(old: Any, new: Any) -> bool:
    return new is not None and (old is None or new < old)


def _said(value: Any) -> str:
    return "none" if value is None else str(value)
