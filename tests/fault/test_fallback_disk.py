"""Fills the fallback's disk, or makes it read-only, during an outage: no accepted event is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.config import StorageConfig
from telemetry.exceptions import BackpressureError
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.disks import Disk, small_disk
from tests.support.events_at_rest import fallback_objects, ids, on_topic
from tests.support.quick_telemetry import quick_config, running
from tests.support.until import until

_BOUND = 1_000


@pytest.fixture
def kafka_beside() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", size="1m") as disk:
        yield disk


def _config(kafka: EmbeddedKafka, disk: Disk, folder: Path) -> AuditConfig:
    return quick_config(
        kafka.bootstrap_servers,
        folder,
        kafka_timeout_ms=1_000,
        max_retries=0,
        queue_max_events=_BOUND,
        queue_full_timeout_ms=100,
        fallback_object_bytes=32 << 10,
        storage_config=StorageConfig(provider="local_file", base_path=disk.folder / "fallback"),
    )


def _log_until_refused(telemetry: Telemetry, is_reported: Callable[[], bool]) -> list[Receipt]:
    """Log until the disk accepts nothing, an error line says so, and the queue is full."""
    accepted: list[Receipt] = []
    while len(accepted) < 50 * _BOUND:
        reported = is_reported()
        try:
            accepted.append(telemetry.audit.log("step", {"n": len(accepted), "pad": "x" * 500}, "ada"))
        except BackpressureError:
            if reported:
                return accepted
    pytest.fail("the disk never became full")


def _remounted(disk: Disk, options: str) -> bool:
    try:
        disk.remount(options)
    except AssertionError:
        return False
    return True


def _fill(_disk: Disk, _telemetry: Telemetry) -> None:
    """Logging alone fills it."""


def _make_read_only(disk: Disk, telemetry: Telemetry) -> None:
    telemetry.audit.log("step", {"n": -1}, "ada").wait_delivered(120)
    # Refused while a file is open for writing: the replay's lock is, now and then.
    until(lambda: _remounted(disk, "ro"), what="a moment without a writer")


@pytest.mark.parametrize(
    ("begin", "heal", "remedy"),
    [
        (_fill, "size=64m", "free some space, or move base_path"),
        (_make_read_only, "rw,size=64m", "remount it writable, or move base_path"),
    ],
    ids=["full", "read-only"],
)
def test_nothing_accepted_is_lost(
    begin: Callable[[Disk, Telemetry], None],
    heal: str,
    remedy: str,
    disk: Disk,
    kafka_beside: EmbeddedKafka,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = _config(kafka_beside, disk, tmp_path)
    with caplog.at_level(logging.ERROR), running(config) as telemetry:
        kafka_beside.stop_brokers()
        begin(disk, telemetry)
        accepted = _log_until_refused(telemetry, lambda: remedy in caplog.text)
        assert str(disk.folder) in caplog.text
        stats = telemetry.audit.get_audit_stats()
        assert stats.logged == stats.stored + stats.queued
        assert stats.queued == _BOUND
        whole = [value["id"] for _, values in fallback_objects(config) for value in values]
        assert len(whole) == len(set(whole)) == stats.stored

        disk.remount(heal)
        for receipt in accepted:
            assert receipt.wait_delivered(120).fallback_object is not None
        kafka_beside.start_brokers()
        until(lambda: not telemetry.audit.get_audit_stats().diverted, timeout=180, what="direct sending")

    values = on_topic(config)
    assert {receipt.event_id for receipt in accepted} <= ids(values)
    sequences = list(dict.fromkeys(int(value["sequence"]) for value in values))
    assert sequences == list(range(len(sequences)))
