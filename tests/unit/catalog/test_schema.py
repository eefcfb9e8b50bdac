from __future__ import annotations

from typing import Annotated

import msgspec

from telemetry.catalog import Personal
from telemetry.catalog.disclosure import rule_of
from telemetry.catalog.schema import marked_schema, resolved, schema_hash, without_prose


class First(msgspec.Struct):
    """One text."""

    name: str


class Other(msgspec.Struct):
    """Another text."""

    name: Annotated[str, msgspec.Meta(title="Name", description="prose", examples=["a"])]


class Title(msgspec.Struct):
    title: str
    description: int


def test_hash_ignores_prose_alone() -> None:
    first, other = msgspec.json.schema(First), msgspec.json.schema(Other)
    renamed = msgspec.json.decode(msgspec.json.encode(other).replace(b"Other", b"First"))

    assert schema_hash(first) == schema_hash(renamed)
    assert len(schema_hash(first)) == 43
    assert schema_hash(first) != schema_hash(msgspec.json.schema(Title))


def test_members_with_names_of_keywords_are_kept() -> None:
    kept = without_prose(msgspec.json.schema(Title))

    assert set(kept["$defs"]["Title"]["properties"]) == {"title", "description"}


def test_mark_changes_the_hash() -> None:
    class Marked(msgspec.Struct):
        name: Annotated[str, Personal(show="mask")]

    globals()["Marked"] = Marked
    schema = msgspec.json.schema(Marked)

    assert schema_hash(marked_schema(schema, rule_of(Marked))) != schema_hash(schema)
    assert "x-telemetry-personal" not in str(schema)


def test_reference_that_leads_in_circles_ends() -> None:
    definitions = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}

    assert resolved({"$ref": "#/$defs/a"}, definitions) in definitions.values()
    assert resolved({"$ref": "#/$defs/none"}, {}) == {}
    assert resolved({"$ref": "http://127.0.0.1/x"}, {}) == {"$ref": "http://127.0.0.1/x"}
