"""The intakes of a pipeline are counted and closed all together: the own stream's, and those of other services."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.audit.streams.stream_registry import StreamRegistry
from telemetry.exceptions import LifecycleError
from tests.support.accepting_parts import OWN, AcceptingParts, accepting_config
from tests.support.until import until

OVER = LifecycleError("over")


@pytest.fixture
def parts() -> Iterator[AcceptingParts]:
    """A queue for four events, of which one stream may use half; events wait for an hour."""
    built = AcceptingParts(accepting_config(shared={"max_share": 0.5}, queue_max_events=4))
    yield built
    built.accepting.all.close(OVER)
    built.accepting.all.refuse_waiting()


def _filled(parts: AcceptingParts) -> list[Receipt]:
    """Have three events be accepted; return those that wait: one of the own stream, and two of another service."""
    accepted = [parts.log(), parts.log(), parts.log_for("payments")]
    waiting = [parts.log(), parts.log_for("payments"), parts.log_for("payments")]
    assert [receipt.is_accepted for receipt in accepted + waiting] == [True] * 3 + [False] * 3
    return waiting


def test_counts_are_of_all_streams(parts: AcceptingParts) -> None:
    _filled(parts)

    intakes = parts.accepting.all
    assert (intakes.accepted, intakes.waiting) == (3, 3)
    assert (parts.accepting.intake.accepted, parts.accepting.intake.waiting) == (2, 1)
    assert intakes.sharing() == (1, 0.5), "half of the share of payments"


def test_close_refuses_calls_of_every_stream(parts: AcceptingParts) -> None:
    parts.log()
    parts.log_for("payments")

    parts.accepting.all.close(OVER)

    for name in (OWN, "payments", "orders"):
        with pytest.raises(LifecycleError, match="over"):
            parts.log_as(name)
    assert parts.accepting.all.accepted == 2


def test_waiting_events_may_follow_the_close(parts: AcceptingParts) -> None:
    waiting = _filled(parts)
    parts.accepting.all.close(OVER)

    while parts.accepting.all.waiting:
        assert parts.settle(), "room that is given back lets in what waits"

    assert all(receipt.is_accepted for receipt in waiting)
    assert (parts.accepting.all.accepted, parts.ledger.counts.refused) == (6, 0)


def test_refusal_reaches_the_waiting_of_all_streams(parts: AcceptingParts) -> None:
    waiting = _filled(parts)
    parts.accepting.all.close(OVER)

    parts.accepting.all.refuse_waiting()

    for receipt in waiting:
        with pytest.raises(LifecycleError, match="over"):
            receipt.wait(0)
    assert (parts.accepting.all.waiting, parts.ledger.counts.refused) == (0, 3)


def test_refusal_ends_the_timer(parts: AcceptingParts) -> None:
    before = set(threading.enumerate())
    _filled(parts)
    timers = [thread for thread in threading.enumerate() if thread not in before]
    assert [thread.name for thread in timers] == ["telemetry-waiting"]

    parts.accepting.all.close(OVER)
    parts.accepting.all.refuse_waiting()

    until(lambda: not timers[0].is_alive(), what="the end of the timer")


def test_process_without_other_services_shares_nothing() -> None:
    parts = AcceptingParts(accepting_config(queue_max_events=1))
    parts.log()
    waiting = parts.log()
    intakes = parts.accepting.all

    assert (intakes.accepted, intakes.waiting, intakes.is_key_withheld, intakes.sharing()) == (1, 1, False, None)
    intakes.close(OVER)
    intakes.refuse_waiting()
    with pytest.raises(LifecycleError, match="over"):
        waiting.wait(0)


def test_key_that_another_stream_lacks_is_seen(parts: AcceptingParts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not parts.accepting.all.is_key_withheld

    monkeypatch.setattr(StreamRegistry, "is_key_withheld", True)

    assert parts.accepting.all.is_key_withheld
