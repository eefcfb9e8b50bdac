"""Says which seal may follow another: writers create the next one by this rule, and judges check it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.exceptions import FormatError
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.offsets import continued, differences
from telemetry.format.archive.seal import LIVE_EVERY, MAX_LIVE_FILES, Commit, Positions, Seal, SealedFile, SealKind


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """An archive after a commit.

    Attributes:
        seal: The seal of the commit.
        digest: SHA-256 of the seal's bytes, in hexadecimal.
        live: Live files.
    """

    seal: Seal
    digest: str
    live: LiveFiles

    def after(self, seal: Seal, digest: str) -> ArchiveState:
        """Return the state after the next commit.

        Raises:
            FormatError: The seal does not fit the live files.
        """
        return ArchiveState(seal, digest, self.live.after(seal))


def seal_after(before: ArchiveState | None, commit: Commit, *, time: str, source: str, archive: str) -> Seal:
    """Return the seal of the next commit; encode it with ``seal_note.encode_seal``.

    Args:
        before: State of the archive; None for the first commit.
        commit: What it does.
        time: When it is signed, RFC 3339 in UTC.
        source: CloudEvents source of the archiver, such as ``/production/telemetry-archiver``.
        archive: UUIDv7 of the archive; the first commit chooses it, the others repeat it.

    Raises:
        FormatError: The commit cannot follow; for instance, its offsets do not continue the positions.
    """
    live = before.live if before is not None else LiveFiles()
    added = tuple(sorted(commit.added, key=lambda file: file.name))
    removed = tuple(sorted(commit.removed))
    problems = list(live.problems_with(added, removed))
    positions = before.seal.positions if before is not None else {}
    offsets = continued(positions, (*commit.ranges, *commit.gaps), commit.starts)
    problems += offsets.problems
    number = before.seal.number + 1 if before is not None else 0
    rows, gone = sum(file.rows for file in added), sum(live[name].file.rows for name in removed if name in live)
    seal = Seal(
        archive=archive,
        source=source,
        number=number,
        kind=commit.kind,
        time=time,
        previous=before.digest if before is not None else "",
        added=added,
        removed=removed,
        ranges=tuple(sorted(commit.ranges, key=lambda part: (part.topic, part.partition, part.first))),
        positions=offsets.positions,
        gaps=tuple(sorted(commit.gaps, key=lambda part: (part.topic, part.partition, part.first))),
        objects=tuple(sorted(commit.objects)),
        streams=tuple(sorted(commit.streams, key=lambda stream: (stream.source, stream.producer, stream.signer))),
        roster=commit.roster or (before.seal.roster if before is not None else ""),
        rows=live.rows - gone + rows,
        records=_records(before, commit.kind, rows, gone),
        redacted=commit.redacted,
        ended=commit.ended,
        snapshot=commit.snapshot,
        live=_listed(live, added, removed) if number % LIVE_EVERY == 0 else None,
    )
    problems += problems_after(before, seal)
    if problems:
        message = f"the commit cannot follow as seal {number}: {'; '.join(dict.fromkeys(problems))}"
        raise FormatError(message)
    return seal


def problems_after(before: ArchiveState | None, seal: Seal) -> Iterator[str]:
    """Yield why a seal does not follow another one; its signature, form and digests are the caller's matter.

    1. It is the next one of the same archive, by the same archiver.
    2. It removes files that are live, and adds ones that are not.
    3. Its offsets continue the positions before, and lead to its own.
    4. Its kind may change the number of rows as it does, and its counts follow from the files.
    5. Where it lists the live files, they are those that follow from the seals before.

    Args:
        before: State of the archive; None before the first commit.
        seal: The seal.
    """
    # 1.
    yield from identity_problems(before, seal)
    # 2., 4. and 5.
    yield from file_problems(before, seal)
    # 3.
    yield from offset_problems(before, seal)


def identity_problems(before: ArchiveState | None, seal: Seal) -> Iterator[str]:
    """Yield why a seal is not the next one of its archive, by the same archiver."""
    number = before.seal.number + 1 if before is not None else 0
    if seal.number != number:
        yield f"it is number {seal.number}, and number {number} comes next"
    if before is not None and seal.archive != before.seal.archive:
        yield "it belongs to another archive"
    # An archiver of another environment has a key that is trusted too.
    if before is not None and seal.source != before.seal.source:
        yield f"it is of the archiver {seal.source}, and the one before it of {before.seal.source}"


def offset_problems(before: ArchiveState | None, seal: Seal) -> Iterator[str]:
    """Yield where the offsets of a seal do not continue the positions before, or do not lead to its own."""
    positions: Positions = before.seal.positions if before is not None else {}
    offsets = continued(positions, (*seal.ranges, *seal.gaps), seal.positions)
    yield from offsets.problems
    yield from differences(offsets.positions, seal.positions)


def file_problems(before: ArchiveState | None, seal: Seal) -> Iterator[str]:
    """Yield where the files of a seal do not fit the live ones, or its counts do not follow from them."""
    live = before.live if before is not None else LiveFiles()
    yield from live.problems_with(seal.added, seal.removed)
    yield from _wrong_counts(before, live, seal)
    if seal.live is not None and seal.live != _listed(live, seal.added, seal.removed):
        yield "its list of live files is not the one that follows from the seals before"


def _wrong_counts(before: ArchiveState | None, live: LiveFiles, seal: Seal) -> Iterator[str]:
    rows = sum(file.rows for file in seal.added)
    gone = sum(live[name].file.rows for name in seal.removed if name in live)
    if seal.kind in (SealKind.COMPACT, SealKind.REDACT) and rows != gone:
        yield f"it replaces {gone} rows by {rows}"
    if seal.kind is SealKind.EXPIRE and rows > gone:
        yield f"it ends the retention of rows, and replaces {gone} rows by {rows}"
    if seal.rows != live.rows - gone + rows:
        yield f"it counts {seal.rows} live rows, and {live.rows - gone + rows} follow from the files"
    records = _records(before, seal.kind, rows, gone)
    if seal.records != records:
        yield f"it counts {seal.records} records, and {records} follow from the files"


def _records(before: ArchiveState | None, kind: SealKind, rows: int, gone: int) -> int:
    records = before.seal.records if before is not None else 0
    if kind is SealKind.APPEND:
        return records + rows
    # Another engine appends or rewrites; only what it has more is new.
    return records + max(0, rows - gone) if kind is SealKind.ADOPT else records


def _listed(live: LiveFiles, added: tuple[SealedFile, ...], removed: tuple[str, ...]) -> tuple[SealedFile, ...] | None:
    """Return the list of the live files after a commit; None if it is too long for a seal."""
    files = {file.name: file for file in live.files()}
    for name in removed:
        files.pop(name, None)
    files.update((file.name, file) for file in added)
    return tuple(files[name] for name in sorted(files)) if len(files) <= MAX_LIVE_FILES else None
