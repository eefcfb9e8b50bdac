"""Logs with a spool while Kafka is away: memory stays flat, and every event is accounted for.

``make test`` runs a short version, ``make memory-long`` ten minutes of it, whose result is in docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from telemetry.testing import EmbeddedKafka
from telemetry.types import TelemetryConfig
from tests.support.events_at_rest import in_fallback
from tests.support.quick_telemetry import running
from tests.support.until import until
from tests.support.workers.memory_worker import CASES, QUEUE_EVENTS, config_of

SECONDS = float(os.environ.get("MEMORY_SECONDS", "12"))
RATE = 1_000.0
_SAMPLES = 120
_GROWTH_BYTES = 8 << 20
"""What allocators and caches may still take; half of the ten minutes with 50 bytes lost an event would be more."""
_SPOOL_BYTES = 96 << 20
_OUTCOMES = ("raised", "delivered", "stored", "spooled")
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


class Process:
    """A process that logs, seen from outside."""

    def __init__(self, case: str, kafka: EmbeddedKafka, folder: Path) -> None:
        folder.mkdir()
        self.config = config_of(case, kafka.bootstrap_servers, folder)
        self._folder = folder
        self._worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.workers.memory_worker"),
                *(case, kafka.bootstrap_servers, str(folder), str(RATE)),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_started(self) -> None:
        """Wait for its first line."""
        assert self._worker.stdout is not None
        if not self._worker.stdout.readline():
            pytest.fail(f"it did not start: {self._worker.communicate()[1]}")

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self._worker.pid).memory_info().rss)

    @property
    def spool(self) -> int:
        """Bytes in its spool folder."""
        folder = self._folder / "spool"
        return sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0

    def end(self) -> dict[str, int]:
        """Let it shut down; return its counts."""
        out, err = self._worker.communicate(timeout=180)
        assert self._worker.returncode == 0, err
        counts: dict[str, int] = json.loads(out)
        return counts

    def kill(self) -> None:
        """End it if it still runs."""
        if self._worker.poll() is None:
            self._worker.kill()
            self._worker.communicate()


class Watched:
    """Samples of a process while Kafka was away."""

    def __init__(self) -> None:
        self.memory: list[int] = []
        self.spool: list[int] = []

    @property
    def growth(self) -> float:
        """Resident bytes of the last quarter beyond those of the second one, by their medians."""
        quarter = _SAMPLES // 4
        return statistics.median(self.memory[-quarter:]) - statistics.median(self.memory[quarter : 2 * quarter])

    def print_numbers(self, case: str, counts: dict[str, int]) -> None:
        """Write the samples to standard error."""
        step = _SAMPLES // 10
        tenths = [statistics.median(self.memory[start : start + step]) / 2**20 for start in range(0, _SAMPLES, step)]
        sys.stderr.write(
            f"\n{case}, {SECONDS:g} s: resident MiB by tenths of the time {' '.join(f'{size:.1f}' for size in tenths)}, "
            f"at most {max(self.memory) / 2**20:.1f}; spool at most {max(self.spool) / 2**20:.1f} MiB; {counts}\n"
        )


@pytest.mark.timeout(SECONDS + 600)
def test_memory_is_flat_while_kafka_is_away(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    processes = {case: Process(case, kafka, tmp_path / case.replace(" ", "-")) for case in CASES}
    watched = {case: Watched() for case in CASES}
    try:
        for process in processes.values():
            process.until_started()
        kafka.stop_brokers()
        for _ in range(_SAMPLES):
            time.sleep(SECONDS / _SAMPLES)  # here time is the fault
            for case, process in processes.items():
                watched[case].memory.append(process.memory)
                watched[case].spool.append(process.spool)
        counts = {case: process.end() for case, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()

    for case in CASES:
        watched[case].print_numbers(case, counts[case])
        assert counts[case]["calls"] == sum(counts[case][name] for name in _OUTCOMES)
        assert counts[case]["failed"] == 0
        assert watched[case].growth < _GROWTH_BYTES
        assert max(watched[case].spool) < _SPOOL_BYTES
    _require_what_was_counted(processes, counts, kafka)


def _require_what_was_counted(
    processes: dict[str, Process], counts: dict[str, dict[str, int]], kafka: EmbeddedKafka
) -> None:
    stored, spooled = (processes[case].config for case in CASES)
    # What is also in the spool may have been stored in the last moment without its process having heard of it.
    assert len(in_fallback(stored)) >= counts["fallback"]["stored"] > 0
    assert 0 < counts["spool only"]["spooled"] <= QUEUE_EVENTS
    kafka.start_brokers()
    # The name of a service is that of its program, unless it is configured.
    with running(TelemetryConfig(service_name="memory_worker", audit_config=spooled)) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().recovered == counts["spool only"]["spooled"])
