"""Logs from forks, spawned processes, threads and event loops: each process has its own keys, and all arrives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.events_at_rest import on_topic
from tests.support.leftovers import left_in
from tests.support.workers.process_worker import PROGRAMS, config_of

_ROOT = Path(__file__).parents[2]
_PRODUCERS = {
    "multiprocessing_fork": 3,
    "multiprocessing_spawn": 3,
    "multiprocessing_forkserver": 3,
    "fork_beside_threads": 9,
    "grandchildren": 3,
    "loops_in_threads": 2,
    "many_runs": 5,
}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    # It forgets what is more than 5 MiB a partition.
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_processes_share_nothing_and_all_arrives(program: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.workers.process_worker", program, kafka.bootstrap_servers, str(tmp_path)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    accepted = [line.split() for line in done.stdout.splitlines()]
    values = on_topic(config_of(kafka.bootstrap_servers, str(tmp_path)))

    arrived = {value["id"]: (value["producer"], str(value["sequence"])) for value in values}
    expected = {event_id: (producer, number) for event_id, producer, number, _ in accepted}
    assert len(expected.items() ^ arrived.items()) == 0
    assert len(arrived) == len(accepted) == len(set(arrived.values()))
    _assert_own(values, {producer: pid for _, producer, _, pid in accepted})
    assert len({producer for producer, _ in arrived.values()}) == _PRODUCERS[program]
    assert left_in(tmp_path / "spool") == []


def _assert_own(values: list[dict[str, str]], pids: dict[str, str]) -> None:
    sequences: dict[str, set[int]] = defaultdict(set)
    keys: dict[str, set[str]] = defaultdict(set)
    for value in values:
        sequences[value["producer"]].add(int(value["sequence"]))
        keys[value["wrappedkey"]].add(value["producer"])
    assert all(found == set(range(len(found))) for found in sequences.values())
    assert all(len(producers) == 1 for producers in keys.values()), "two processes sealed with one data key"
    assert sequences.keys() == pids.keys()
