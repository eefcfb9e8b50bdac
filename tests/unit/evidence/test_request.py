from __future__ import annotations

from typing import Any

import pytest

from telemetry.evidence.pack.sample import Sample
from telemetry.evidence.request import EvidenceRequest
from telemetry.exceptions import ConfigurationError
from telemetry.reader import EventFilter

ID = "0198c0de-1111-7222-8333-444455556666"
OTHER = "0198c0de-1111-7222-8333-444455556667"


def test_named_events_are_their_own_filter() -> None:
    request = EvidenceRequest(ids=(ID, OTHER))
    assert request.filter == EventFilter(ids=frozenset({ID, OTHER}))
    assert request.describe(with_text=True) == {"ids": 2}


def test_text_that_was_searched_for_can_be_left_out() -> None:
    request = EvidenceRequest(wanted=EventFilter(text="secret", users=frozenset({"ada"})))
    assert request.describe(with_text=True) == {"users": ["ada"], "text": "secret"}
    assert request.describe(with_text=False) == {"users": ["ada"], "text": True}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ids": (ID,), "wanted": EventFilter(users=frozenset({"ada"}))}, "leave one of them out"),
        ({"ids": (ID,), "sample": Sample.fresh(1)}, "leave one of them out"),
        ({"ids": (ID, ID)}, "each once"),
        ({"ids": ("x",)}, "each once"),
        ({"ids": tuple(f"0198c0de-0000-7000-8000-{number:012x}" for number in range(1_001))}, "more than 1,000"),
        ({"content": False, "wanted": EventFilter(types=("x",))}, "time of logging"),
        ({"content": False, "wanted": EventFilter(text="x")}, "time of logging"),
        ({"reader": "x" * 1_001}, "longer than"),
        ({"reason": "x" * 1_001}, "longer than"),
    ],
)
def test_request_that_contradicts_itself(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        EvidenceRequest(**values)


def test_sealed_events_are_selected_by_id_and_time() -> None:
    EvidenceRequest(content=False, wanted=EventFilter(ids=frozenset({ID}), since="2026-01-01T00:00:00.000000Z"))
