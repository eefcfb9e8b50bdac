"""Says what is wrong with records that claim numbers of a stream and name another source than it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.unproven.waiting import WaitingRecord
from telemetry.reader.verify.verdicts import Finding, Verdict


def rivals_of_signed(rivals: Iterable[WaitingRecord], tree: StreamTree) -> Iterator[Finding]:
    """Yield the records that claim a number which a trusted key has signed; anyone can write others.

    Args:
        rivals: Records of the stream's producer that name another source, for which no trusted key has signed.
        tree: The stream's tree.
    """
    for record in rivals:
        if record.sequence < tree.signed.size:
            yield _finding(record, _why(record, tree))


def rivals_of_most(rivals: Iterable[WaitingRecord]) -> Iterator[Finding]:
    """Yield the records that differ from most others of their producer, where no key was given to tell them apart."""
    for record in rivals:
        yield _finding(record, "differs from the source of most records of its producer")


def _why(record: WaitingRecord, tree: StreamTree) -> str:
    interval = tree.judge.partial.at(record.sequence)
    if interval is not None and interval.leaf(record.sequence) == record.leaf:
        # What one service signs proves no record of another.
        return "is what was signed, but names another source than the checkpoint that covers it"
    if tree.is_proven(record.sequence):
        return "names another source than its producer, and is not the record that was signed; another copy is"
    return "names another source than its producer, and the record that was signed was not found"


def _finding(record: WaitingRecord, reason: str) -> Finding:
    place = "" if record.place is None else str(record.place)
    return Finding(Verdict.TAMPERED, reason, record.sequence, record.sequence, place, "source", leaf=record.leaf.hex())
