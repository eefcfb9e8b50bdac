"""Each mapping against the published schema, checked by somebody else's code.

OCSF: the 1.3.0 schema of https://schema.ocsf.io, as PyPI ``ocsf-json-schema`` packs it. CADF: OpenStack's ``pycadf``
(DMTF DSP0262 1.0.0). CloudEvents: the CNCF's ``cloudevents``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded
from pycadf import cadftaxonomy, cadftype, timestamp
from pycadf.attachment import Attachment
from pycadf.event import Event
from pycadf.reason import Reason
from pycadf.reporterstep import Reporterstep
from pycadf.resource import Resource

from telemetry.reader.mappings import to_cadf, to_cloudevent, to_ocsf
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf.layout import paths_of
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import RuleBook, parse_rules
from tests.support.ocsf_constants import rules_of_class
from tests.support.ocsf_published import published as whole_schema
from tests.support.some_events import CONTEXT, FULL, VARIETY, opened

each_event = pytest.mark.parametrize("fields", VARIETY, ids=range(len(VARIETY)))


@cache
def _validator(class_uid: int, profiles: tuple[str, ...]) -> Draft202012Validator:
    name = published().classes[class_uid].name
    schema = OcsfJsonSchemaEmbedded(whole_schema()).get_class_schema(name, list(profiles))
    # It takes a constraint such as device.os.version for the name of a member.
    if any("." in choice["required"][0] for choice in schema.get("anyOf", ())):
        del schema["anyOf"]
    return Draft202012Validator(schema)


def _ocsf_errors(record: dict[str, Any]) -> list[str]:
    validator = _validator(record["class_uid"], tuple(record["metadata"].get("profiles", ())))
    return [error.message for error in validator.iter_errors(json.loads(json.dumps(record)))]


def _paths(value: Any, prefix: str = "") -> Iterator[str]:
    for name, member in value.items():
        items = member if isinstance(member, list) else [member]
        if name == "data" or not all(isinstance(item, dict) for item in items):
            yield prefix + name
            continue
        for item in items:
            yield from _paths(item, f"{prefix}{name}.")


@each_event
def test_ocsf_fields_fit_their_class(fields: dict[str, Any]) -> None:
    assert _ocsf_errors(to_ocsf(opened(**fields))) == []


@each_event
def test_ocsf_ids_and_names_are_published(fields: dict[str, Any]) -> None:
    _require_published_names(to_ocsf(opened(**fields)))


def _require_published_names(record: dict[str, Any]) -> None:
    kind = whole_schema()["classes"][published().classes[record["class_uid"]].name]
    assert record["class_uid"] == kind["uid"]
    assert record["class_name"] == kind["caption"]
    assert record["category_uid"] == int(kind.get("category_uid") or 0)
    for name in ("activity_id", "status_id", "severity_id", "type_uid"):
        assert str(record[name]) in kind["attributes"][name]["enum"]
    for number, name in (("status_id", "status"), ("severity_id", "severity"), ("type_uid", "type_name")):
        caption = kind["attributes"][number]["enum"][str(record[number])]["caption"]
        assert record[name] == caption or record[number] == 99
    assert record["type_uid"] == record["class_uid"] * 100 + record["activity_id"]


@pytest.mark.parametrize("class_uid", sorted(published().classes))
def test_every_class_and_activity_by_rule(class_uid: int) -> None:
    for text in rules_of_class(class_uid):
        rules = parse_rules(text, name="rules.toml")
        mapping = OcsfMapping(rules)
        records = [mapping(opened(**fields)) for fields in ({}, {"actor_id": "admin"}, FULL, {**FULL, **CONTEXT})]

        assert [_ocsf_errors(record) for record in records] == [[]] * len(records)
        assert records[-1]["class_uid"] == class_uid
        for record in records:
            _require_published_names(record)
            del record["unmapped"]
            assert set(_paths(record)) <= set(paths_of(record["class_uid"], RuleBook(rules).rules))


@each_event
def test_ocsf_paths_are_listed(fields: dict[str, Any]) -> None:
    record = to_ocsf(opened(**fields))

    del record["unmapped"]
    assert set(_paths(record)) <= set(paths_of(record["class_uid"], RuleBook().rules))


def test_check_finds_fields_outside_ocsf() -> None:
    record = to_ocsf(opened(**FULL))
    without, unknown, wrong = dict(record), dict(record), dict(record)
    del without["src_endpoint"]
    unknown["severity_level"] = 3
    wrong["activity_id"] = 12

    assert all(_ocsf_errors(broken) for broken in (without, unknown, wrong))


@each_event
def test_cadf_uses_the_words_of_its_taxonomies(fields: dict[str, Any]) -> None:
    record = to_cadf(opened(**fields))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would have every identifier be a UUID
        event = Event(
            eventType=record["eventType"],
            id=record["id"],
            eventTime=record["eventTime"],
            action=record["action"],
            outcome=record["outcome"],
            name=record["name"],
            initiator=_resource(record["initiator"]),
            target=_resource(record["target"]),
            observer=_resource(record["observer"]),
            reason=Reason(**record["reason"]) if "reason" in record else None,
        )
        for step in record.get("reporterchain", ()):
            event.add_reporterstep(_step(step))
    assert event.is_valid()
    assert record["typeURI"] == event.typeURI == cadftype.CADF_VERSION_1_0_0 + "event"
    assert cadftaxonomy.is_valid_outcome(record["outcome"])
    assert record["action"] in cadftaxonomy.ACTION_TAXONOMY
    assert timestamp.is_valid(record["eventTime"])
    assert record["eventTime"].endswith("+00:00")


def _step(found: dict[str, Any]) -> Reporterstep:
    step = Reporterstep(found["role"], found["reporterTime"], _resource(found["reporter"]))
    assert step.is_valid()
    return step


def _resource(found: dict[str, Any]) -> Resource:
    assert cadftaxonomy.is_valid_resource(found["typeURI"])
    assert " " not in found["id"]
    for part in found.get("attachments", ()):
        assert Attachment(typeURI=part["typeURI"], content=part["content"], name=part["name"]).is_valid()
    return Resource(id=found["id"], typeURI=found["typeURI"], name=found.get("name"))


@each_event
def test_cloudevents_library_reads_the_event(fields: dict[str, Any]) -> None:
    record = to_cloudevent(opened(**fields))
    content_type = {"content-type": b"application/cloudevents+json; charset=UTF-8"}

    event = from_structured_event(KafkaMessage(headers=content_type, key=None, value=json.dumps(record).encode()))

    assert (event.get_id(), event.get_type(), event.get_source()) == (record["id"], record["type"], record["source"])
    assert event.get_data() == json.loads(json.dumps(record["data"]))
    assert event.get_extension("sequence") == "7"
    assert event.get_datacontenttype() == "application/json"
