"""The packaged extract says what the published schema says."""

from __future__ import annotations

from importlib.resources import files

import pytest

from telemetry.reader.mappings import ocsf_schema
from telemetry.reader.mappings.ocsf_schema import published
from tests.support import ocsf_published


def test_extract_is_that_of_the_published_schema() -> None:
    packaged = files(ocsf_schema).joinpath("ocsf-1.3.0.json").read_bytes()

    assert packaged == ocsf_published.extract(), "run: python -m tests.support.ocsf_published > the packaged file"


def test_no_class_gains_an_attribute() -> None:
    for uid, kind in published().classes.items():
        whole = ocsf_published.published()["classes"][kind.name]
        assert whole["uid"] == uid
        assert set(kind.attributes) <= set(whole["attributes"])


def test_path_leads_through_objects() -> None:
    kind = published().classes[3001]

    assert [each.object or each.type for each in published().attributes_along(kind, "src_endpoint.os.name")] == [
        "network_endpoint",
        "os",
        "string",
    ]
    assert published().leaf(kind, "src_endpoint.ip").type == "ip"


@pytest.mark.parametrize("path", ["", "nothing", "user.nothing", "message.text", "user..uid"])
def test_path_that_does_not_exist(path: str) -> None:
    with pytest.raises(KeyError):
        published().leaf(published().classes[3001], path)
