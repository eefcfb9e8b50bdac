"""Seals what another engine wrote to the table, after a look at every row of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from telemetry.archive.committing.catching_up import catch_up, rebuild
from telemetry.archive.committing.commits import ArchiveCommits
from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.files.digest import digest_of
from telemetry.archive.table.snapshots import ForeignSnapshot
from telemetry.archive.writing.foreign_rows import NewPlaces, new_places, streams_of
from telemetry.exceptions import ArchiveStateError
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import Commit, Positions, Seal, SealedFile, SealedRange, SealKind
from telemetry.format.archive.succession import ArchiveState
from telemetry.reader.seals.folding import fold

_REMEDY = "`telemetry archive seal --rebuild` makes the table anew from the seals, without what others wrote"


@dataclass(frozen=True, slots=True)
class Sealing:
    """What ``telemetry archive seal`` did.

    Attributes:
        number: Number of the last seal; None where there is none.
        adopted: The seals of what other engines wrote, one for each snapshot.
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
        ArchiveStateError: What others wrote cannot be adopted: it has places twice, or some are gone.
        ArchiveConflictError: Another writer committed meanwhile.
        StorageError: The store refused or did not answer.
    """
    state, table = commits.read(), commits.table
    if anew:
        if state is not None:
            rebuild(table, state)
        return Sealing(_number(state), (), 0, is_rebuilt=state is not None)
    foreign = table.foreign_snapshots()
    if not foreign:
        return Sealing(_number(state), (), catch_up(table, commits.seals, state), is_rebuilt=False)
    begun = table.sealed_number()
    # A run before may have ended when it had sealed some of them, and before the table knew of it.
    since = _sealed_since(commits, begun)
    known = {seal.snapshot for seal in since}
    is_alone = all(seal.kind is SealKind.ADOPT for seal in since)
    places = _looked_at(commits, foreign, begun=begun, is_alone=is_alone)
    adopted = [
        commits.adopt(_commit_of(commits, snapshot, places if snapshot is foreign[-1] else None))
        for snapshot in foreign
        if snapshot.snapshot_id not in known
    ]
    is_in_order = _register(commits, begun)
    return Sealing(_number(commits.state), tuple(adopted), 0, is_rebuilt=not is_in_order)


def _sealed_since(commits: ArchiveCommits, begun: int) -> list[Seal]:
    """Return the seals after a number."""
    last = commits.state.seal.number if commits.state is not None else -1
    return [commits.seals.read(number).seal for number in range(begun + 1, last + 1)]


def _looked_at(commits: ArchiveCommits, foreign: Sequence[ForeignSnapshot], *, begun: int, is_alone: bool) -> NewPlaces:
    """Return what all snapshots change together: an engine may delete in one, and add again in the next.

    1. No place is there twice, and none is gone.
    2. New ones are not in the archive already.
    """
    state = fold(commits.seals, number=begun, policy=commits.policy) if begun >= 0 else None
    live = state.live if state is not None else LiveFiles()
    added: dict[str, None] = {}
    removed: list[str] = []
    for snapshot in foreign:
        removed += [name for name in snapshot.removed if name in live]
        for name in snapshot.removed:
            added.pop(name, None)
        added.update(dict.fromkeys(snapshot.added))
    places = new_places(commits.store, added, removed)
    # 1.
    for count, what in ((places.twice, "are in it twice"), (places.gone, "are gone with it")):
        if count:
            raise _refused(foreign[-1], f"{count} places {what}")
    # 2.
    positions = state.seal.positions if state is not None else {}
    for (topic, partition), (first, _) in sorted(places.offsets.items()):
        position = positions.get(topic, {}).get(partition, 0)
        if first < position:
            reason = f"it has offset {first} of {topic}[{partition}], which is archived up to {position} already"
            raise _refused(foreign[-1], reason)
    if places.offsets and not is_alone:
        raise _refused(foreign[-1], "it adds records, and the archiver has committed beside it")
    return places


def _commit_of(commits: ArchiveCommits, snapshot: ForeignSnapshot, places: NewPlaces | None) -> Commit:
    """Return the commit of one snapshot.

    Args:
        commits: The archive.
        snapshot: The snapshot.
        places: With the last one: the new places of all of them.
    """
    live = commits.state.live if commits.state is not None else LiveFiles()
    positions = commits.state.seal.positions if commits.state is not None else {}
    ends = {(topic, partition): end for topic, stated in snapshot.offsets.items() for partition, end in stated.items()}
    firsts = {} if places is None else {place: first for place, (first, _) in places.offsets.items()}
    for place, (_, end) in ({} if places is None else places.offsets).items():
        ends[place] = max(end, ends.get(place, end))
    return Commit(
        kind=SealKind.ADOPT,
        added=tuple(_file_of(commits, name) for name in snapshot.added),
        removed=tuple(name for name in snapshot.removed if name in live),
        ranges=tuple(_ranges(positions, firsts, ends)),
        objects=() if places is None else places.objects,
        streams=streams_of(commits.store, snapshot.added).largest(),
        snapshot=snapshot.snapshot_id,
    )


def _ranges(
    positions: Positions, firsts: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]
) -> Iterator[SealedRange]:
    for (topic, partition), end in sorted(ends.items()):
        begin = 0 if topic in positions else firsts.get((topic, partition), 0)
        first = positions.get(topic, {}).get(partition, begin)
        if first < end:
            yield SealedRange(topic=topic, partition=partition, first=first, end=end)


def _register(commits: ArchiveCommits, begun: int) -> bool:
    """Bring the table to the seals; return False where it had to be made anew."""
    state = commits.state
    if state is None:
        return True
    seals = _sealed_since(commits, begun)
    if any(seal.kind is not SealKind.ADOPT for seal in seals):
        # The table lacks seals from before the snapshots: it cannot be brought to them in their order.
        rebuild(commits.table, state)
        return False
    for seal in seals:
        commits.table.register(seal)
    return True


def _refused(snapshot: ForeignSnapshot, reason: str) -> ArchiveStateError:
    message = f"what was written up to the snapshot {snapshot.snapshot_id} is not adopted: {reason}. {_REMEDY}"
    return ArchiveStateError(message)


def _file_of(commits: ArchiveCommits, name: str) -> SealedFile:
    with open_data_file(commits.store, name) as opened:
        rows = opened.rows
    digest = digest_of(commits.store, name)
    day = name.partition("/day=")[2].partition("/")[0]
    return SealedFile(name=name, sha256=digest.sha256, size=digest.size, rows=rows, day=day)


def _number(state: ArchiveState | None) -> int | None:
    return None if state is None else state.seal.number
