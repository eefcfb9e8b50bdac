"""A broken disk is reported once, tried now and then, and reported again when it works."""

from __future__ import annotations

import logging

import pytest

from telemetry.audit.spool.disk_state import DiskState
from telemetry.exceptions import SpoolError
from telemetry.system.deadline import Deadline

FULL = SpoolError("disk full; free space on its disk")


@pytest.fixture
def disk(caplog: pytest.LogCaptureFixture) -> DiskState:
    caplog.set_level(logging.INFO)
    return DiskState()


def test_new_disk_works_silently(disk: DiskState, caplog: pytest.LogCaptureFixture) -> None:
    disk.note_success()
    assert (disk.is_broken, disk.may_try) == (False, True)
    assert caplog.records == []


def test_failures_in_a_row_are_logged_once(disk: DiskState, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        disk.note_failure(FULL)
    assert disk.is_broken
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert "not durable until they are delivered: disk full; free space on its disk" in line.getMessage()


def test_broken_disk_is_tried_rarely(disk: DiskState) -> None:
    disk.note_failure(FULL)
    disk._patience = Deadline(60.0)
    assert not disk.may_try
    disk._patience = Deadline(0.0)
    assert disk.may_try


def test_disk_that_works_again_is_logged_once(disk: DiskState, caplog: pytest.LogCaptureFixture) -> None:
    disk.note_failure(FULL)
    caplog.clear()
    disk.note_success()
    disk.note_success()
    assert (disk.is_broken, disk.may_try) == (False, True)
    (line,) = caplog.records
    assert "accepts writes again after" in line.getMessage()
