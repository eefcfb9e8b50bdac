"""A wrong order of one Kafka key is found, and never invented."""

from __future__ import annotations

from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder


def test_forgotten_key_raises_no_alarm() -> None:
    order = KeyOrder(most=100)
    assert order.add(0, Place("audit", 0), b"alice", 7) is None
    assert order.add(0, Place("audit", 0), b"alice", 5) == 7
    assert order.add(0, Place("audit", 1), b"alice", 5) is None
    assert order.add(1, Place("audit", 0), b"alice", 5) is None
    for number in range(99):
        order.add(0, Place("audit", 0), b"user-%d" % number, number)
    assert order.add(0, Place("audit", 0), b"alice", 6) == 7
    for number in range(250):
        order.add(0, Place("audit", 0), b"other-%d" % number, number)
    assert order.add(0, Place("audit", 0), b"alice", 6) is None
    assert len(order._young) + len(order._old) <= 200
