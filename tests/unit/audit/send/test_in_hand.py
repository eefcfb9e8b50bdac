from __future__ import annotations

from telemetry.audit.send.in_hand import RecordsInHand
from tests.support.leftovers import records


def places(in_hand: RecordsInHand) -> tuple[int, int, int]:
    return len(in_hand.batch), len(in_hand.forwarded), len(in_hand.leaving)


def test_nothing_is_in_hand_at_first() -> None:
    assert places(RecordsInHand()) == (0, 0, 0)


def test_record_is_written_down_before_each_step() -> None:
    in_hand, batch = RecordsInHand(), records(3)

    in_hand.batch_taken(batch)
    assert places(in_hand) == (3, 0, 0)
    # A checkpoint is added on the way, so the two places may differ.
    in_hand.forwarding([*batch, *records(1)])
    assert places(in_hand) == (3, 4, 0)


def test_leaving_record_is_kept_until_it_arrived() -> None:
    in_hand, outstanding = RecordsInHand(), records(5)

    in_hand.leaving_transport(outstanding)
    assert in_hand.leaving == outstanding
    in_hand.left_transport()
    assert places(in_hand) == (0, 0, 0)
