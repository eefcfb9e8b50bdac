"""A gateway is killed while it logs for several services: every durable event is found, and each stream is closed and signed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

from telemetry.audit.spool.sqlite_file import was_killed_at_birth
from telemetry.reader.verify.verdicts import Verdict
from telemetry.testing import EmbeddedKafka
from tests.support.gateway_site import GatewaySite
from tests.support.leftovers import left_in
from tests.support.until import until

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "tests" / "support" / "workers" / "gateway_worker.py"
_SERVICES, _KILLS = 6, 4
_START_SECONDS = 180.0


def _durable_until_killed(site: GatewaySite, kafka: EmbeddedKafka, *, after: int) -> list[tuple[str, str]]:
    """Run a gateway until so many events are durable, kill it, and return service and id of all that it called durable."""
    command = [sys.executable, str(WORKER), kafka.bootstrap_servers, str(site.folder), str(_SERVICES)]
    durable: list[tuple[str, str]] = []
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=paths) as worker:
        guard = threading.Timer(_START_SECONDS, worker.kill)
        guard.start()
        assert worker.stdout is not None
        for line in worker.stdout:
            # A line is whole, or its last part was never written.
            if line.endswith("\n"):
                service, _, event_id = line.strip().partition(" ")
                durable.append((service, event_id))
            if len(durable) == after:
                worker.kill()
        guard.cancel()
    assert len(durable) >= after, "the worker did not begin to log"
    return durable


def _segments(folder: Path) -> list[str]:
    """Return the segments in a folder, without files that were not segments yet when their process was killed."""
    paths = [folder / name for name in left_in(folder) if name.endswith(".spool")]
    return [path.name for path in paths if path.exists() and not was_killed_at_birth(path, path.stat().st_size)]


def test_durable_events_of_all_services_survive_kills(tmp_path: Path) -> None:
    dice = random.Random(4)  # noqa: S311 - moments of killing, no secret
    with EmbeddedKafka() as kafka:
        site = GatewaySite(kafka.bootstrap_servers, tmp_path)
        durable = [
            pair
            for _ in range(_KILLS)
            for pair in _durable_until_killed(site, kafka, after=dice.randrange(_SERVICES, 200))
        ]
        with site.running(spool_path=tmp_path / "spool") as telemetry:
            until(lambda: len(_segments(tmp_path / "spool")) == 1, what="the end of the adopted segments")
            # Counted after the files are gone.
            until(lambda: telemetry.audit.get_audit_stats().recovered > 0, what="the count of recovered events")

        assert _segments(tmp_path / "spool") == []
        found = {(service, event.id) for service, events in site.events().items() for event in events}
        assert not set(durable) - found
        report = site.report()
        assert report.verdict in (Verdict.COMPLETE, Verdict.DUPLICATE), [
            str(f) for p in report.producers for f in p.findings
        ]
        recovered = [checkpoint for checkpoint in site.checkpoints() if checkpoint.recovered]
        assert {checkpoint.source for checkpoint in recovered} >= {
            f"/test/service-{number}" for number in range(_SERVICES)
        }
        assert all(
            checkpoint.via == (None if checkpoint.source == "/test/gateway" else "/test/gateway")
            for checkpoint in recovered
        )
