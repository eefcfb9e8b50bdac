"""What is read while commits replace files: each row once, whatever was read before."""

from __future__ import annotations

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.worklist import FileTask, Worklist
from telemetry.format.archive.seal import Commit, SealedRange, SealKind
from telemetry.reader import Place
from tests.support.memory_store import MemoryStore
from tests.support.sealed_archive import SealedArchive
from tests.support.written_trail import TOPIC


def _places(first: int, end: int) -> list[Place]:
    return [Place("topic", 0, offset) for offset in range(first, end)]


def _archive(commits: int) -> tuple[SealedArchive, Worklist]:
    archive = SealedArchive(MemoryStore())
    for _ in range(commits):
        archive.append()
    return archive, Worklist(ArchiveReader(archive.store, name="the archive"))


def _take(work: Worklist) -> FileTask:
    task = work.take()
    assert task is not None
    return task


def test_each_live_file_is_read_once_in_order() -> None:
    archive, work = _archive(3)
    names = []
    while (task := work.take()) is not None:
        names.append(task.file.name)
        work.finish(task, [])

    assert archive.state is not None
    assert names == sorted(archive.state.live)


def test_file_that_replaces_unread_ones_is_read() -> None:
    archive, work = _archive(3)
    task = _take(work)
    names = sorted(archive.state.live) if archive.state else []
    archive.compact(*names)
    archive.append()

    assert work.replace(task, [])
    new = _take(work)
    assert (new.file.rows, new.skip) == (30, None)
    work.finish(new, [])
    assert work.take() is None


def test_file_that_replaces_read_ones_is_passed_over() -> None:
    archive, work = _archive(3)
    names = sorted(archive.state.live) if archive.state else []
    for first in (0, 10):
        work.finish(_take(work), _places(first, first + 10))
    archive.compact(*names[:2])
    archive.compact(names[2])
    task = _take(work)

    assert work.replace(task, [])
    new = _take(work)
    assert (new.file.rows, new.skip) == (10, None)
    work.finish(new, [])
    assert work.take() is None


def test_file_that_replaces_both_is_read_without_what_was_read() -> None:
    archive, work = _archive(3)
    names = sorted(archive.state.live) if archive.state else []
    work.finish(_take(work), _places(0, 10))
    archive.compact(*names[:2])
    archive.compact(*sorted(archive.state.live) if archive.state else [])
    task = _take(work)

    assert work.replace(task, [])
    new = _take(work)
    assert new.skip is not None
    assert [place.offset for place in _places(0, 30) if place not in new.skip] == list(range(10, 30))


def test_file_that_vanishes_in_the_middle_is_continued() -> None:
    archive, work = _archive(1)
    task = _take(work)
    archive.compact(*(archive.state.live if archive.state else ()))

    assert work.replace(task, _places(0, 4))
    skip = _take(work).skip
    assert skip is not None
    assert [place.offset for place in _places(0, 10) if place not in skip] == list(range(4, 10))


def test_file_that_is_gone_without_a_seal_is_missing() -> None:
    archive, work = _archive(2)
    task = _take(work)
    archive.append()

    assert not work.replace(task, [])
    assert _take(work).file.name != task.file.name


def test_file_of_another_day_is_not_confused() -> None:
    archive = SealedArchive(MemoryStore())
    archive.append()
    other = archive.file(5, day="2026-01-03")
    offsets = SealedRange(topic=TOPIC, partition=0, first=10, end=20)
    archive.commit(Commit(kind=SealKind.APPEND, added=(archive.file(5), other), ranges=(offsets,)))
    work = Worklist(ArchiveReader(archive.store, name="the archive"))
    for _ in range(2):
        work.finish(_take(work), [])
    names = sorted(archive.state.live) if archive.state else []
    new = (archive.file(15), archive.file(5, day="2026-01-03"))
    archive.commit(Commit(kind=SealKind.COMPACT, added=new, removed=tuple(names)))
    task = _take(work)

    assert task.file.name == other.name
    assert work.replace(task, [])
    last = _take(work)
    assert (last.file.name, last.skip) == (new[1].name, None)
    work.finish(last, [])
    assert work.take() is None
