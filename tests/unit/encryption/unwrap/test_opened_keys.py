"""A hundred thousand data keys fit into the memory that is meant for them; a test of its own process measures it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.encryption.unwrap.opened_keys import MAX_BYTES

ROOT = Path(__file__).parents[4]


def grown(keys: int) -> tuple[int, int, int]:
    command = [sys.executable, "-m", "tests.support.workers.unwrap_worker", str(keys)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    grown, kept, calls = map(int, done.stdout.split())
    return grown, kept, calls


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say what a process uses")
def test_memory_of_more_keys_than_fit() -> None:
    size, kept, calls = grown(150_000)
    assert kept >= 100_000
    assert size <= MAX_BYTES + (8 << 20)
    assert 150_000 < calls < 300_000
