from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.doctor import Status
from telemetry.doctor.machine import clock_result, disk_results
from telemetry.kafka.diagnose.topic_facts import TopicFacts

_NOW = 1_800_000_000.0


def _topic(newest: float | None) -> TopicFacts:
    return TopicFacts("t", 1, 3, 3, 0, None, None, newest)


@pytest.mark.parametrize(
    ("newest", "status"),
    [(None, Status.OK), (_NOW - 1e6, Status.OK), (_NOW + 59, Status.OK), (_NOW + 61, Status.FAILED)],
)
def test_clock_behind_newest_record_is_reported(newest: float | None, status: Status) -> None:
    assert clock_result(_topic(newest), now=_NOW).status is status


def test_unset_clock_is_reported() -> None:
    assert clock_result(None, now=12_345.0).status is Status.FAILED


def _config(folder: Path) -> AuditConfig:
    values: dict[str, Any] = {
        "kafka_brokers": "127.0.0.1:9",
        "encryption_enabled": False,
        "spool_path": folder / "not" / "yet" / "created",
        "storage_config": {"provider": "local_file", "base_path": folder},
    }
    return AuditConfig(**values)


class _Disk:
    def __init__(self, *, free: int, files: int) -> None:
        self.f_frsize, self.f_bavail, self.f_files, self.f_favail = 1, free, 10_000, files


@pytest.mark.parametrize(
    ("free", "files", "status"),
    [
        (1 << 40, 5_000, Status.OK),
        (512 << 20, 5_000, Status.WARNING),
        (1 << 20, 5_000, Status.FAILED),
        (1 << 40, 10, Status.FAILED),
    ],
    ids=["ample", "less than an outage may need", "nearly full", "no more files fit"],
)
def test_free_room_of_spool_and_store(
    free: int, files: int, status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _place: _Disk(free=free, files=files))

    statuses = {result.check: result.status for result in disk_results(_config(tmp_path))}

    assert statuses == {"disk.spool": status, "disk.store": status}
