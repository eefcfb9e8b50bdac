"""An archiver that is killed at any moment leaves an archive that the next one continues: each place once, none absent."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.kafka import KafkaBroker
from tests.support import command_processes
from tests.support.archive_site import ArchiveSite
from tests.support.command_processes import CommandProcesses, Ran

pytestmark = pytest.mark.services

WORKER = Path(command_processes.__file__).parent / "workers" / "archive_forker.py"
KILLS = int(os.environ.get("ARCHIVE_KILLS", "10"))
_NOTHING = Path(os.devnull)


@pytest.fixture
def site(kafka: KafkaBroker, topic: str, tmp_path: Path) -> ArchiveSite:
    return ArchiveSite(kafka, topic, tmp_path, settings="commit_rows = 400")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[CommandProcesses]:
    (tmp_path / "processes").mkdir()
    with CommandProcesses(tmp_path / "processes", worker=WORKER) as started:
        yield started


def once(site: ArchiveSite) -> list[str]:
    return ["archive", "--once", "-c", str(site.file())]


def finish(site: ArchiveSite, processes: CommandProcesses) -> Ran:
    done = processes.run(_NOTHING, *once(site))
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize(
    ("step", "sealed"), [("@second-file", 0), ("@before-seal", 0), ("@after-seal", 1), ("@after-table", 1)]
)
def test_kill_at_a_step(site: ArchiveSite, processes: CommandProcesses, step: str, sealed: int) -> None:
    site.settings = "commit_rows = 100000\nfile_bytes = 1048576"
    site.log(300)
    finish(site, processes)
    site.log(2_000)

    killed = processes.run(_NOTHING, step, *once(site))

    assert killed.code == -signal.SIGKILL, killed.err
    assert site.state().seal.number == sealed
    finish(site, processes)
    assert site.state().seal.number == 1
    site.check()


def test_kill_at_random_moments(site: ArchiveSite, processes: CommandProcesses) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)  # noqa: S311 - moments and sizes, no secret
    killed, within = 0, 2.0
    for _ in range(KILLS):
        site.log(dice.randrange(200, 1_200))
        process, folder = processes.start(_NOTHING, *once(site))
        done = processes.kill_after(process, folder, seconds=dice.uniform(0.0, within))
        assert done.code in (0, -signal.SIGKILL), (seed, done.err)
        killed += done.code != 0
        # As long as a run takes here: otherwise all are killed at their start, or none.
        within = within * 1.3 if done.code else max(within / 1.5, 0.2)
    finish(site, processes)

    assert killed, seed
    site.check()


def test_signal_ends_it_between_two_commits(site: ArchiveSite, processes: CommandProcesses) -> None:
    site.log(3_000)
    process, folder = processes.start(_NOTHING, "archive", "--every", "1h", "-c", str(site.file()))
    with site.store() as store:
        while not list(store.list("evidence/seals/")):
            assert process.pid
    process.kill(signal.SIGTERM)

    assert process.wait() == 0, (folder / "err").read_text()
    state = site.state()
    with site.store() as store:
        files = {stored.name for stored in store.list("events/data/")}
    assert files == {file.name for file in state.live.files()}
    finish(site, processes)
    site.check()
