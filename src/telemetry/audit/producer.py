"""Keeps the Merkle tree over the records of one producer, and what of it is not signed yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from telemetry.audit.record import SealedRecord
from telemetry.audit.values import write_out
from telemetry.format.proof.key_span import MAX_WRITTEN_SPANS, KeySpan
from telemetry.format.proof.leaves import MAX_LEAVES
from telemetry.format.proof.merkle import HASH_BYTES, Frontier, leaf_hash
from telemetry.format.proof.relayed_runs import MAX_WRITTEN_RUNS, Run, clipped_runs
from telemetry.format.value.jwe import kid_in_header
from telemetry.format.value.message import MAX_SEQUENCE

_FEW = 16
"""Fewer leaves than this join the tree faster one by one."""


class TreeState(NamedTuple):
    """The tree over the first ``size`` records of a producer, and what the next checkpoint says beside it.

    Attributes:
        producer: The stream.
        size: Number of records.
        frontier: The tree, as O(log n) hashes.
        signed_size: Size of the last checkpoint, 0 before the first; None where it is not known.
        signed_frontier: The tree at that size.
        leaves: Leaf hashes of the records from ``leaves_from`` up to ``size``, packed.
        leaves_from: Sequence of the first of them; :meth:`ProducerTree.absorb` says which are there.
        keys: Data keys of the records from ``signed_size`` on; empty where they are in the clear.
        relayed: Those of these records that came from an outbox, in runs.
        signed_at: Time of the last checkpoint in microseconds since the epoch; 0 before the first.
    """

    producer: str
    size: int
    frontier: bytes
    signed_size: int | None = None
    signed_frontier: bytes = b""
    leaves: bytes = b""
    leaves_from: int = 0
    keys: tuple[KeySpan, ...] = ()
    signed_at: int = 0
    relayed: tuple[Run, ...] = ()

    @property
    def has_interval(self) -> bool:
        """Whether everything is there that a checkpoint says of the records since the last one."""
        start = self.signed_size
        return start is not None and start == self.leaves_from and len(self.leaves) == (self.size - start) * HASH_BYTES


class ProducerTree:
    """Hashes the records of one producer (RFC 6962), where checkpoints are signed.

    Records are hashed once a batch by the thread that takes them from the intake: the spool thread, or the sender where
    there is no spool. Hashing them in ``log()`` would make every caller wait for it. The leaf hashes since the last
    checkpoint are kept, 32 bytes each; the room of accepted events bounds them.

    Args:
        producer: UUIDv7 of the stream.
        hashed: Whether a tree is kept.
    """

    def __init__(self, producer: str, *, hashed: bool) -> None:
        self.producer = producer
        # The spool thread hashes while the sender signs; a shutdown may hash what a stuck disk left.
        self._lock = threading.Lock()
        self._frontier = Frontier() if hashed else None
        self._leaves = bytearray()
        # Each data key with the first record that it sealed; the JWE header of the last one recognizes its records.
        self._keys: list[tuple[str, int]] = []
        self._header = b""
        self._relayed: list[Run] = []
        self._signed_size = 0
        self._signed_frontier = Frontier().to_bytes()
        self._signed_at = 0
        # Where there is a spool: what it has passed on. None where everything may be signed at once.
        self._signable: TreeState | None = None

    def add(self, records: Sequence[SealedRecord]) -> None:
        """Hash records in the order of their numbers; skip those that are hashed already or of another producer."""
        frontier = self._frontier
        if frontier is None or not records:
            return
        write_out(records)
        with self._lock:
            following, fresh = frontier.size, []
            for record in records:
                if record.sequence == following and record.producer == self.producer:
                    fresh.append(leaf_hash(record.value))
                    # Records of one data key share the object.
                    if record.jwe_header is not self._header:
                        self._note_key(record.jwe_header, following)
                    if record.is_relayed:
                        self._note_relayed(following)
                    following += 1
            packed = b"".join(fresh)
            self._leaves += packed
            if len(fresh) < _FEW:
                frontier.extend(fresh)
            else:
                frontier.extend_packed(packed)

    def absorb(self, records: Sequence[SealedRecord], *, leaves_from: int | None = None) -> TreeState | None:
        """Hash records as :meth:`add` does, and return the tree.

        Args:
            records: The records.
            leaves_from: Return the leaf hashes from this record on, unless a checkpoint already covers it, and the data
                keys since that checkpoint; None for neither.

        Returns:
            The tree over all that was hashed, or None where none is kept.
        """
        self.add(records)
        with self._lock:
            return self._state(self._frontier, leaves_from) if self._frontier is not None else None

    def allow_signing(self, state: TreeState | None) -> None:
        """Let checkpoints cover the tree up to this state and no further; without any call, all that is hashed.

        A record is hashed before it is committed to the spool, together with the tree. If the process is killed in between,
        the record is nowhere, and a checkpoint that covers it would call it missing for ever.
        """
        if state is not None:
            self._signable = TreeState(state.producer, state.size, state.frontier)

    def sizes(self) -> tuple[int, int]:
        """Return how many records a checkpoint may cover now, and how many the last one covers."""
        with self._lock:
            hashed, signable = self._frontier, self._signable
            if signable is not None:
                return signable.size, self._signed_size
            return hashed.size if hashed is not None else 0, self._signed_size

    def state(self) -> TreeState | None:
        """Return the tree over all that was hashed, or None where none is kept."""
        return self.absorb(())

    def unsigned(self) -> TreeState | None:
        """Return the tree with all that the next checkpoint says of it, or None where none is kept."""
        signable = self._signable
        state = self.absorb((), leaves_from=0)
        if state is None or signable is None:
            return state
        start = state.leaves_from
        return state._replace(
            size=signable.size,
            frontier=signable.frontier,
            leaves=state.leaves[: (signable.size - start) * HASH_BYTES],
            keys=_clipped(state.keys, start, signable.size),
            relayed=tuple(clipped_runs(state.relayed, start, signable.size)),
        )

    def note_signed(self, state: TreeState, at: int) -> None:
        """Forget the leaf hashes and data keys that a checkpoint has.

        Args:
            state: What was signed.
            at: Time of the checkpoint in microseconds since the epoch.
        """
        with self._lock:
            del self._leaves[: (state.size - self._signed_size) * HASH_BYTES]
            self._signed_size, self._signed_frontier, self._signed_at = state.size, state.frontier, at
            # The last one stays: it may have sealed what comes next.
            while len(self._keys) > 1 and self._keys[1][1] <= state.size:
                del self._keys[0]
            self._relayed = list(clipped_runs(self._relayed, state.size, MAX_SEQUENCE))

    def _state(self, frontier: Frontier, leaves_from: int | None) -> TreeState:
        start = self._signed_size
        leaves, first, keys, relayed = b"", 0, tuple[KeySpan, ...](), tuple[Run, ...]()
        if leaves_from is not None:
            first = max(start, min(leaves_from, frontier.size))
            leaves, keys = bytes(self._leaves[(first - start) * HASH_BYTES :]), self._spans(frontier.size)
            relayed = tuple(clipped_runs(self._relayed, start, frontier.size))
        return TreeState(
            self.producer,
            frontier.size,
            frontier.to_bytes(),
            start,
            self._signed_frontier,
            leaves,
            first,
            keys,
            self._signed_at,
            relayed,
        )

    def _note_key(self, header: bytes, sequence: int) -> None:
        self._header = header
        # Where events are not encrypted there is no header, and no key to name.
        if header and (not self._keys or self._keys[-1][0] != kid_in_header(header)):
            self._keys.append((kid_in_header(header), sequence))

    def _note_relayed(self, sequence: int) -> None:
        runs = self._relayed
        if runs and runs[-1].last == sequence - 1:
            runs[-1] = Run(runs[-1].first, sequence)
        else:
            runs.append(Run(sequence, sequence))

    def _spans(self, size: int) -> tuple[KeySpan, ...]:
        if not self._keys:
            return ()
        ends = [*(first for _, first in self._keys[1:]), size]
        spans = [KeySpan(kid, first, end - 1) for (kid, first), end in zip(self._keys, ends, strict=True)]
        return _clipped(spans, self._signed_size, size)


def intervals(state: TreeState) -> Iterator[TreeState]:
    """Yield what each checkpoint has to sign, so that none has more leaves or data keys than its format carries.

    Args:
        state: The tree with all leaves since the last checkpoint.
    """
    start, keys, relayed = state.signed_size, state.keys, state.relayed
    if start is None or not state.has_interval:
        yield state
        return
    tree, first = Frontier.from_bytes(state.signed_frontier), start
    while (end := _end(start, keys, relayed, state.size)) < state.size:
        before, leaves = tree.to_bytes(), state.leaves[(start - first) * HASH_BYTES : (end - first) * HASH_BYTES]
        tree.extend_packed(leaves)
        yield state._replace(
            size=end,
            frontier=tree.to_bytes(),
            signed_size=start,
            signed_frontier=before,
            leaves=leaves,
            leaves_from=start,
            keys=_clipped(keys, start, end),
            relayed=tuple(clipped_runs(relayed, start, end)),
        )
        start, keys, relayed = end, _clipped(keys, end, state.size), tuple(clipped_runs(relayed, end, state.size))
    yield state._replace(
        signed_size=start,
        signed_frontier=tree.to_bytes(),
        leaves=state.leaves[(start - first) * HASH_BYTES :],
        leaves_from=start,
        keys=keys,
        relayed=relayed,
    )


def _end(start: int, keys: Sequence[KeySpan], relayed: Sequence[Run], size: int) -> int:
    """Return where an interval that begins at ``start`` has to end."""
    end = min(start + MAX_LEAVES, size)
    if len(keys) > MAX_WRITTEN_SPANS:
        end = min(end, keys[MAX_WRITTEN_SPANS].first)
    return min(end, relayed[MAX_WRITTEN_RUNS].first) if len(relayed) > MAX_WRITTEN_RUNS else end


def _clipped(spans: Sequence[KeySpan], start: int, end: int) -> tuple[KeySpan, ...]:
    """Return the parts of the spans that are in an interval."""
    return tuple(
        KeySpan(span.kid, max(span.first, start), min(span.last, end - 1))
        for span in spans
        if max(span.first, start) <= min(span.last, end - 1)
    )
