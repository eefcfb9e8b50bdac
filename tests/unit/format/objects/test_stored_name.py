"""A stored object's name says in which folder it is, and whose records it has."""

from __future__ import annotations

import pytest

from telemetry.format.objects.stored_name import (
    QUARANTINE,
    REJECTED,
    WAITING,
    ObjectName,
    StoredName,
    below,
    parse_stored_name,
)

PRODUCER = "019ab000-0000-7000-8000-00000000000a"
CREATED = "019ab111-0000-7000-8000-00000000000b"
FILE = f"2025/11/23/{CREATED}-{PRODUCER}-7-9.jsonl"


def parts(topic: str) -> ObjectName:
    return ObjectName(topic, "2025/11/23", CREATED, PRODUCER, 7, 9)


@pytest.mark.parametrize("folder", [WAITING, REJECTED, QUARANTINE])
@pytest.mark.parametrize("topic", ["audit-events", "rejected", "quarantine"])
def test_folder_and_parts_are_parsed(folder: str, topic: str) -> None:
    assert parse_stored_name(below(folder, f"{topic}/{FILE}")) == StoredName(folder, parts(topic))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "rejected/",
        f"locks/audit-events/{FILE}",
        f"rejected/rejected/audit-events/{FILE}",
        f"quarantine/audit-events/{FILE}-0123456789abcdef",
        "quarantine/audit-events/README.txt",
    ],
)
def test_other_names_are_foreign(name: str) -> None:
    assert parse_stored_name(name) is None


def test_listing_prefix_of_a_folder() -> None:
    assert [below(folder, "t/") for folder in (WAITING, REJECTED)] == ["t/", "rejected/t/"]
