"""Encodes the leaf hashes of a checkpoint's interval, which travel beside the signed note in its record.

Nothing signs them: they are believed because the tree before the interval and these leaves make the signed root. So one
checkpoint proves each record of its interval by itself, also where other records are lost, altered or in several copies.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier, split_hashes

LEAVES_HEADER = "telemetry-leaves"
"""Kafka header of a checkpoint's record."""
MAX_LEAVES = 1_024
"""Leaves of one interval; a longer one makes several checkpoints."""

_VERSION = 1
_SIZE_BYTES = 8
_FIXED_BYTES = 1 + _SIZE_BYTES
_MAX_BYTES = _FIXED_BYTES + (64 + MAX_LEAVES) * HASH_BYTES
_MAX_TEXT = 4 * (_MAX_BYTES // 3 + 1)


@dataclass(frozen=True, slots=True)
class IntervalLeaves:
    """The leaf hashes of an interval, and the tree before it.

    Attributes:
        start: Sequence of the first record of the interval.
        frontier: Roots of the complete subtrees of the records before, largest first.
        leaves: The leaf hashes, packed one after the other.
    """

    start: int
    frontier: tuple[bytes, ...]
    leaves: bytes

    def __repr__(self) -> str:
        return f"IntervalLeaves(start={self.start}, end={self.end})"

    @property
    def end(self) -> int:
        """Sequence of the first record after the interval."""
        return self.start + len(self.leaves) // HASH_BYTES

    def tree(self) -> Frontier:
        """Return the tree of the records before the interval; it can be extended.

        Raises:
            FormatError: The frontier is not one of so many records.
        """
        return Frontier(self.start, self.frontier)

    def leaf(self, sequence: int) -> bytes:
        """Return the leaf hash of a record.

        Raises:
            IndexError: The record is not in the interval.
        """
        if not self.start <= sequence < self.end:
            message = f"record {sequence} is not in the interval from {self.start} up to {self.end}"
            raise IndexError(message)
        first = (sequence - self.start) * HASH_BYTES
        return self.leaves[first : first + HASH_BYTES]

    def encode(self) -> bytes:
        """Return the content of the header.

        Raises:
            FormatError: The format cannot carry the interval.
        """
        tree = self.tree()
        if not 0 < len(self.leaves) <= MAX_LEAVES * HASH_BYTES or len(self.leaves) % HASH_BYTES:
            message = f"an interval has 1 to {MAX_LEAVES} leaf hashes of {HASH_BYTES} bytes"
            raise FormatError(message)
        return b"%c%b%b" % (_VERSION, tree.to_bytes(), self.leaves)

    @classmethod
    def decode(cls, data: bytes, checkpoint: Checkpoint) -> IntervalLeaves:
        """Return the leaves that a checkpoint proves.

        1. They are in the form of this version, and of the interval that the checkpoint names.
        2. The tree before it, extended by the leaves, has the checkpoint's root.

        Args:
            data: Content of the header.
            checkpoint: The checkpoint of the same record, whose signature was verified.

        Raises:
            FormatError: Step 1 fails.
            TamperedError: Step 2 fails.
        """
        # 1. The length follows from the interval, so nothing is computed for a header of any other length.
        start, count = _bounds(checkpoint)
        first = _FIXED_BYTES + start.bit_count() * HASH_BYTES
        if len(data) > _MAX_BYTES or data[:1] != b"%c" % _VERSION or len(data) != first + count * HASH_BYTES:
            message = "the leaves beside the checkpoint are not in the form this format prescribes"
            raise FormatError(message)
        if int.from_bytes(data[1:_FIXED_BYTES], "big") != start:
            message = "the leaves beside the checkpoint are of another interval"
            raise FormatError(message)
        found = cls(start, tuple(split_hashes(data[_FIXED_BYTES:first])), bytes(data[first:]))
        # 2.
        tree = found.tree()
        tree.extend_packed(found.leaves)
        if not hmac.compare_digest(tree.root(), checkpoint.root):
            message = "the leaves beside the checkpoint do not lead to its root hash"
            raise TamperedError(message)
        return found


def as_text(leaves: bytes) -> tuple[tuple[str, str], ...]:
    """Return the header as a stored record has it, among its Kafka headers: in base64; none where there are no leaves."""
    return ((LEAVES_HEADER, canonical_base64.encode(leaves)),) if leaves else ()


def from_text(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the content of the leaves header of a stored record; empty where it has none, or one that cannot be read."""
    # A header is input from outside that nothing protects: what is malformed is as good as none.
    for name, text in headers:
        if name == LEAVES_HEADER and len(text) <= _MAX_TEXT:
            return canonical_base64.decode(text) or b""
    return b""


def _bounds(checkpoint: Checkpoint) -> tuple[int, int]:
    """Return the first record of a checkpoint's interval and their number."""
    start = checkpoint.interval
    if start is None or not 0 < checkpoint.size - start <= MAX_LEAVES:
        message = "the checkpoint has no interval that leaves can be beside"
        raise FormatError(message)
    return start, checkpoint.size - start
