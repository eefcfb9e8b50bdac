"""A seal follows the one before by one rule, which writers and judges share."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from telemetry.exceptions import FormatError
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import (
    LIVE_EVERY,
    Commit,
    Ending,
    OffsetGap,
    Positions,
    Redaction,
    SealedFile,
    SealedRange,
    SealKind,
)
from telemetry.format.archive.seal_note import seal_text
from telemetry.format.archive.succession import ArchiveState, problems_after, seal_after
from tests.support.sealed_archive import ARCHIVE, DAY, SOURCE, data_name

_TIME = "2026-01-02T03:04:05.000000Z"


def _file(number: int, rows: int = 10) -> SealedFile:
    return SealedFile(name=data_name(number), sha256="ab" * 32, size=100, rows=rows, day=DAY)


def _range(first: int, end: int, partition: int = 0, topic: str = "t") -> SealedRange:
    return SealedRange(topic=topic, partition=partition, first=first, end=end)


def _gap(first: int, end: int, partition: int = 0) -> OffsetGap:
    return OffsetGap(topic="t", partition=partition, first=first, end=end)


def _append(number: int, *ranges: SealedRange, **parts: Any) -> Commit:
    return Commit(kind=SealKind.APPEND, added=(_file(number),), ranges=ranges, **parts)


def _after(*commits: Commit) -> ArchiveState:
    state: ArchiveState | None = None
    for commit in commits:
        seal = seal_after(state, commit, time=_TIME, source=SOURCE, archive=ARCHIVE)
        seal_text(seal)
        state = ArchiveState(seal, f"{seal.number:064d}", (state.live if state else LiveFiles()).after(seal))
    assert state is not None
    return state


def test_positions_and_counts_are_cumulative() -> None:
    state = _after(
        _append(1, _range(500, 510), starts={"t": {3: 77}}),
        _append(2, _range(510, 520), _range(77, 80, partition=3), _range(0, 5, partition=4), roster="cd" * 32),
        Commit(kind=SealKind.COMPACT, added=(_file(3, 20),), removed=(data_name(1), data_name(2))),
    )

    assert state.seal.positions == {"t": {0: 520, 3: 80, 4: 5}}
    assert (state.seal.rows, state.seal.records, len(state.live)) == (20, 20, 1)
    assert (state.seal.number, state.seal.previous, state.seal.roster) == (2, f"{1:064d}", "cd" * 32)


@pytest.mark.parametrize(
    ("ranges", "gaps", "problem"),
    [
        ((_range(11, 20),), (), "the offsets 10 to 10 of t.0. are skipped"),
        ((_range(9, 20),), (), "go back from 10 to 9"),
        ((_range(10, 20), _range(21, 22)), (), "the offsets 20 to 20"),
        ((_range(10, 20),), (_gap(21, 22),), "the offsets 20 to 20"),
        ((_range(5, 6, partition=1),), (), "the offsets 0 to 4 of t.1. are skipped"),
    ],
)
def test_offsets_must_continue(ranges: tuple[SealedRange, ...], gaps: tuple[OffsetGap, ...], problem: str) -> None:
    state = _after(_append(1, _range(0, 10)))

    with pytest.raises(FormatError, match=problem):
        seal_after(state, _append(2, *ranges, gaps=gaps), time=_TIME, source=SOURCE, archive=ARCHIVE)


def test_gap_continues_the_offsets() -> None:
    state = _after(
        _append(1, _range(0, 10)),
        _append(2, _range(15, 20), _range(3, 4, partition=1), gaps=(_gap(10, 15), _gap(0, 3, partition=1))),
    )

    assert state.seal.positions == {"t": {0: 20, 1: 4}}


@pytest.mark.parametrize(
    "commit",
    [
        Commit(kind=SealKind.COMPACT, added=(_file(2, 9),), removed=(data_name(1),)),
        Commit(kind=SealKind.COMPACT, added=(_file(2),), removed=(data_name(7),)),
        Commit(kind=SealKind.COMPACT, added=(_file(1),), removed=()),
        Commit(
            kind=SealKind.EXPIRE,
            added=(_file(2, 11),),
            removed=(data_name(1),),
            ended=(Ending(policy="7y", rows=1),),
        ),
        Commit(kind=SealKind.APPEND, added=(_file(1),)),
    ],
    ids=["other rows", "not live", "added twice", "more rows", "live already"],
)
def test_files_must_fit_the_live_ones(commit: Commit) -> None:
    state = _after(_append(1, _range(0, 10)))

    with pytest.raises(FormatError, match="cannot follow as seal 1"):
        seal_after(state, commit, time=_TIME, source=SOURCE, archive=ARCHIVE)


def test_each_kind_counts_rows() -> None:
    redaction = Redaction(request="r-1", count=1, by="dpo", reason="asked")
    state = _after(
        _append(1, _range(0, 10)),
        Commit(kind=SealKind.REDACT, added=(_file(2),), removed=(data_name(1),), redacted=(redaction,)),
        Commit(
            kind=SealKind.EXPIRE,
            added=(_file(3, 2),),
            removed=(data_name(2),),
            ended=(Ending(policy="7y", rows=9),),
        ),
        Commit(kind=SealKind.ADOPT, added=(_file(4, 5),), snapshot=123),
    )

    assert (state.seal.rows, state.seal.records) == (7, 15)


def test_live_files_are_listed_regularly() -> None:
    ranges = [_range(number, number + 1) for number in range(LIVE_EVERY + 1)]
    state = _after(*(_append(number + 1, each) for number, each in enumerate(ranges)))

    assert state.seal.number == LIVE_EVERY
    assert state.seal.live == state.live.files()
    assert LiveFiles.listed(state.seal).rows == state.seal.rows


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"number": 2}, "number 1 comes next"),
        ({"archive": "018f3b1c-0000-7000-8000-00000000b000"}, "another archive"),
        ({"source": "/staging/telemetry-archiver"}, "of the archiver /staging/telemetry-archiver"),
        ({"rows": 19}, "counts 19 live rows, and 20 follow"),
        ({"records": 21}, "counts 21 records"),
        ({"positions": {"t": {0: 19}}}, "its position in t.0. is 19"),
        ({"positions": {}}, "is none, and 20 follows"),
        ({"positions": {"t": {0: 20, 1: 7}}}, "t.1. begins at offset 7"),
        ({"number": 64, "live": ()}, "list of live files"),
    ],
)
def test_forged_state_is_found(change: dict[str, Any], problem: str) -> None:
    state = _after(_append(1, _range(0, 10)))
    seal = seal_after(state, _append(2, _range(10, 20)), time=_TIME, source=SOURCE, archive=ARCHIVE)
    assert list(problems_after(state, seal)) == []

    problems = list(problems_after(state, msgspec.structs.replace(seal, **change)))

    assert any(problem.replace(".0.", "[0]").replace(".1.", "[1]") in each for each in problems), problems


def test_empty_partition_keeps_its_start() -> None:
    starts: Positions = {"t": {0: 5, 1: 9}}
    state = _after(Commit(kind=SealKind.APPEND, starts=starts), _append(1, _range(9, 10, partition=1)))

    assert state.seal.positions == {"t": {0: 5, 1: 10}}
