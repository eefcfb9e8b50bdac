"""Upkeep that is killed, or meets others, leaves an archive in which every place is there once and everything is proven."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import command_processes
from tests.support.command_processes import CommandProcesses
from tests.support.kept_archive import KeptArchive

WORKER = Path(command_processes.__file__).parent / "workers" / "archive_forker.py"
KILLS = int(os.environ.get("UPKEEP_KILLS", "6"))
_NOTHING = Path(os.devnull)


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path, keep_removed_seconds=0)
    kept.log(commits=3)
    return kept


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[CommandProcesses]:
    (tmp_path / "processes").mkdir()
    with CommandProcesses(tmp_path / "processes", worker=WORKER) as started:
        yield started


@pytest.mark.parametrize(("step", "sealed"), [("@before-seal", 2), ("@after-seal", 3), ("@after-table", 3)])
@pytest.mark.parametrize("words", [["compact"], ["expire", "--default", "30d"]], ids=lambda words: words[0])
def test_kill_at_a_step(
    archive: KeptArchive, processes: CommandProcesses, words: list[str], step: str, sealed: int
) -> None:
    archive.require_table()
    command = ["archive", *words, "-c", str(archive.file())]

    killed = processes.run(_NOTHING, step, *command)

    assert killed.code == -signal.SIGKILL, killed.err
    assert archive.state().seal.number == sealed
    archive.require_whole()
    assert processes.run(_NOTHING, *command).code == 0
    archive.require_whole()
    archive.require_table()
    assert archive.state().seal.number == 3


def test_kill_at_random_moments(archive: KeptArchive, processes: CommandProcesses) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)  # noqa: S311 - moments, no secret
    killed, within = 0, 1.0
    command = ["archive", "compact", "-c", str(archive.file())]
    for _ in range(KILLS):
        archive.log(commits=2, events=dice.randrange(4, 40))
        before = archive.places()
        process, folder = processes.start(_NOTHING, *command)
        done = processes.kill_after(process, folder, seconds=dice.uniform(0.0, within))
        assert done.code in (0, -signal.SIGKILL), (seed, done.err)
        killed += done.code != 0
        # As long as a run takes here: otherwise all are killed at their start, or none.
        within = within * 1.3 if done.code else max(within / 1.5, 0.2)
        assert archive.places() == before, seed
    assert processes.run(_NOTHING, *command).code == 0

    assert killed, seed
    archive.require_whole()
    archive.require_table()


def test_two_at_once_beside_appends(archive: KeptArchive, processes: CommandProcesses, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    command = ["archive", "compact", "-c", str(archive.file())]
    with CommandProcesses(tmp_path / "others", worker=WORKER) as others:
        for _ in range(3):
            archive.log(commits=1, events=10)
            one, _ = processes.start(_NOTHING, *command)
            other, folder = others.start(_NOTHING, *command)
            archive.log(commits=2, events=10)
            codes = {one.wait(), other.wait()}
            # The slower one may have lost its inputs each time; it never fails otherwise.
            assert codes <= {0, 6}, (folder / "err").read_text() if (folder / "err").exists() else codes
            assert 0 in codes
            archive.require_whole()
    places = archive.places()
    assert max(places.values()) == 1
    assert places.total() == archive.state().seal.records
    archive.require_table()
