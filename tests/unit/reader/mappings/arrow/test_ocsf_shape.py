"""The columns of each class of OCSF hold every record of it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from telemetry.reader.mappings import ocsf_by_rules
from telemetry.reader.mappings.arrow.ocsf_shape import OcsfShape
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import parse_rules
from tests.support.ocsf_constants import rules_of_class
from tests.support.some_events import CONTEXT, FULL, opened


@pytest.mark.parametrize("class_uid", sorted(published().classes))
def test_every_class_has_its_columns(class_uid: int) -> None:
    text = next(iter(rules_of_class(class_uid)))
    schema = ocsf_by_rules(parse_rules(text, name="rules.toml"))
    assert isinstance(schema.record, OcsfMapping)
    record = schema.record(opened(**FULL, **CONTEXT | {"schema_version": 2}))
    shape = OcsfShape(schema, schema.record, [class_uid])

    (row,) = pa.Table.from_pylist([shape.row(record)[0]], schema=shape.arrow).to_pylist()

    assert record["class_uid"] == class_uid
    assert {name for name, value in row.items() if value is not None} == set(record)


def test_attribute_has_one_type_in_all_classes() -> None:
    types: dict[str, set[tuple[str, str, bool]]] = {}
    for kind in published().classes.values():
        for name, value in kind.attributes.items():
            types.setdefault(name, set()).add((value.type, value.object, value.array))

    assert not [name for name, found in types.items() if len(found) > 1]
