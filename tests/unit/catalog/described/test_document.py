from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from telemetry.catalog import AuditCatalog, Event
from telemetry.catalog.described.described_catalog import describe, properties_of
from telemetry.catalog.described.document import from_document, to_document
from telemetry.catalog.described.markdown import to_markdown
from telemetry.catalog.described.ocsf_rules import rule_tables, to_rules
from telemetry.catalog.described.openapi import to_openapi
from telemetry.exceptions import ConfigurationError
from telemetry.reader.mappings.rules import parse_rules
from tests.unit.catalog.shop_catalog import catalog

DESCRIBED = describe(catalog)
DOCUMENT = to_document(DESCRIBED)


class Odd(Event):
    number: int = 0


def read(document: Any) -> Any:
    return from_document(msgspec.json.encode(document), name="catalog.json")


def test_exported_catalogue_reads_back() -> None:
    assert read(DOCUMENT) == DESCRIBED
    assert list(read(DOCUMENT).types) == [kind.name for kind in catalog]
    assert dict(properties_of(DESCRIBED.types["order.refunded"]))["retention"] == "7y"


def test_document_is_a_schema_of_the_events() -> None:
    Draft202012Validator.check_schema(DOCUMENT)
    validator = Draft202012Validator(DOCUMENT)

    validator.validate({"event_type": "order.refunded", "payload": {"order_id": 7, "amount": "1"}})
    validator.validate({"event_type": "profile.viewed", "payload": {"profile": 1}})
    for event in (
        {"event_type": "order.refunded", "payload": {"order_id": "7", "amount": "1"}},
        {
            "event_type": "order.refunded",
            "payload": {"order_id": 7, "amount": "1", "account": {"holder": 1, "iban": ""}},
        },
        {"event_type": "other", "payload": {}},
    ):
        assert not validator.is_valid(event)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"x-telemetry-catalog": {"format": 2}}',
        b'{"x-telemetry-catalog": {"format": 1, "name": "a", "version": "1", "unknown": "refuse"}}',
        b'{"x-telemetry-catalog": {"format": 1, "name": "a", "version": "1", "unknown": "x"}, "$defs": {}}',
        b'{"x-telemetry-catalog": {"format": 1, "name": "a", "version": "1", "unknown": "warn"}, "$defs": {"a": 1}}',
        b'{"x-telemetry-catalog": {"format": 1, "name": "a", "version": "1", "unknown": "warn"}, "$defs": {"a": {}}}',
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="is no exported catalogue"):
        from_document(content, name="catalog.json")


def test_hash_is_computed_and_not_believed() -> None:
    document = msgspec.json.decode(msgspec.json.encode(DOCUMENT).replace(b'"order_id"', b'"order"'))

    assert read(document).types["order.refunded"].hash != DESCRIBED.types["order.refunded"].hash
    assert read(document).types["mail.sent"].hash == DESCRIBED.types["mail.sent"].hash


def test_openapi_refers_to_its_own_schemas() -> None:
    document = to_openapi(DESCRIBED)
    schemas = document["components"]["schemas"]
    references = {
        node["$ref"].removeprefix("#/components/schemas/")
        for node in _nodes(document)
        if isinstance(node.get("$ref"), str)
    }

    assert document["openapi"] == "3.1.0"
    assert "order.refunded" in schemas
    assert references <= set(schemas)


def test_types_that_openapi_would_confuse_are_kept_apart() -> None:
    odd = AuditCatalog("odd", version=1)
    for name in ("a b", "a_b", "a/b"):
        odd.event(name)(type("Odd" + name, (Odd,), {}))

    assert {"a_b", "a_b-2", "a_b-3"} <= set(to_openapi(describe(odd))["components"]["schemas"])


def test_page_shows_what_is_sealed() -> None:
    page = to_markdown(DESCRIBED)

    assert (
        "| order.refunded | An order was paid back. | medium | durable | raise | 7y | PCI 10.2.1.2, SOC2 CC7.2 |"
        in page
    )
    assert "| token | string or null |  | never |" in page
    assert "| to | string | yes | mask |" in page


def test_page_has_no_markup_of_the_catalogue() -> None:
    odd = AuditCatalog("o|d", version=1)
    odd.event("a|b<script>", description="[x](http://127.0.0.1)\n# title")(type("Odd2", (Odd,), {}))

    page = to_markdown(describe(odd))

    assert "<script>" not in page.replace("\\<script\\>", "")
    assert "\\[x\\]" in page
    assert "\n# title" not in page


def test_rules_of_ocsf_are_those_that_export_reads() -> None:
    rules = parse_rules(to_rules(DESCRIBED), name="rules.toml")

    assert len(rules) == len(rule_tables(DESCRIBED)) == 22
    assert {(rule.class_uid, rule.activity_id, rule.severity_id) for rule in rules} >= {(6003, 3, 3), (3002, 1, 1)}


def _nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for child in node for found in _nodes(child)]
    return [node, *(found for child in node.values() for found in _nodes(child))] if isinstance(node, dict) else []
