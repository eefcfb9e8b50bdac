"""Ends ``telemetry log`` at random moments: each line that it read is acknowledged, or said not to be logged.

``make test`` ends thirty processes with SIGTERM and kills ten; ``LOG_SIGNAL_RUNS=100`` ends a hundred.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.command_processes import CommandProcesses, Ran
from tests.support.import_site import ImportSite, acknowledged_in, lines_of, not_logged_in

RUNS = int(os.environ.get("LOG_SIGNAL_RUNS", "30"))
LINES = 400


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[CommandProcesses]:
    with CommandProcesses(tmp_path) as started:
        yield started


def _unaccounted(ran: Ran) -> set[int]:
    """Return the lines that were read, and neither acknowledged nor called not logged."""
    read = set(range(1, ran.read.count(b"\n") + 1))
    if ran.read and not ran.read.endswith(b"\n"):
        read.add(len(read) + 1)
    said = {line for line, _ in acknowledged_in(ran.out)} | not_logged_in(ran.err)
    assert said <= read, ran.err
    return read - said


def _begin(site: ImportSite) -> None:
    """Create the keys, so that processes that are ended early find them."""
    assert site.log(b'{"event_type":"begin","user_id":"test","n":-1}\n').code == 0


def test_sigterm_at_random_moments(kafka: EmbeddedKafka, processes: CommandProcesses, tmp_path: Path) -> None:
    site = ImportSite(kafka, tmp_path)
    _begin(site)
    dice = random.Random(19)  # noqa: S311 - moments, no secret
    acknowledged: set[str] = set()
    cut = 0
    for number in range(RUNS):
        data = lines_of(range(number * LINES, (number + 1) * LINES))
        early = dice.random() < 0.2
        ran = processes.run_and_signal(
            data,
            "log",
            "-c",
            str(site.config),
            "--ack",
            number=signal.SIGTERM,
            dice=dice,
            after_ack=not early,
            within=1.0 if early else 0.15,
        )
        assert ran.code in ((143, -signal.SIGTERM) if early else (143,)), ran.err
        # Ended before the command catches signals, it has read nothing.
        assert ran.code == 143 or not ran.read
        assert _unaccounted(ran) == set(), ran.err
        acknowledged |= {name for _, name in acknowledged_in(ran.out)}
        cut += len(ran.read) < len(data)

    events = site.events()
    assert acknowledged <= {event["id"] for event in events}
    assert len({event["payload"]["n"] for event in events}) == len(events)
    assert cut, "no process was ended while it had lines to read"
    assert site.faults() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_signal_ends_a_stalled_input(
    kafka: EmbeddedKafka, processes: CommandProcesses, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    site = ImportSite(kafka, tmp_path)
    dice = random.Random(1)  # noqa: S311 - moments, no secret

    ran = processes.run_and_signal(
        lines_of(range(3)) + b'{"event_type":"cut',
        *("log", "-c", str(site.config), "--ack", "--json", "--bad-lines", str(tmp_path / "bad")),
        number=number,
        dice=dice,
        after_ack=True,
        within=0.5,
    )

    assert ran.code == code, ran.err
    assert _unaccounted(ran) == set()
    counts = json.loads(ran.out.splitlines()[-1])
    assert counts["logged"] == len(acknowledged_in(ran.out))
    if counts["lost"]:
        assert b"".join((tmp_path / "bad").read_bytes().split()) in ran.read


def test_sigkill_with_a_spool_loses_nothing_acknowledged(
    kafka: EmbeddedKafka, processes: CommandProcesses, tmp_path: Path
) -> None:
    site = ImportSite(kafka, tmp_path, has_spool=True)
    _begin(site)
    dice = random.Random(23)  # noqa: S311 - moments, no secret
    acknowledged: set[str] = set()
    for number in range(max(RUNS // 3, 3)):
        ran = processes.run_and_signal(
            lines_of(range(number * LINES, (number + 1) * LINES)),
            *("log", "-c", str(site.config), "--ack"),
            number=signal.SIGKILL,
            dice=dice,
            after_ack=True,
            within=0.15,
        )
        assert ran.code == -signal.SIGKILL, ran.err
        acknowledged |= {name for _, name in acknowledged_in(ran.out)}

    # The next start sends what is in the spool.
    assert site.log(b"").code == 0
    assert acknowledged <= {event["id"] for event in site.events()}
    assert site.faults() == []
