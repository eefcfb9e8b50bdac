"""Defines the parts of a verifier's state as they are saved; what a former version did not know is left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from telemetry.exceptions import FormatError
from telemetry.format.proof.checkpoint import Checkpoint, parse_text, render_text
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.verify.tree.parked import ParkedInterval
from telemetry.reader.verify.tree.signed_leaves import SignedInterval
from telemetry.reader.verify.unproven.suspicions import Suspicion
from telemetry.reader.verify.verdicts import Finding, Verdict


class SavedCheckpoint(msgspec.Struct, kw_only=True):
    """A checkpoint that a trusted key signed; the names of the members are those of the file."""

    source: str
    producer: str
    size: int
    root: bytes
    time: str
    final: bool
    recovered: bool
    frontier: tuple[bytes, ...] | None
    extensions: tuple[str, ...]
    topic: str | msgspec.UnsetType = msgspec.UNSET
    via: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> SavedCheckpoint:
        """Return a checkpoint as it is saved; its interval was judged, so it is left out."""
        return cls(
            source=checkpoint.source,
            producer=checkpoint.producer,
            size=checkpoint.size,
            root=checkpoint.root,
            time=checkpoint.time,
            final=checkpoint.final,
            recovered=checkpoint.recovered,
            frontier=checkpoint.frontier,
            extensions=checkpoint.extensions,
            topic=msgspec.UNSET if checkpoint.topic is None else checkpoint.topic,
            via=msgspec.UNSET if checkpoint.via is None else checkpoint.via,
        )

    def restored(self) -> Checkpoint:
        """Return the checkpoint.

        Raises:
            FormatError: No key can have signed such a checkpoint.
            TamperedError: Its frontier does not lead to its root.
        """
        saved = msgspec.structs.asdict(self)
        values: dict[str, Any] = {name: None if value is msgspec.UNSET else value for name, value in saved.items()}
        checkpoint = Checkpoint(**values)
        # What a trusted key has signed was read from a text, and can be written as one.
        if parse_text(render_text(checkpoint)) != checkpoint:
            message = "the verifier's state has a checkpoint that its format cannot carry"
            raise FormatError(message)
        return checkpoint


class SavedFinding(msgspec.Struct, kw_only=True):
    """A finding that does not depend on what is read later; the names of the members are those of the file."""

    verdict: Verdict
    reason: str
    first: int | None
    last: int | None
    place: str
    field: str
    exact: bool
    leaf: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, finding: Finding) -> SavedFinding:
        """Return a finding as it is saved."""
        return cls(
            verdict=finding.verdict,
            reason=finding.reason,
            first=finding.first,
            last=finding.last,
            place=finding.place,
            field=finding.field,
            exact=finding.exact,
            leaf=finding.leaf or msgspec.UNSET,
        )

    def restored(self) -> Finding:
        """Return the finding."""
        leaf = "" if self.leaf is msgspec.UNSET else self.leaf
        return Finding(
            self.verdict, self.reason, self.first, self.last, self.place, self.field, exact=self.exact, leaf=leaf
        )


class ParkedState(msgspec.Struct, kw_only=True):
    """An interval that was not proven; the names of the members are those of the file."""

    start: int
    end: int
    checkpoint: SavedCheckpoint
    need: int
    held_from: int
    tree: bytes | None
    refuted: bool

    @classmethod
    def of(cls, interval: ParkedInterval) -> ParkedState:
        """Return an interval as it is saved."""
        return cls(
            start=interval.start,
            end=interval.end,
            checkpoint=SavedCheckpoint.of(interval.checkpoint),
            need=interval.absent,
            held_from=interval.held_from,
            tree=interval.tree.to_bytes() if interval.tree is not None else None,
            refuted=interval.refuted,
        )

    def restored(self) -> ParkedInterval:
        """Return the interval.

        Raises:
            FormatError: It contradicts itself.
            TamperedError: The frontier of its checkpoint does not lead to the root.
        """
        tree = Frontier.from_bytes(self.tree) if self.tree is not None else None
        is_sound = 0 <= self.start <= self.held_from <= self.end == self.checkpoint.size and self.need >= 0
        if not is_sound or (tree is not None and tree.size != self.held_from):
            message = "the verifier's state has an interval that contradicts itself"
            raise FormatError(message)
        return ParkedInterval(
            start=self.start,
            end=self.end,
            checkpoint=self.checkpoint.restored(),
            absent=self.need,
            held_from=self.held_from,
            tree=tree,
            refuted=self.refuted,
        )


class SignedState(msgspec.Struct, kw_only=True):
    """An interval whose leaf hashes are signed, with a gap; the names of the members are those of the file.

    Attributes:
        proven: A bit for each record that was read as it was signed, least significant first, in bytes.
        seen: A bit for each record of which any copy was read.
    """

    start: int
    leaves: bytes
    signed_at: str
    proven: bytes
    seen: bytes

    @classmethod
    def of(cls, interval: SignedInterval) -> SignedState:
        """Return an interval as it is saved."""
        length = interval.end - interval.start + 7 >> 3
        return cls(
            start=interval.start,
            leaves=interval.leaves,
            signed_at=interval.signed_at,
            proven=interval.proven.to_bytes(length, "little"),
            seen=interval.seen.to_bytes(length, "little"),
        )

    def restored(self) -> SignedInterval:
        """Return the interval.

        Raises:
            FormatError: It has no time or no leaf hashes.
        """
        if not _is_moment(self.signed_at) or self.start < 0 or not self.leaves or len(self.leaves) % HASH_BYTES:
            message = "the verifier's state has a signed interval that is malformed"
            raise FormatError(message)
        mask = (1 << len(self.leaves) // HASH_BYTES) - 1
        proven, seen = int.from_bytes(self.proven, "little") & mask, int.from_bytes(self.seen, "little") & mask
        return SignedInterval(self.start, self.leaves, self.signed_at, proven, seen | proven)


class SavedSuspicion(msgspec.Struct, kw_only=True):
    """What may be wrong with records that are not signed yet; the names of the members are those of the file."""

    finding: SavedFinding
    sequences: tuple[int, ...]
    needs_proof: bool

    @classmethod
    def of(cls, suspicion: Suspicion) -> SavedSuspicion:
        """Return a suspicion as it is saved."""
        return cls(
            finding=SavedFinding.of(suspicion.finding),
            sequences=suspicion.sequences,
            needs_proof=suspicion.needs_proof,
        )

    def restored(self) -> Suspicion:
        """Return the suspicion."""
        return Suspicion(self.finding.restored(), self.sequences, self.needs_proof)


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
