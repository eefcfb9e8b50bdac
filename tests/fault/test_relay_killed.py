"""A relay that is killed with events in its spool: the next one sends them and signs the end, as for any process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.relayed_runs import Run
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site

COUNT = 7
# Nothing is sent: the records wait for a batch that does not get full.
PROGRAM = """
import os, signal, sys
from telemetry import TelemetryConfig
from telemetry.sync import Telemetry
telemetry = Telemetry(TelemetryConfig.load(sys.argv[1]))
telemetry.start()
telemetry.audit.log("relay.started", {}, "relay", wait_for="durable")
for row in open(sys.argv[2], "rb"):
    telemetry.audit.relay(row.rstrip(), wait_for="durable")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "keys").mkdir()
    with EmbeddedKafka(partitions=1) as kafka:
        yield Site(kafka, tmp_path, KeyFiles(tmp_path / "keys"))


def checkpoints(site: Site) -> list[Checkpoint]:
    messages = [decode_checkpoint_message(record.value or b"") for record in site.records()]
    return [read_unverified(message.data)[1] for message in messages if message is not None]


def test_kill_between_spool_and_topic(site: Site, tmp_path: Path) -> None:
    spool = {"spool_path": str(tmp_path / "spool")}
    with Telemetry(site.config()) as application:
        rows = [application.audit.seal("order.paid", {"n": number}, "ada").data for number in range(COUNT)]
    (tmp_path / "rows").write_bytes(b"\n".join(rows))
    file = site.service_file(**spool, batch_timeout_ms=60_000, batch_size_kb=10_240)

    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), str(tmp_path / "rows")],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with Telemetry(site.config(**spool)):
        pass

    recovered = [checkpoint for checkpoint in checkpoints(site) if checkpoint.recovered]
    assert [(checkpoint.size, checkpoint.relayed) for checkpoint in recovered] == [(COUNT + 1, (Run(1, COUNT),))]
    verified = site.verify()
    assert (verified.code, verified.verdict) == (0, "complete"), verified
