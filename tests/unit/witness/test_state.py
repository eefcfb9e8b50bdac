from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.witness.state import MAX_ROOTS, MAX_ROOTS_OF_ENDED, Position, WitnessState
from tests.support.rosters import Witnessing, read_up_to, stream
from tests.support.written_trail import Process


def _root(state: WitnessState, process: Process, size: int) -> bytes | None:
    return state.root(process.producer, source=process.source, size=size)


def test_state_is_kept_across_processes(tmp_path: Path) -> None:
    log, process = Witnessing(), Process()
    roster = log.sign(stream(process), read_up_to(4))
    with WitnessState(tmp_path / "state") as state, state.changes() as changes:
        changes.put_streams([stream(process)])
        changes.put_roots([(process.producer, process.source, 0, b"root")])
        changes.put_positions([(3, Position(1, 4, 3, b"digest"))])
        changes.put_bindings([("payments+00112233", "/production/payments")])
        changes.put_log(roster.tree(), roster.time, [roster])

    with WitnessState(tmp_path / "state") as state:
        assert state.stream(process.producer, source=process.source) == stream(process)
        assert state.stream("another", source=process.source) is None
        assert [_root(state, process, size) for size in (0, 1)] == [b"root", None]
        assert state.positions() == {3: Position(1, 4, 3, b"digest")}
        assert state.bindings() == {"payments+00112233": "/production/payments"}
        assert (state.log.root(), state.time) == (roster.root, roster.time)
        assert state.pending() == log.documents


def test_each_source_of_a_producer_has_its_own_row(tmp_path: Path) -> None:
    one, other = Process(), Process(service="marketing")
    one.run(3)
    other.run(5)
    with WitnessState(tmp_path / "state") as state, state.changes() as changes:
        changes.put_streams([stream(one), stream(other)])
        changes.put_roots([(each.producer, each.source, 0, each.source.encode()) for each in (one, other)])

    with WitnessState(tmp_path / "state") as state:
        assert [state.stream(each.producer, source=each.source) for each in (one, other)] == [
            stream(one),
            stream(other),
        ]
        assert [_root(state, each, 0) for each in (one, other)] == [each.source.encode() for each in (one, other)]


@pytest.mark.parametrize(("is_closed", "kept"), [(False, MAX_ROOTS), (True, MAX_ROOTS_OF_ENDED)])
def test_oldest_roots_of_a_stream_are_forgotten(tmp_path: Path, *, is_closed: bool, kept: int) -> None:
    process, other = Process(1), Process(2)
    with WitnessState(tmp_path / "state") as state:
        with state.changes() as changes:
            for each in (process, other):
                changes.put_roots((each.producer, each.source, size, b"%d" % size) for size in range(MAX_ROOTS + 50))
            changes.forget_roots([stream(process, is_closed=is_closed)])

        found = [_root(state, process, size) is not None for size in range(MAX_ROOTS + 50)]
        assert found == [False] * (MAX_ROOTS + 50 - kept) + [True] * kept
        assert _root(state, other, 0) == b"0"


def test_round_that_fails_changes_nothing(tmp_path: Path) -> None:
    with WitnessState(tmp_path / "state") as state:
        with pytest.raises(TypeError), state.changes() as changes:
            changes.put_positions([(0, Position(0, 9)), (1, None)])  # type: ignore[list-item]

        assert state.positions() == {}


def test_state_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        WitnessState(tmp_path / "state").close()
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_one_witness_at_a_time(tmp_path: Path) -> None:
    with WitnessState(tmp_path / "state"), pytest.raises(ConfigurationError, match="locked"):
        WitnessState(tmp_path / "state")


def test_state_of_another_witness_is_refused(tmp_path: Path) -> None:
    with WitnessState(tmp_path / "state") as state:
        state.require("topic", "audit-events")
        state.require("topic", "audit-events")

        with pytest.raises(ConfigurationError, match="another topic"):
            state.require("topic", "audit-staging")


def test_other_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "application.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()
    path.chmod(0o600)
    content = path.read_bytes()

    with pytest.raises(ConfigurationError, match="not a state"):
        WitnessState(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"junk" * 1_000, b"SQLite format 3\x00" + b"\xff" * 4_000])
def test_junk_is_no_state(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigurationError):
        WitnessState(path)


def test_file_that_was_never_written_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.touch(0o600)

    with WitnessState(path) as state:
        assert state.log.size == 0


def test_state_that_others_may_write_is_refused(tmp_path: Path) -> None:
    WitnessState(tmp_path / "state").close()
    (tmp_path / "state").chmod(0o666)

    with pytest.raises(ConfigurationError, match="written by others"):
        WitnessState(tmp_path / "state")


def test_link_is_not_followed(tmp_path: Path) -> None:
    WitnessState(tmp_path / "state").close()
    (tmp_path / "link").symlink_to(tmp_path / "state")

    with pytest.raises(ConfigurationError, match="regular file"):
        WitnessState(tmp_path / "link")
