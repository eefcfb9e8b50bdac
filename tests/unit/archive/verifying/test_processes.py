"""A process that is killed ends the verification: a smaller report would look complete."""

from __future__ import annotations

import os
import signal
from multiprocessing import active_children
from pathlib import Path

import pytest

from telemetry.archive.verifying.processes import run_shares
from telemetry.archive.verifying.share import Share
from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveError, ConfigurationError
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.trail.progress import StepProgress
from tests.support.archived_trail import ARCHIVER, ArchivedTrail
from tests.support.same_report import in_places
from tests.support.written_trail import LATER, Process, Signer, topic


class _Interfering:
    """Progress that does something to the processes when the first rows were read."""

    def __init__(self, number: int) -> None:
        self._number = number

    def step(self, label: str, *, total: int | None = None) -> _Interfering:
        del label, total
        return self

    def __enter__(self) -> StepProgress:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def expect(self, records: int) -> None:
        del records

    def advance(self, count: int = 1) -> None:
        del count
        if self._number == signal.SIGINT:
            raise KeyboardInterrupt
        for process in active_children():
            os.kill(process.pid or 0, self._number)


@pytest.fixture
def kept(tmp_path: Path) -> ArchivedTrail:
    trail = ArchivedTrail(tmp_path / "archive", group_rows=50)
    lives = [Process(number).run(95) for number in range(1, 5)]
    trail.append(in_places(topic([record for together in zip(*lives, strict=True) for record in together])))
    return trail


def request() -> ArchiveRequest:
    return ArchiveRequest(policy=TrustPolicy.of_keys([Signer().public, ARCHIVER.public]), jobs=2)


def test_killed_process_leaves_no_report(kept: ArchivedTrail) -> None:
    with pytest.raises(ArchiveError, match="signal 9") as raised:
        verify_archive(kept.storage, request(), now=LATER, progress=_Interfering(signal.SIGKILL))

    assert raised.value.exit_code == 6
    assert active_children() == []


def test_interrupt_ends_the_processes(kept: ArchivedTrail) -> None:
    with pytest.raises(KeyboardInterrupt):
        verify_archive(kept.storage, request(), now=LATER, progress=_Interfering(signal.SIGINT))

    assert active_children() == []


def test_error_of_a_process_is_raised_here(tmp_path: Path) -> None:
    storage = StorageConfig(provider="local_file", base_path=tmp_path / "absent")
    share = Share(policy=request().policy, witnessed=None, name="absent", files=())

    with pytest.raises(ConfigurationError, match="is not a folder"):
        run_shares(storage, [share], progress=_Interfering(0))
