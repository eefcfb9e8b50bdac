from __future__ import annotations

from typing import Any

import pytest

from telemetry.explorer.site.asked.told import told
from tests.support.hostile_events import SCRIPT


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


def test_conditions_have_the_words_of_the_form() -> None:
    conditions = {
        "users": ["bob"],
        "outcomes": ["denied", "failure"],
        "since": "2026-01-02T00:00:00Z",
        "order": "oldest",
    }

    assert told(conditions) == "user bob; outcome denied or failure; since 2026-01-02T00:00:00Z; order oldest"


def test_what_was_searched_for_can_be_unknown() -> None:
    assert told({"text": True, "access_log": True}) == "text; access log"


def test_many_values_are_counted() -> None:
    assert told({"basket": [str(number) for number in range(1_200)]}) == "basket 0 or 1 or 2 and 1,197 more"


def test_conditions_within_others_are_told() -> None:
    chosen = [{"events": 6, "search": {"entities": ["order/77"]}}]

    assert (
        told({"what": "evidence pack", "chosen": chosen})
        == "what evidence pack; chosen (events 6; search (entity order/77))"
    )


@pytest.mark.parametrize(
    "conditions",
    [
        None,
        {},
        [],
        7,
        [SCRIPT] * 5_000,
        {"x" * 5_000: 1},
        {str(number): SCRIPT for number in range(5_000)},
        _nested(150),
    ],
    ids=["none", "empty", "list", "number", "long list", "long name", "many", "nested"],
)
def test_odd_conditions_stay_short(conditions: Any) -> None:
    assert len(told(conditions)) < 2_500
