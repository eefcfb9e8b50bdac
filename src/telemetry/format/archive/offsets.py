"""Follows the positions of an archive in its topics: ranges and gaps must continue them without a hole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from telemetry.format.archive.seal import OffsetGap, Positions, Seal, SealedRange


class Continued(NamedTuple):
    """Positions after a commit.

    Attributes:
        positions: Next offset of each partition.
        problems: Why the offsets do not continue the positions before; empty if they do.
    """

    positions: Positions
    problems: tuple[str, ...]


def continued(before: Positions, parts: Iterable[SealedRange | OffsetGap], starts: Positions) -> Continued:
    """Return the positions after some offsets, and where these do not continue the positions before.

    1. The first offset of a partition is the next one; each further range or gap begins where the one before ends.
    2. With its first commit of a topic, an archive may begin at any offset. A partition that comes later begins at 0: it was
       created then, and what retention removed meanwhile is a gap.

    Args:
        before: Next offset of each partition.
        parts: Ranges that are archived, and gaps, in any order.
        starts: Next offsets of further partitions, of which nothing is archived yet.
    """
    positions = {topic: dict(partitions) for topic, partitions in before.items()}
    problems: list[str] = []
    for part in sorted(parts, key=lambda part: (part.topic, part.partition, part.first)):
        partitions = positions.setdefault(part.topic, {})
        # 2.
        first = part.first if part.topic not in before else 0
        # 1.
        expected = partitions.get(part.partition, first)
        if part.first != expected:
            problems.append(_wrong_first(part, expected))
        partitions[part.partition] = part.end
    problems += _started(before, positions, starts)
    ordered = {topic: dict(sorted(partitions.items())) for topic, partitions in sorted(positions.items()) if partitions}
    return Continued(ordered, tuple(problems))


def differences(expected: Positions, found: Positions) -> Iterator[str]:
    """Yield where positions are not the expected ones."""
    for topic, partition in sorted(_places(expected) | _places(found)):
        wanted, got = (each.get(topic, {}).get(partition) for each in (expected, found))
        if wanted != got:
            yield f"its position in {topic}[{partition}] is {_shown(got)}, and {_shown(wanted)} follows from its offsets"


def beginnings(seal: Seal) -> Iterator[tuple[str, int]]:
    """Yield where the first seal of an archive begins after offset 0: the partition as text, and the offset."""
    first: dict[tuple[str, int], int] = {}
    parts: list[SealedRange | OffsetGap] = [*seal.ranges, *seal.gaps]
    for part in parts:
        place = part.topic, part.partition
        first[place] = min(part.first, first.get(place, part.first))
    for topic, partitions in seal.positions.items():
        for partition, offset in partitions.items():
            begins = first.get((topic, partition), offset)
            if begins:
                yield f"{topic}[{partition}]", begins


def _started(before: Positions, positions: Positions, starts: Positions) -> Iterator[str]:
    for topic, partitions in starts.items():
        for partition, offset in partitions.items():
            known = positions.setdefault(topic, {})
            if partition in known:
                continue
            if topic in before and offset:
                yield f"{topic}[{partition}] begins at offset {offset}, without a gap for those before it"
            known[partition] = offset


def _wrong_first(part: SealedRange | OffsetGap, expected: int) -> str:
    place = f"{part.topic}[{part.partition}]"
    if part.first > expected:
        return f"the offsets {expected} to {part.first - 1} of {place} are skipped"
    return f"the offsets of {place} go back from {expected} to {part.first}"


def _places(positions: Positions) -> set[tuple[str, int]]:
    return {(topic, partition) for topic, partitions in positions.items() for partition in partitions}


def _shown(offset: int | None) -> str:
    return "none" if offset is None else str(offset)
