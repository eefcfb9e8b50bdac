"""What is required and unknown is 0, and an object that lacks something is left out."""

from __future__ import annotations

from telemetry.reader.mappings.ocsf_schema import complete


def test_required_number_is_unknown() -> None:
    record, _ = complete({"device": {"hostname": "a"}}, 3004)

    assert record["device"] == {"hostname": "a", "type_id": 0}


def test_object_that_lacks_something_goes() -> None:
    # A request of an API must have an id, and an endpoint something that names it.
    record, _ = complete({"api": {"operation": "a", "request": {"flags": ["b"]}}, "src_endpoint": {"port": 1}}, 6003)

    assert record["api"] == {"operation": "a"}
    assert "src_endpoint" not in record


def test_absence_of_what_a_class_requires_is_named() -> None:
    lacking = complete({"group": {"name": "a"}}, 3006).lacking

    assert "privileges or user" in lacking
    assert "group" not in lacking


def test_one_of_two_and_not_both() -> None:
    kind, both = 3003, {"privileges": ["a"], "group": {"name": "b"}}

    assert "exactly one of privileges and group" in complete(both, kind).lacking
    assert "exactly one of privileges and group" not in complete({"privileges": ["a"]}, kind).lacking


def test_empty_list_of_objects_goes() -> None:
    assert "resources" not in complete({"resources": [{"version": "1"}]}, 6003).record
