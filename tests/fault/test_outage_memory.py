"""Watches the memory through an outage; ``OUTAGE_SECONDS`` makes it a long one (``make outage-long``)."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.quick_telemetry import NOWHERE

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "20"))
_RATE = 2_000.0
_MOST_BYTES = 250 << 20
_GROWTH_BYTES = 16 << 20
"""What one object and its encoding take, more or less at the moment of a sample."""
_LONG_SECONDS = 120.0
"""Before that the allocator still takes what it then keeps."""
_ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(SECONDS + 600)
def test_memory_through_an_outage(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.workers.steady_worker", str(tmp_path), NOWHERE, str(SECONDS), str(_RATE)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        samples = _watch(process)
        assert process.stdout is not None
        counts = json.loads(process.stdout.read())
    assert process.wait(120) == 0

    lasted = counts.pop("seconds")
    assert counts == {"logged": counts["logged"], "stored": counts["logged"], "delivered": 0}
    assert counts["logged"] > SECONDS * _RATE * 0.9
    objects = sum(1 for _ in tmp_path.rglob("*.tobj"))
    half = len(samples) // 2
    early, late = statistics.mean(samples[half // 2 : half]), statistics.mean(samples[-half // 2 :])
    sys.stderr.write(
        f"\n{counts['logged']:,} events in {SECONDS:g} s, {objects} objects; resident: most {max(samples) >> 20} MiB, "
        f"second quarter {early / (1 << 20):.0f} MiB, last quarter {late / (1 << 20):.0f} MiB\n"
    )
    if "OUTAGE_SECONDS" in os.environ:
        sys.stderr.write(f"each tenth: {[size >> 20 for size in samples[:: max(len(samples) // 10, 1)]]} MiB\n")
    assert max(samples) < _MOST_BYTES
    if SECONDS >= _LONG_SECONDS:
        assert late - early < _GROWTH_BYTES
    # An object ends after 8 MiB or 5 seconds: there is not one for each batch.
    assert objects <= lasted / 2 + 10


def _watch(process: subprocess.Popen[str]) -> list[int]:
    """Sample the resident bytes until the process ends."""
    found = []
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            found.append(int(watched.memory_info().rss))
        except psutil.NoSuchProcess:
            break
        time.sleep(min(1.0, SECONDS / 60))
    return [size for size in found if size]
