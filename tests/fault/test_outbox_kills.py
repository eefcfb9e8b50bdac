"""Kills processes between two statements: afterwards the topic has an event of each order that is in the database, and no other.

``make test`` kills sixteen processes, ``make outbox-long`` two hundred; docs/reliability.md has that result.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.outbox import OutboxRelay
from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from tests.support.outbox_tables import OutboxSite
from tests.support.quick_telemetry import as_shop, quick_config, running

KILLS = int(os.environ.get("OUTBOX_KILLS", "16")) // 2
_WORKER = Path(__file__).parents[1] / "support" / "workers" / "outbox_worker.py"
_STEPS = 60
"""A worker that nothing kills passes about so many places between two statements."""
_NUMBERS = 900


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=4) as broker:
        yield broker


@pytest.fixture(params=["postgresql", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> OutboxSite:
    if request.param == "sqlite":
        found = OutboxSite.in_sqlite(tmp_path)
    else:
        found = OutboxSite.in_postgres(request.getfixturevalue("postgres"))
    with found.connection() as connection:
        connection.execute("CREATE TABLE orders (number integer)")
    return found


def _run_worker(site: OutboxSite, kafka: EmbeddedKafka, *, place: object, first: int = 1, transactions: int = 6) -> int:
    command = [sys.executable, str(_WORKER), site.url, kafka.bootstrap_servers]
    command += [str(first), str(transactions), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def _drain(site: OutboxSite, kafka: EmbeddedKafka, folder: Path) -> None:
    with running(as_shop(quick_config(kafka.bootstrap_servers, folder, fallback_enabled=False))) as telemetry:
        counts = OutboxRelay(telemetry, site.url).drain(timeout=60)
    assert (counts.waiting, counts.held_rows) == (0, 0)


def _orders(site: OutboxSite) -> list[int]:
    return sorted(number for (number,) in site.query("SELECT number FROM orders"))


def _events(kafka: EmbeddedKafka, folder: Path) -> tuple[list[int], int]:
    """Return the number of each event that a reader shows, and how many repeats it leaves out."""
    with KafkaSource(quick_config(kafka.bootstrap_servers, folder)) as source:
        reader = TrailReader(source, provider=None)
        shown = [item.event.payload["n"] for item in reader if isinstance(item, OpenedEvent)]
    return sorted(shown), reader.counts.repeats


@pytest.mark.timeout(3_600)
def test_killed_between_two_statements(site: OutboxSite, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    dice = random.Random(20)  # noqa: S311 - moments of killing, no secret
    # Each part of the whole is hit, and where in it is left to the dice.
    places = [1 + int(_STEPS * (turn + dice.random()) / KILLS) for turn in range(KILLS)]

    ends = [_run_worker(site, kafka, first=_NUMBERS * turn, place=place) for turn, place in enumerate(places)]
    _drain(site, kafka, tmp_path)

    events, repeats = _events(kafka, tmp_path)
    assert events == _orders(site)
    killed = ends.count(-signal.SIGKILL)
    assert killed >= KILLS * 3 // 4
    sys.stdout.write(
        f"\n{killed} of {KILLS} processes killed: {len(events)} orders with their events, {repeats} repeats left out\n"
    )


def test_kill_between_delivery_and_deletion(site: OutboxSite, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    assert _run_worker(site, kafka, place="deletion", transactions=1) == -signal.SIGKILL
    assert len(site.ids()) == 2

    _drain(site, kafka, tmp_path)

    assert _events(kafka, tmp_path) == (_orders(site), 2)
