"""Checks that each trusted stream only grows: every checkpoint must extend what the witness saw of its stream before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from telemetry.exceptions import FormatError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.roster.entries import StreamEntry, parse_entry
from telemetry.reader.entry import Place

MAX_FAULTS = 20
"""Faults of one round that are named; one is enough to refuse."""


class KnownStreams(Protocol):
    """What the witness saw in earlier rounds."""

    def stream(self, producer: str, *, source: str) -> StreamEntry | None:
        """Return the last leaf about a stream; None for a new one."""

    def root(self, producer: str, *, source: str, size: int) -> bytes | None:
        """Return the root that was signed for a size of a stream; None if none was seen."""


class Growth:
    """The growth of the streams in one round.

    A stream is a producer under one source: what a key signs for one service says nothing about another's, although a
    producer id is in the clear and any service may write it.

    Only streams with new checkpoints are looked up and kept, so the work is proportional to what changed.

    Args:
        known: What earlier rounds saw.
        topic: Topic that is read.

    Attributes:
        faults: Streams that did not only grow.
        unrecorded: Checkpoints that the format of the rosters cannot carry.
    """

    def __init__(self, known: KnownStreams, *, topic: str) -> None:
        self._known = known
        self._topic = topic
        self.faults: list[str] = []
        self.unrecorded = 0
        # Streams are named by producer and source.
        self._before: dict[tuple[str, str], StreamEntry | None] = {}
        self._now: dict[tuple[str, str], StreamEntry] = {}
        self._roots: dict[tuple[str, str, int], bytes] = {}

    def add(self, checkpoint: Checkpoint, leaves: IntervalLeaves | None, *, signer: str, place: Place) -> None:
        """Add a checkpoint that a trusted key signed.

        1. No other root was signed for its size, nor for the size at which its interval begins.
        2. If the stream grew, its interval leads from the tree that is known to the new one. Without leaves (version 1), or
           after a checkpoint that is absent, nothing proves that: the stream is recorded as unchained.

        Args:
            checkpoint: The checkpoint.
            leaves: Leaf hashes of its interval, which its root proves.
            signer: Id of the key, 8 hexadecimal digits.
            place: Place of its record.
        """
        producer, source, size = checkpoint.producer, checkpoint.source, checkpoint.size
        latest = self._latest(producer, source)
        # 1.
        roots = [(size, checkpoint.root)]
        if leaves is not None:
            roots.append((leaves.start, leaves.tree().root()))
        for at, root in roots:
            if (self._root(producer, source, at) or root) != root:
                self._fault(f"two roots were signed for {at} records of {producer} ({source}), at {place}")
                return
        # 2.
        is_chained = True
        if latest is not None and size > latest.size:
            extends = _extends(latest, leaves)
            if extends is False:
                self._fault(
                    f"{size} records of {producer} ({source}) do not extend the {latest.size} that were seen, at {place}"
                )
                return
            is_chained = bool(extends)
        self._roots.update({(producer, source, at): root for at, root in roots})
        self._keep(checkpoint, latest, is_chained=is_chained, signer=signer, place=place)

    def changed(self) -> Iterator[StreamEntry]:
        """Yield the new leaf of each stream that grew, ended or is new."""
        for stream, entry in self._now.items():
            before = self._before[stream]
            if before is None or (entry.size, entry.is_closed) != (before.size, before.is_closed):
                yield entry

    def roots(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield the roots that were signed, with their producers, sources and sizes."""
        for (producer, source, size), root in self._roots.items():
            yield producer, source, size, root

    def _latest(self, producer: str, source: str) -> StreamEntry | None:
        stream = producer, source
        if stream not in self._before:
            self._before[stream] = self._known.stream(producer, source=source)
        return self._now.get(stream) or self._before[stream]

    def _root(self, producer: str, source: str, size: int) -> bytes | None:
        return self._roots.get((producer, source, size)) or self._known.root(producer, source=source, size=size)

    def _keep(
        self, checkpoint: Checkpoint, latest: StreamEntry | None, *, is_chained: bool, signer: str, place: Place
    ) -> None:
        stream = checkpoint.producer, checkpoint.source
        if latest is not None and checkpoint.size < latest.size:
            # Delivered late, or once more: nothing new, but its root is remembered.
            self._now.setdefault(stream, latest)
            return
        before, is_new_size = self._before[stream], latest is None or checkpoint.size > latest.size
        # One link that nothing proves breaks the chain of the whole round.
        broken = latest is not None and latest is not before and not latest.is_chained
        entry = StreamEntry(
            producer=checkpoint.producer,
            size=checkpoint.size,
            root=checkpoint.root,
            is_closed=checkpoint.is_closing or (latest is not None and not is_new_size and latest.is_closed),
            is_chained=is_chained and not broken,
            signer=signer,
            topic=self._topic,
            partition=place.partition or 0,
            offset=place.offset,
            source=checkpoint.source,
        )
        try:
            if parse_entry(str(entry)) != entry:
                self.unrecorded += 1
                return
        except FormatError:
            self.unrecorded += 1
            return
        # A heartbeat signs the same size again: the first place counts, unless the stream ends there.
        if latest is None or is_new_size or entry.is_closed != latest.is_closed:
            self._now[stream] = entry
        else:
            self._now.setdefault(stream, latest)

    def _fault(self, reason: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(reason)


def _extends(latest: StreamEntry, leaves: IntervalLeaves | None) -> bool | None:
    """Return whether an interval extends a tree that is known; None where it does not say so."""
    if leaves is None or leaves.start > latest.size:
        return None
    tree = leaves.tree()
    tree.extend_packed(leaves.leaves[: (latest.size - leaves.start) * HASH_BYTES])
    return tree.root() == latest.root
