"""Care ends after enough good batches in a row, and lasts longer each time that was too early."""

from __future__ import annotations

from telemetry.reader.sources.fetch.guard import Guard


def test_good_batches_end_care() -> None:
    guard = Guard()
    guard.count(guard.left - 1, faults=0)
    assert guard.left == 1

    guard.count(1, faults=0)

    assert guard.left == 0


def test_fault_starts_again() -> None:
    guard = Guard()
    first = guard.left
    guard.count(first - 1, faults=0)

    guard.count(5, faults=1)

    assert guard.left == first


def test_care_is_prolonged_up_to_a_limit() -> None:
    guard = Guard()
    lengths = []
    for _ in range(20):
        guard.begin()
        lengths.append(guard.left)
        guard.prolong()

    assert lengths[:3] == [32, 64, 128]
    assert lengths[-1] == 4_096


def test_only_what_waits_is_looked_for() -> None:
    guard = Guard()
    assert not guard.is_due()

    guard.is_waiting = True

    assert guard.is_due()
    guard.stop_waiting()
    assert not guard.is_due()
