"""Defines checkpoints and findings as a verifier's state saves them; what a former version did not know is left out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.verify.verdicts import Finding, Verdict

_CHECKPOINT_FIELDS = frozenset(field.name for field in fields(Checkpoint))


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

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> SavedCheckpoint:
        """Return a checkpoint as it is saved; its interval was judged, so it is left out."""
        topic = getattr(checkpoint, "topic", None)
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
            topic=msgspec.UNSET if topic is None else topic,
        )

    def restored(self) -> Checkpoint:
        """Return the checkpoint."""
        values: dict[str, Any] = {
            name: value for name, value in msgspec.structs.asdict(self).items() if name in _CHECKPOINT_FIELDS
        }
        if values.get("topic") is msgspec.UNSET:
            del values["topic"]
        return Checkpoint(**values)


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
