"""Makes up values that fit a JSON Schema, of the keywords that the gateway's description uses, and values that do not."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

_TEXTS = (
    *("a", "order.refunded", "ada", "2026-01-31T12:00:00Z", "1767225600", "success", "0", " ", "grüße", "\U0001f600"),
    *(
        "\x00",
        "\x85",
        "\u2028",
        "\u202e",
        "x~AAAAAAAAAAAAAAAAAAAAAA",
        "telemetry.read",
        "../../etc/passwd",
        "{{7*7}}",
        "%s%n",
    ),
)
_NUMBERS = (0, 1, -1, 2**53, 2**63, 2**64, 10**30, 1e308, 1e-320, 0.1, 1767225600.5, -5)
_PATTERNED = {
    "^[0-9]{1,20}$": ("0", "1767225600000000000", "18446744073709551615", "99999999999999999999"),
    "^-?[0-9]{1,19}$": ("0", "-5", "9223372036854775807", "9999999999999999999"),
    "^(?:[0-9a-f]{32})?$": ("", "5b8efff798038103d269b633813fc60c", "0" * 32),
    "^(?:[0-9a-f]{16})?$": ("", "eee19b7ec3c1b174", "0" * 16),
}
"""Texts that fit the patterns of the description."""


class SchemaValues:
    """Values for the schemas of one description.

    Args:
        schemas: Schemas by name, to which ``$ref`` leads.
        random: Decides.
    """

    def __init__(self, schemas: Mapping[str, Any], random: Random) -> None:
        self._schemas = schemas
        self._random = random

    def fitting(self, schema: Mapping[str, Any]) -> Any:
        """Return a value that fits a schema."""
        if "$ref" in schema:
            return self.fitting(self._schemas[schema["$ref"].rpartition("/")[2]])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        if "oneOf" in schema:
            return self.fitting(self._random.choice(schema["oneOf"]))
        if "allOf" in schema:
            return {name: value for part in schema["allOf"] for name, value in self.fitting(part).items()}
        kinds = schema.get("type", ["object", "array", "string", "number", "integer", "boolean", "null"])
        kind = self._random.choice(kinds) if isinstance(kinds, list) else kinds
        return self._of_kind(kind, schema)

    def odd(self, depth: int = 0) -> Any:
        """Return any JSON value."""
        roll = self._random.randrange(12)
        if depth < 4 and roll < 2:
            return {self.text(): self.odd(depth + 1) for _ in range(self._random.randrange(4))}
        if depth < 4 and roll < 4:
            return [self.odd(depth + 1) for _ in range(self._random.randrange(4))]
        if roll < 7:
            return self.text()
        return self._random.choice(_NUMBERS) if roll < 10 else self._random.choice((True, False, None))

    def text(self) -> str:
        """Return a text, rarely a long one."""
        roll = self._random.randrange(20)
        if roll == 0:
            return "x" * self._random.choice((255, 256, 257, 1_025, 4_097, 70_000))
        if roll < 6:
            return "".join(chr(self._random.choice((*range(0x250), 0x4E2D, 0x1F600))) for _ in range(roll * 3))
        return self._random.choice(_TEXTS)

    def mutated(self, value: Any) -> Any:
        """Return a value in which one part is another."""
        if isinstance(value, dict) and value and self._random.randrange(4):
            name = self._random.choice(list(value))
            roll = self._random.randrange(4)
            rest = {other: part for other, part in value.items() if other != name}
            if roll == 0:
                return rest
            if roll == 1:
                return value | {self.text(): self.odd()}
            return rest | {name: self.mutated(value[name])}
        if isinstance(value, list) and value and self._random.randrange(4):
            at = self._random.randrange(len(value))
            return [*value[:at], self.mutated(value[at]), *value[at + 1 :]]
        return self.odd()

    def _of_kind(self, kind: str, schema: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one for each kind
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                count = max(schema.get("minItems", 0), self._random.choice((0, 1, 1, 2, 3, 12)))
                return [self.fitting(schema.get("items", {})) for _ in range(count)]
            case "string":
                if "pattern" in schema:
                    return self._random.choice(_PATTERNED[schema["pattern"]])
                text = self.text()[: schema.get("maxLength")]
                return text if len(text) >= schema.get("minLength", 0) else "a"
            case "integer":
                return self._random.choice((0, 1, -1, 2**53, 2**63 - 1))
            case "number":
                return self._random.choice(_NUMBERS)
            case "boolean":
                return self._random.choice((True, False))
            case _:
                return None

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = schema.get("required", [])
        chosen = [name for name in properties if name in required or self._random.randrange(3) == 0]
        value = {name: self.fitting(properties[name]) for name in chosen[: schema.get("maxProperties")]}
        others = schema.get("additionalProperties", True)
        if isinstance(others, Mapping):
            value |= {self.text(): self.fitting(others) for _ in range(self._random.randrange(3))}
        elif others or "patternProperties" in schema:
            value |= {f"ext{number}": self._random.choice(_TEXTS) for number in range(self._random.randrange(3))}
        return value
