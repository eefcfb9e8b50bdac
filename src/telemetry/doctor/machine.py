"""Checks the machine: room on its disks, and its clock."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from pathlib import Path

from telemetry.config import AuditConfig
from telemetry.doctor.report import CheckResult, Status
from telemetry.kafka.diagnose.topic_facts import TopicFacts

_LEAST_BYTES = 64 << 20
_AMPLE_BYTES = 1 << 30
_LEAST_FILES = 1_000
_SKEW_SECONDS = 60.0
_LONG_PAST = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def disk_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Compare the free room for events with what an outage may need."""
    folders = {"disk.spool": config.spool_path}
    if config.fallback_enabled and config.storage_config is not None:
        folders["disk.store"] = getattr(config.storage_config, "base_path", None)
    needed = {"disk.spool": config.spool_max_bytes, "disk.store": _AMPLE_BYTES}
    for check, folder in folders.items():
        if folder is not None:
            yield _room_result(check, Path(folder), needed[check])


def _room_result(check: str, folder: Path, needed: int) -> CheckResult:
    place = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
    # A folder that does not exist yet is created on the disk of its nearest parent.
    try:
        disk = os.statvfs(place)
    except OSError as exc:
        return CheckResult(check, Status.FAILED, f"{place} cannot be checked: {exc.strerror}", "check the disk")
    free = disk.f_bavail * disk.f_frsize
    message = f"{free / (1 << 20):,.0f} MiB are free for {folder}"
    if free < _LEAST_BYTES:
        return CheckResult(check, Status.FAILED, message, "free space", kind="disk_full", exit_code=1)
    if disk.f_files and disk.f_favail < _LEAST_FILES:
        message = f"only {disk.f_favail} more files fit on the disk of {folder}"
        return CheckResult(check, Status.FAILED, message, "delete files", kind="disk_full", exit_code=1)
    if free < needed:
        return CheckResult(check, Status.WARNING, message, f"{needed / (1 << 20):,.0f} MiB may be needed in an outage")
    return CheckResult(check, Status.OK, message)


def clock_result(topic: TopicFacts | None, *, now: float | None = None) -> CheckResult:
    """Compare this machine's clock with the newest record of the topic, which carries the broker's time.

    Args:
        topic: Facts about the topic; None if the examination did not get that far.
        now: Seconds since 1970; default: the clock.
    """
    now = time.time() if now is None else now
    moment = dt.datetime.fromtimestamp(now, tz=dt.UTC)
    if moment < _LONG_PAST:
        message = f"this machine believes it is {moment:%Y-%m-%d}"
        return CheckResult("clock", Status.FAILED, message, "set the clock", kind="clock", exit_code=1)
    newest = topic.newest if topic is not None else None
    if newest is None:
        return CheckResult("clock", Status.OK, f"{moment:%Y-%m-%d %H:%M:%S} UTC; there is no record to compare it with")
    # Only a record from the future proves a wrong clock: an old one may be the last that was written.
    ahead = newest - now
    if ahead > _SKEW_SECONDS:
        message = f"the newest record of the topic is {ahead:.0f} s in this machine's future"
        return CheckResult("clock", Status.FAILED, message, "synchronise the clocks", kind="clock", exit_code=1)
    return CheckResult("clock", Status.OK, f"{moment:%Y-%m-%d %H:%M:%S} UTC, not behind the topic's newest record")
