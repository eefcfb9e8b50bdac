from __future__ import annotations

from typing import Any

import pytest

from telemetry.ingest.mapping.outcomes import OutcomeTable


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("SUCCESS", "success"),
        ("Succeeded", "success"),
        ("  ok ", "success"),
        ("ALLOW", "success"),
        ("YES", "success"),
        (True, "success"),
        ("true", "success"),
        (204, "success"),
        ("302", "success"),
        ("Failure", "failure"),
        ("NO", "failure"),
        (False, "failure"),
        (404, "failure"),
        ("500", "failure"),
        ("DENY", "denied"),
        ("Access Denied", "denied"),
        ("access-denied", "denied"),
        ("PERMISSION_DENIED", "denied"),
        (401, "denied"),
        ("403", "denied"),
    ],
)
def test_common_words_and_codes_are_known(value: Any, outcome: str) -> None:
    assert OutcomeTable().read(value) == outcome


@pytest.mark.parametrize(
    "value", ["", "Start", "UNKNOWN", 0, 7, 600, -1, 10**40, "9" * 5_000, 200.0, None, [], {"a": 1}]
)
def test_an_unknown_outcome_is_not_guessed(value: Any) -> None:
    assert OutcomeTable().read(value) is None


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "success"), ("0", "success"), (7, "denied"), (16, "denied"), (5, "failure"), (200, None)]
)
def test_grpc_codes_count_where_asked_for(code: Any, outcome: str | None) -> None:
    assert OutcomeTable(codes="grpc").read(code) == outcome


def test_own_words_win() -> None:
    table = OutcomeTable({"denied": ["Stopped By Rule", "404"], "failure": ["success"]})

    assert table.read("stopped_by-rule") == "denied"
    assert table.read(404) == table.read("404") == "denied"
    assert table.read("Success") == "failure"
    assert table.read("ok") == "success"
