"""Says what counts are worth: how many of the events that were counted nothing proves, and how many were not sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.explorer.index.found import Counts
from telemetry.explorer.site.asked.asking import Asked
from telemetry.pages.marks import FOREIGN, NOT_SEALED, Mark, proof_mark
from telemetry.reader.entry import Proven

_DOUBTFUL = (Proven.NO, Proven.PENDING, Proven.NOT_JUDGED)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Some of the events that were counted.

    Attributes:
        mark: What is to be known of them.
        count: How many there are.
        url: Address of the search that finds them alone; empty where there is none, or where they are all that is asked for.
    """

    mark: Mark
    count: int
    url: str = ""


def doubts(counts: Counts, asked: Asked) -> list[Doubt]:
    """Return what is to be known of counts; nothing where every event is proven and was sealed.

    Args:
        counts: The counts.
        asked: The search that was counted.
    """
    return list(_doubts(counts, asked))


def _doubts(counts: Counts, asked: Asked) -> Iterator[Doubt]:
    for verdict in _DOUBTFUL:
        if count := counts.verdicts.get(verdict, 0):
            is_asked = asked.values.get("proven") == (verdict.value,)
            yield Doubt(proof_mark(verdict), count, "" if is_asked else asked.narrowed("proven", verdict.value))
    if counts.clear:
        yield Doubt(NOT_SEALED, counts.clear)
    if counts.foreign:
        yield Doubt(FOREIGN, counts.foreign)
