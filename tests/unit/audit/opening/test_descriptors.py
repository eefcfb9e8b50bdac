"""The limit of open files is raised, or it bounds the streams."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import logging, resource, sys
logging.basicConfig(format="%(message)s")
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from telemetry.audit.opening.descriptors import most_streams
print(most_streams(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def _run(soft: int, hard: int, wanted: int) -> tuple[str, str]:
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_limit_is_raised_as_far_as_needed() -> None:
    assert _run(600, 4_000, 1_000) == ("1000 2512", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_limit_that_cannot_be_raised_bounds_the_streams() -> None:
    out, err = _run(600, 712, 1_000)

    assert out == "100 712"
    assert "at most 100 of 1000 streams" in err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_limit_that_is_enough_is_left_alone() -> None:
    assert _run(3_000, 4_000, 1_000) == ("1000 3000", "")
