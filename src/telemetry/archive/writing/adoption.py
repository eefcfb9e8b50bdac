"""Seals what another engine wrote to the table, after a look at every row of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.archive.committing.catching_up import catch_up, rebuild
from telemetry.archive.committing.commits import ArchiveCommits
from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.files.digest import digest_of
from telemetry.archive.table.snapshots import ForeignSnapshot
from telemetry.archive.writing.foreign_rows import NewPlaces, new_places, streams_of
from telemetry.exceptions import ArchiveStateError
from telemetry.format.archive.seal import Commit, Seal, SealedFile, SealedRange, SealKind
from telemetry.format.archive.succession import ArchiveState

_REMEDY = "`telemetry archive seal --rebuild` makes the table anew from the seals, without that snapshot"


@dataclass(frozen=True, slots=True)
class Sealing:
    """What ``telemetry archive seal`` did.

    Attributes:
        number: Number of the last seal; None where there is none.
        adopted: The seals of other engines' snapshots.
        caught_up: Seals that the table lacked.
        is_rebuilt: Whether the table was made anew.
    """

    number: int | None
    adopted: tuple[Seal, ...]
    caught_up: int
    is_rebuilt: bool


def seal_table(commits: ArchiveCommits, *, anew: bool) -> Sealing:
    """Have the table and the seals agree: seal what others wrote, and register what the table lacks.

    Args:
        commits: The archive.
        anew: Make the table anew from the seals instead; what others wrote is left out.

    Raises:
        ArchiveStateError: A snapshot cannot be adopted: it has places twice, or some are gone.
        ArchiveConflictError: Another writer committed meanwhile.
        StorageError: The store refused or did not answer.
    """
    state = commits.read()
    if anew:
        if state is not None:
            rebuild(commits.table, state)
        return Sealing(_number(state), (), 0, is_rebuilt=state is not None)
    begun = commits.table.sealed_number()
    foreign = list(_unsealed(commits, state, begun))
    if not commits.table.foreign_snapshots():
        return Sealing(_number(state), (), catch_up(commits.table, commits.seals, state), is_rebuilt=False)
    adopted = tuple(commits.adopt(_commit_of(commits, snapshot)) for snapshot in foreign)
    state = commits.state
    if state is None or begun + len(commits.table.foreign_snapshots()) != state.seal.number:
        # The table lacks seals from before the snapshots: it cannot be brought to them in their order.
        if state is not None:
            rebuild(commits.table, state)
        return Sealing(_number(state), adopted, 0, is_rebuilt=True)
    for number in range(begun + 1, state.seal.number + 1):
        commits.table.register(commits.seals.read(number).seal)
    return Sealing(_number(state), adopted, 0, is_rebuilt=False)


def _unsealed(commits: ArchiveCommits, state: ArchiveState | None, begun: int) -> Iterator[ForeignSnapshot]:
    """Yield the snapshots of others that no seal names: a run before may have ended between two of them."""
    last = -1 if state is None else state.seal.number
    named = {commits.seals.read(number).seal.snapshot for number in range(begun + 1, last + 1)}
    return (each for each in commits.table.foreign_snapshots() if each.snapshot_id not in named)


def _commit_of(commits: ArchiveCommits, snapshot: ForeignSnapshot) -> Commit:
    """Return the commit of a snapshot.

    1. Its rows have no place twice, and none is gone.
    2. What is new continues the positions of the last seal.
    """
    store = commits.store
    live = commits.state.live if commits.state is not None else {}
    places = new_places(store, snapshot.added, [name for name in snapshot.removed if name in live])
    _require_sound(snapshot, places)
    return Commit(
        kind=SealKind.ADOPT,
        added=tuple(_file_of(commits, name) for name in snapshot.added),
        removed=tuple(name for name in snapshot.removed if name in live),
        ranges=tuple(_ranges(commits.state, places)),
        objects=places.objects,
        streams=streams_of(store, snapshot.added).largest(),
        snapshot=snapshot.snapshot_id,
    )


def _require_sound(snapshot: ForeignSnapshot, places: NewPlaces) -> None:
    for count, what in ((places.twice, "are in it twice"), (places.gone, "are gone with it")):
        if count:
            message = f"the snapshot {snapshot.snapshot_id} ({snapshot.operation}) is not adopted: {count} places {what}. {_REMEDY}"
            raise ArchiveStateError(message)


def _ranges(state: ArchiveState | None, places: NewPlaces) -> Iterator[SealedRange]:
    positions = state.seal.positions if state is not None else {}
    for (topic, partition), (first, end) in sorted(places.offsets.items()):
        expected = positions.get(topic, {}).get(partition, 0 if topic in positions else first)
        if first < expected:
            message = (
                f"a snapshot is not adopted: it has offset {first} of {topic}[{partition}], which the archive has up to "
                f"{expected} already. {_REMEDY}"
            )
            raise ArchiveStateError(message)
        yield SealedRange(topic=topic, partition=partition, first=expected, end=end)


def _file_of(commits: ArchiveCommits, name: str) -> SealedFile:
    with open_data_file(commits.store, name) as opened:
        rows = opened.rows
    digest = digest_of(commits.store, name)
    day = name.partition("/day=")[2].partition("/")[0]
    return SealedFile(name=name, sha256=digest.sha256, size=digest.size, rows=rows, day=day)


def _number(state: ArchiveState | None) -> int | None:
    return None if state is None else state.seal.number
