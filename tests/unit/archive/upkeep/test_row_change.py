from __future__ import annotations

import pytest

from telemetry.archive.upkeep.row_change import Unchanged
from telemetry.exceptions import ArchiveError
from tests.support.upkeep_rows import Rows, an_event

ROWS = [an_event("a", number) for number in range(20)]


def test_the_same_rows_are_accepted_in_any_order() -> None:
    change = Unchanged()
    list(change.changed(Rows(ROWS).tables()))

    change.require_kept(Rows(ROWS[::-1], batch=3).tables())


@pytest.mark.parametrize("written", [ROWS[1:], [*ROWS, ROWS[3]], [*ROWS[1:], an_event("a", 0, content=b"x")], []])
def test_other_rows_are_refused(written: list[tuple[object, ...]]) -> None:
    change = Unchanged()
    list(change.changed(Rows(ROWS).tables()))

    with pytest.raises(ArchiveError, match="not those that were to be written"):
        change.require_kept(Rows(written).tables())
