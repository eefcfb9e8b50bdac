from __future__ import annotations

import logging

import pytest

from telemetry.audit.loss_log import LossLog
from telemetry.exceptions import BackpressureError


def test_first_loss_is_told_at_once_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = LossLog(clock=lambda: now)
    for moment in (0.0, 1.0, 59.0, 60.0, 61.0):
        now = moment
        log.lost(BackpressureError("queue full: canary-77"), events=2)
    log.close()
    log.close()

    assert [line.split()[0] for line in caplog.messages] == ["2", "6", "2"]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert "canary" not in caplog.text
