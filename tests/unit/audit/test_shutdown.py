"""Checks the order in which a pipeline ends; docs/architecture.md lists it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any, cast

import pytest

from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.reports import ShutdownReport
from telemetry.audit.shutdown import KafkaTime, Shutdown
from telemetry.exceptions import UndeliveredError


class Part:
    """Stands for one part of a pipeline: writes down what is called, and answers what it was given."""

    def __init__(self, name: str, calls: list[str], **answers: Any) -> None:
        self._name = name
        self._calls = calls
        self._answers = answers

    def __getattr__(self, method: str) -> Any:
        if method in self._answers and not callable(self._answers[method]):
            return self._answers[method]

        def call(*arguments: Any, **named: Any) -> Any:
            self._calls.append(f"{self._name}.{method}")
            answer = self._answers.get(method)
            return answer(*arguments, **named) if answer is not None else None

        return call


class Counts:
    delivered = 5
    stored = 3
    failed = 1
    refused = 2


def _record(number: int) -> SealedRecord:
    receipt = Receipt(event_id=f"event-{number}", producer="producer", sequence=number)
    return SealedRecord(
        event_id=f"event-{number}", producer="producer", sequence=number, key=b"key", size=10, receipt=receipt
    )


def _shutdown(
    calls: list[str],
    *,
    left: list[SealedRecord] | None = None,
    spool_saves: bool = True,
    with_spool: bool = True,
    **others: Any,
) -> Shutdown:
    def save(records: list[SealedRecord]) -> None:
        for record in records:
            if spool_saves:
                record.segment = cast("Any", spool)

    spool = Part("spool", calls, save=save)
    resources = ExitStack()
    resources.callback(calls.append, "resources.close")
    parts: dict[str, Any] = {
        "intake": Part("intake", calls, accepted=9, waiting=0),
        "ledger": Part("ledger", calls, counts=Counts()),
        "self_audit": Part("self_audit", calls),
        "replay": Part("replay", calls),
        "spool": spool if with_spool else None,
        "adopted": [cast("Any", Part("adopted", calls))],
        "checkpointer": Part("checkpointer", calls),
        "dispatcher": Part("dispatcher", calls, drain=lambda **_: list(left or ())),
    }
    return Shutdown(kafka_time=KafkaTime(seconds=20.0, share=0.6), resources=resources, **{**parts, **others})


def test_parts_end_in_the_documented_order() -> None:
    calls: list[str] = []

    report = _shutdown(calls).run(30.0)

    assert calls == [
        "self_audit.stopped",
        "intake.close",
        "intake.refuse_waiting",
        "replay.close",
        "spool.stop",
        "checkpointer.expect_end",
        "dispatcher.drain",
        "ledger.close",
        "spool.save",
        "adopted.close",
        "spool.close",
        "ledger.kept",
        "resources.close",
    ]
    assert report == ShutdownReport(delivered=5, stored=3, spooled=0, failed=1)


def test_second_call_returns_the_same_report() -> None:
    calls: list[str] = []
    ending = _shutdown(calls)

    first = ending.run(30.0)
    count = len(calls)

    assert ending.run(30.0) is first
    assert len(calls) == count


def test_rest_is_kept_in_the_spool() -> None:
    calls: list[str] = []

    report = _shutdown(calls, left=[_record(1), _record(2)]).run(30.0)

    assert report.spooled == 2
    assert "ledger.failed" not in calls


@pytest.mark.parametrize("with_spool", [True, False], ids=["spool that rejects writes", "no spool"])
def test_lost_rest_is_raised_after_closing(*, with_spool: bool) -> None:
    calls: list[str] = []
    ending = _shutdown(calls, left=[_record(1), _record(2)], spool_saves=False, with_spool=with_spool)

    with pytest.raises(UndeliveredError) as caught:
        ending.run(30.0)

    assert caught.value.event_ids == ("event-1", "event-2")
    assert calls[-2:] == ["resources.close", "ledger.failed"]
    with pytest.raises(UndeliveredError):
        ending.run(30.0)


def test_settled_record_is_neither_kept_nor_lost() -> None:
    calls: list[str] = []
    record = _record(1)
    assert record.receipt is not None
    record.receipt._level = 2

    report = _shutdown(calls, left=[record]).run(30.0)

    assert report.spooled == 0


def test_kafka_gets_its_share_of_the_time() -> None:
    assert KafkaTime(seconds=20.0, share=0.6).of(10.0) == 6.0
    assert KafkaTime(seconds=20.0, share=0.6).of(100.0) == 20.0


@pytest.mark.parametrize(("timeout", "replay", "spool"), [(10.0, 2.0, 3.0), (1_000.0, 5.0, 300.0)])
def test_replay_and_spool_get_their_share(timeout: float, replay: float, spool: float) -> None:
    limits: dict[str, float] = {}
    ending = _shutdown(
        [],
        replay=Part("replay", [], close=lambda limit: limits.update(replay=limit)),
        spool=Part("spool", [], stop=lambda limit: limits.update(spool=limit)),
        dispatcher=Part("dispatcher", [], drain=lambda **given: limits.update(given) or []),
    )

    ending.run(timeout)

    assert (limits["replay"], limits["spool"]) == (replay, spool)
    assert 0 < limits["total_seconds"] <= timeout
    assert limits["kafka_seconds"] == pytest.approx(min(limits["total_seconds"] * 0.6, 20.0))


def test_late_acknowledgement_is_not_counted() -> None:
    ledger = Ledger(topic="t", metrics=AuditMetrics(topic="t"))
    left = [_record(1), _record(2)]

    report = _shutdown([], left=left, ledger=ledger).run(10.0)
    ledger.delivered(left)

    assert report.spooled == 2
    assert ledger.counts.delivered == 0


@pytest.mark.parametrize("spool_saves", [True, False])
def test_concurrent_calls_end_it_once(*, spool_saves: bool) -> None:
    calls: list[str] = []
    ending = _shutdown(calls, left=[_record(1)], spool_saves=spool_saves)
    outcomes: list[object] = []

    def run() -> None:
        try:
            outcomes.append(ending.run(10.0))
        except UndeliveredError as exc:
            outcomes.append(exc)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(outcomes) == 4
    assert len({id(outcome) for outcome in outcomes}) == 1
    assert calls.count("dispatcher.drain") == 1
