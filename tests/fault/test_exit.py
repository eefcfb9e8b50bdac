"""Ends programs without ``shutdown()``: their events are saved within some seconds, and a line in the log warns."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.audit.runtime import EXIT_SECONDS
from telemetry.testing import EmbeddedKafka
from telemetry.types import TelemetryConfig
from tests.support.accounted_load import read_trail
from tests.support.events_at_rest import ids, on_topic
from tests.support.leftovers import left_in
from tests.support.quick_telemetry import running
from tests.support.until import until
from tests.support.workers.exit_worker import EVENTS, config_of

_ROOT = Path(__file__).parents[2]
_SLACK = 100.0
"""Seconds that a busy machine may add; a program that hangs would add more."""
_CODES = {"end": 0, "sys.exit": 0, "exception": 1, "thread": 0, "event loop": 0, "dropped": 0}


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


def _run(how: str, kafka: EmbeddedKafka, folder: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.workers.exit_worker", how, kafka.bootstrap_servers, str(folder)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return done, time.monotonic() - began


@pytest.mark.parametrize("how", [*_CODES, "interrupt"])
def test_end_without_shutdown_saves_events(how: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    done, _ = _run(how, kafka, tmp_path)

    # Ctrl-C ends a program with the signal itself or with 1, by the version of Python.
    assert done.returncode == _CODES[how] if how in _CODES else done.returncode != 0, done.stderr
    accepted = done.stdout.split()
    assert len(set(accepted)) == EVENTS
    assert ids(on_topic(config_of(kafka.bootstrap_servers, tmp_path, spool=True))) == set(accepted)
    assert left_in(tmp_path / "spool") == []
    assert done.stderr.count("exiting without shutdown()") == 1


def test_spool_keeps_events_when_all_else_hangs(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = config_of(kafka.bootstrap_servers, tmp_path, spool=True)
    kafka.set_latency(60.0)
    done, took = _run("stuck", kafka, tmp_path)

    assert done.returncode == 0, done.stderr
    assert took < EXIT_SECONDS + _SLACK
    assert "events were lost" not in done.stderr
    kafka.set_latency(0)
    accepted = set(done.stdout.split())
    assert read_trail(config).spool == accepted
    assert len(accepted) == EVENTS
    # The name of a service is that of its program, unless it is configured.
    with running(TelemetryConfig(service_name="exit_worker", audit_config=config)) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().recovered == EVENTS)
    assert ids(on_topic(config)) == accepted


def test_hanging_exit_without_spool_reports_losses(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    kafka.set_latency(60.0)
    done, took = _run("stuck without spool", kafka, tmp_path)

    assert took < EXIT_SECONDS + _SLACK
    assert len(done.stdout.split()) == EVENTS
    assert "events were lost at exit" in done.stderr
    assert f"{EVENTS} accepted events could be kept nowhere" in done.stderr
