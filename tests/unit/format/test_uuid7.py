"""UUIDs of events, producers and objects."""

from __future__ import annotations

import uuid

import pytest

from telemetry.format.uuid7 import created_at, is_uuid


@pytest.mark.parametrize("text", ["0198c0de-1111-7222-8333-444455556666", str(uuid.uuid4())], ids=["fixed", "random"])
def test_uuids_are_recognized(text: str) -> None:
    assert is_uuid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0198C0DE-1111-7222-8333-444455556666",
        "0198c0de111172228333444455556666",
        "0198c0de-1111-7222-8333-44445555666",
        "0198c0de-1111-7222-8333-444455556666\n",
        "{0198c0de-1111-7222-8333-444455556666}",
        "\u0660198c0de-1111-7222-8333-44445555666",
    ],
)
def test_other_texts_are_not_uuids(text: str) -> None:
    assert not is_uuid(text)


def test_time_of_a_uuid7() -> None:
    assert created_at("0198c0de-1111-7222-8333-444455556666") == 1_755_582_435.601


@pytest.mark.parametrize(
    "text",
    [
        "ffffffff-ffff-7222-8333-444455556666",
        "0198c0de-1111-4222-8333-444455556666",
        "zz98c0de-1111-7222-8333-444455556666",
        "",
    ],
    ids=["after the year 9999", "another version", "not hexadecimal", "empty"],
)
def test_no_time_without_a_uuid7(text: str) -> None:
    assert created_at(text) is None
