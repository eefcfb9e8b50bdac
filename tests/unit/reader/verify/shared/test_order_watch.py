"""Read by sequence, a stream is watched for offsets that do not rise with it."""

from __future__ import annotations

import pickle

from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.shared.order_watch import OrderWatch


def observe(watch: OrderWatch, *records: tuple[int, int, int]) -> None:
    for stream, sequence, offset in records:
        assert watch.add(stream, Place("audit", 0, offset), b"alice", sequence) is None


def test_rising_offsets_are_in_order() -> None:
    watch = OrderWatch()
    observe(watch, (0, 1, 10), (1, 1, 5), (0, 2, 12), (1, 3, 9))
    assert watch.disordered == set()


def test_falling_offset_is_noticed() -> None:
    watch = OrderWatch()
    observe(watch, (0, 1, 10), (1, 1, 5), (0, 2, 9))
    assert watch.disordered == {0}


def test_falling_sequence_is_noticed() -> None:
    watch = OrderWatch()
    observe(watch, (0, 2, 10), (0, 1, 12))
    assert watch.disordered == {0}


def test_later_copy_is_harmless() -> None:
    watch = OrderWatch()
    observe(watch, (0, 2, 10))
    watch.note_copy(0, Place("audit", 0, 11), 2)
    assert watch.disordered == set()


def test_earlier_copy_is_noticed() -> None:
    watch = OrderWatch()
    observe(watch, (0, 2, 10), (0, 3, 11))
    watch.note_copy(0, Place("audit", 0, 5), 2)
    assert watch.disordered == {0}


def test_watch_is_bounded() -> None:
    watch = OrderWatch(most=10)
    observe(watch, *((stream, 1, stream) for stream in range(1_000)))
    assert len(watch._last) + len(watch._former) <= 20


def test_order_is_empty_in_another_process() -> None:
    watch = OrderWatch()
    observe(watch, (0, 1, 10))
    assert type(pickle.loads(pickle.dumps(watch))) is KeyOrder  # noqa: S301 - its own bytes
