"""A witness continues from a state in which streams are kept by producer alone."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.format.roster.roster import decode_roster
from telemetry.witness.growth import Growth
from telemetry.witness.state import Position, WitnessState
from tests.support.rosters import WITNESS
from tests.support.written_trail import TOPIC, Process
from tests.unit.witness.test_growth import look

FORMER = Path(__file__).parents[2] / "fixtures" / "witness_state" / "witness-1.state"


@pytest.fixture
def former(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    shutil.copyfile(FORMER, path)
    path.chmod(0o600)
    return path


def marketing() -> Process:
    """Return the stream of marketing, as far as the former state has it."""
    process = Process(1, leaves=True, service="marketing")
    process.run(10, end=False)
    process.run(10, end=False)
    return process


def faults(path: Path, process: Process, *, records: int) -> list[str]:
    """Return what a witness finds in the next records of a process."""
    with WitnessState(path) as state:
        growth: Growth = look(state, *process.run(records))
    return growth.faults


def test_all_that_a_former_state_knows_is_kept(former: Path) -> None:
    for _ in range(2):
        with WitnessState(former) as state:
            state.require("key", WITNESS.public_key)
            state.require("topic", TOPIC)
            seen = state.stream(marketing().producer, source="/production/marketing")
            ended = state.stream(Process(2).producer, source="/production/orders")
            assert seen is not None
            assert ended is not None
            assert (seen.size, seen.root, seen.is_closed) == (20, marketing().tree.root(), False)
            assert (ended.size, ended.is_closed) == (12, True)
            assert state.root(seen.producer, source=seen.source, size=20) == seen.root
            assert state.root(seen.producer, source="/production/payments", size=20) is None
            assert state.positions() == {0: Position(0, 8, 7, b"d" * 32)}
            assert state.bindings() == {"marketing+00112233": "/production/marketing"}
            assert state.log.root() == decode_roster(state.pending()[-1]).root


def test_stream_of_a_former_state_goes_on(former: Path) -> None:
    process = marketing()
    with WitnessState(former) as state:
        (entry,) = look(state, *process.run(5)).changed()

    assert (entry.size, entry.is_chained, entry.root) == (25, True, process.tree.root())


@pytest.mark.parametrize("records", [10, 25], ids=["other root", "other past"])
def test_second_history_after_a_former_state_is_refused(former: Path, records: int) -> None:
    rival = Process(1, leaves=True, service="marketing")
    rival.log("mallory")

    (fault,) = faults(former, rival, records=records - 1)

    assert "/production/marketing" in fault


def test_stream_that_a_former_witness_refused_is_followed(former: Path) -> None:
    """Marketing had signed under the producer id of payments' process, and was read first."""
    payments = Process(1, leaves=True)

    assert faults(former, payments, records=20) == []


def test_upgrade_that_fails_leaves_the_former_state(former: Path) -> None:
    connection = sqlite3.connect(former, isolation_level=None)
    connection.execute("UPDATE stream SET entry = 'range audit-events 0 0 0 8' WHERE producer LIKE '%2'")
    connection.close()
    damaged = former.read_bytes()

    with pytest.raises(ConfigurationError, match="names no stream"):
        WitnessState(former)

    assert former.read_bytes() == damaged


def test_state_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state"
    WitnessState(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    later = path.read_bytes()

    with pytest.raises(ConfigurationError, match="not a state"):
        WitnessState(path)
    assert path.read_bytes() == later
