"""The explorer over an archive: its index, life lines, proofs and verification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.trail_place import ArchivePlace
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.filling import IndexFiller
from telemetry.explorer.index.opening import TrailOpening
from telemetry.explorer.index.search import Search
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.life_line import LifeLineWork
from telemetry.explorer.jobs.proof import ProofWork
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.explorer.jobs.verification import VerificationWork
from telemetry.reader.entry import Proven
from telemetry.reader.filters import EventFilter
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from telemetry.reader.verify.verdicts import Verdict
from telemetry.storage import StorageProviderFactory
from tests.support.archived_trail import ARCHIVER
from tests.support.searchable_archive import SearchableArchive
from tests.support.until import until
from tests.support.written_trail import TOPIC, Signer

POLICY = TrustPolicy(
    (
        TrustedKey(public=Signer().public, roles=frozenset({Role.SERVICE}), sources=("/*/*",)),
        TrustedKey(public=ARCHIVER.public, roles=frozenset({Role.ARCHIVER}), sources=("/*/*",)),
    )
)


@pytest.fixture
def archive(tmp_path: Path) -> SearchableArchive:
    archive = SearchableArchive(tmp_path)
    archive.fill()
    return archive


@pytest.fixture
def place(archive: SearchableArchive) -> Iterator[ArchivePlace]:
    with StorageProviderFactory.create(archive.trail.storage) as store:
        yield ArchivePlace(ArchiveReader(store, name="the archive", trust=POLICY), topic=TOPIC)


def _is_filled(index: EventIndex) -> bool:
    state = index.state
    return bool(state.read or state.has_ended) and not state.is_filling


def _filled(opening: TrailOpening) -> EventIndex:
    index = EventIndex()
    with IndexFiller(index, opening):
        until(lambda: _is_filled(index), what="the index is filled", state=lambda: index.state)
    return index


def test_index_has_the_events_of_the_days(archive: SearchableArchive, place: ArchivePlace) -> None:
    since = "2026-01-03T00:00:00.000000Z"
    opening = TrailOpening(config=archive.config(), topic=False, archive=place, since=since, trust=POLICY)
    index = _filled(opening)

    found = index.search(Search(wanted=EventFilter(users=frozenset({"wanted"}))), with_content=True)
    assert index.state.indexed == 80
    assert found.total == 4
    assert {row.proven for row in found.rows} == {Proven.YES}


def test_jobs_read_the_archive(archive: SearchableArchive, place: ArchivePlace) -> None:
    source = TrailSource(archive.config(), archive=place)
    event_id = "0198c0de-0000-7000-8000-000100000003"

    life = LifeLineWork(source, event_id, policy=POLICY).run(JobProgress())
    proof = ProofWork(source, event_id, policy=POLICY).run(JobProgress())
    run = VerificationWork(source, POLICY).run(JobProgress())

    assert len(life.lives) == 1
    assert proof.proof is not None, proof.reason
    assert (run.report.verdict, run.state) == (Verdict.COMPLETE, None)
    assert run.scope["archive"] == "the archive"
