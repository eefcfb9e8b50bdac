"""Each mapping against the published schema, checked by somebody else's code.

OCSF: the 1.3.0 schema of https://schema.ocsf.io, as PyPI ``ocsf-json-schema`` packs it. CADF: OpenStack's ``pycadf``
(DMTF DSP0262 1.0.0). CloudEvents: the CNCF's ``cloudevents``.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from pycadf import cadftaxonomy, cadftype, timestamp
from pycadf.attachment import Attachment
from pycadf.event import Event
from pycadf.reason import Reason
from pycadf.resource import Resource

from telemetry.reader.mappings import OCSF, to_cadf, to_cloudevent, to_ocsf
from tests.support.some_events import FULL, VARIETY, opened

_CLASSES = {0: "base_event", 3002: "authentication", 6003: "api_activity"}

each_event = pytest.mark.parametrize("fields", VARIETY, ids=range(len(VARIETY)))


@cache
def _published() -> dict[str, Any]:
    found: dict[str, Any] = get_ocsf_schema(version=OCSF.version)
    return found


def _ocsf_errors(record: dict[str, Any]) -> list[str]:
    schema = OcsfJsonSchemaEmbedded(_published()).get_class_schema(_CLASSES[record["class_uid"]])
    return [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(json.dumps(record)))]


@each_event
def test_ocsf_fields_fit_their_class(fields: dict[str, Any]) -> None:
    assert _ocsf_errors(to_ocsf(opened(**fields))) == []


@each_event
def test_ocsf_ids_and_names_are_published(fields: dict[str, Any]) -> None:
    record = to_ocsf(opened(**fields))
    published = _published()["classes"][_CLASSES[record["class_uid"]]]

    assert record["class_uid"] == published["uid"]
    assert record["class_name"] == published["caption"]
    assert record["category_uid"] == int(published.get("category_uid") or 0)
    for name in ("activity_id", "status_id", "severity_id", "type_uid"):
        assert str(record[name]) in published["attributes"][name]["enum"]
    for number, name in (("status_id", "status"), ("severity_id", "severity"), ("type_uid", "type_name")):
        assert record[name] == published["attributes"][number]["enum"][str(record[number])]["caption"]
    assert record["type_uid"] == record["class_uid"] * 100 + record["activity_id"]


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
    assert event.is_valid()
    assert record["typeURI"] == event.typeURI == cadftype.CADF_VERSION_1_0_0 + "event"
    assert cadftaxonomy.is_valid_outcome(record["outcome"])
    assert record["action"] in cadftaxonomy.ACTION_TAXONOMY
    assert timestamp.is_valid(record["eventTime"])
    assert record["eventTime"].endswith("+00:00")


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
    assert event.get_data() == record["data"]
    assert event.get_extension("sequence") == "7"
    assert event.get_datacontenttype() == "application/json"
