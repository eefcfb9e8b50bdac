from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.reader import EventFilter
from telemetry.reader.filters.written import NAMES, read_filter

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_every_field_can_be_written() -> None:
    assert set(NAMES) == {each.name for each in fields(EventFilter) if each.init}


def test_all_unreadable_texts_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_filter({"since": "yesterday", "occurred_until": "soon", "excluded": ["color=red"]}, now=NOW)

    assert [problem.field for problem in caught.value.problems] == ["since", "occurred-until", "not"]


def test_values_of_each_kind_are_read() -> None:
    written = {"users": ["ada"], "types": ["login*", "order"], "since": "2h", "text": "x", "adjusted": True}

    assert read_filter(written, now=NOW) == EventFilter(
        users=frozenset(["ada"]),
        types=("login*", "order"),
        since="2026-01-31T10:00:00.000000Z",
        text="x",
        adjusted=True,
    )
