"""The next verification begins where this one has ended, and never beyond the end of a partition."""

from __future__ import annotations

import pytest

from telemetry.reader.verify.continued.positions import ReadPositions
from telemetry.reader.verify.verdicts import Verdict

BEFORE = {"audit-events": {0: 100, 1: 50}}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0, 100, None), (100, 200, None), (0, 99, Verdict.TRUNCATED), (101, 200, Verdict.MISSING)],
)
def test_bounds_are_compared_with_what_was_read(low: int, high: int, verdict: Verdict | None) -> None:
    finding = ReadPositions(BEFORE).note_bounds("audit-events", 0, low=low, high=high)

    assert (finding.verdict if finding else None) is verdict


def test_partition_that_was_not_read_before() -> None:
    assert ReadPositions(BEFORE).note_bounds("audit-events", 2, low=7, high=9) is None


def test_next_one_begins_where_this_one_ends() -> None:
    positions = ReadPositions(BEFORE)
    positions.read["audit-events"].update({0: 120, 1: 40, 2: 3})
    positions.note_bounds("audit-events", 0, low=0, high=110)

    assert positions.reached() == {"audit-events": {0: 110, 1: 50, 2: 3}}
    assert BEFORE == {"audit-events": {0: 100, 1: 50}}
