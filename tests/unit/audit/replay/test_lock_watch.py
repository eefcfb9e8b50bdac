"""A lock that nobody of ours gets is reported once, unless its holder makes progress."""

from __future__ import annotations

import logging

import pytest

from telemetry.audit.replay.lock_watch import PATIENCE_SECONDS, LockWatch
from telemetry.format.objects.stored_name import PLAIN, SEALED


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def test_stuck_holder_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = LockWatch("t")
    for moment in range(0, 1_000, 50):
        watch.had_no_turn(SEALED, oldest="a", now=float(moment))

    assert len(_errors(caplog)) == 1
    assert "=sealed-t" in _errors(caplog)[0]
    assert watch.waiting_seconds == 950.0


def test_progress_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    watch = LockWatch("t")
    for moment in range(0, 1_000, 50):
        watch.had_no_turn(PLAIN, oldest=f"object-{moment}", now=float(moment))

    assert _errors(caplog) == []


def test_turn_ends_the_wait(caplog: pytest.LogCaptureFixture) -> None:
    watch = LockWatch("t")
    watch.had_no_turn(PLAIN, oldest="a", now=0.0)
    watch.had_turn(PLAIN)
    watch.had_no_turn(PLAIN, oldest="a", now=PATIENCE_SECONDS + 1)

    assert _errors(caplog) == []
    assert watch.waiting_seconds == 0.0
