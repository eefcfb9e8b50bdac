from __future__ import annotations

from telemetry.audit.send.halving import Halving
from tests.support.leftovers import records


def test_refused_records_are_found_and_the_others_keep_their_order() -> None:
    accepted: list[int] = []
    halving = Halving(records(20))
    for part in halving:
        numbers = [record.sequence or 0 for record in part]
        if {3, 4, 19} & set(numbers):
            halving.refuse(part)
        else:
            accepted += numbers

    assert [record.sequence for record in halving.refused] == [3, 4, 19]
    assert accepted == [n for n in range(20) if n not in {3, 4, 19}]


def test_rest_is_what_was_not_yielded() -> None:
    halving = Halving(records(8))
    parts = iter(halving)
    halving.refuse(next(parts))
    assert [record.sequence for record in next(parts)] == [0, 1, 2, 3]

    assert [record.sequence for record in halving.rest()] == [4, 5, 6, 7]


def test_part_that_was_accepted_meanwhile_is_not_refused() -> None:
    halving = Halving(records(2))
    for _ in halving:
        halving.refuse([])

    assert halving.refused == []
