"""Describes the checkpoint that covers a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.entry import Place
from telemetry.reader.trust import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """The first checkpoint that covers the event.

    Attributes:
        checkpoint: The checkpoint.
        place: Place of its record.
        believed: The keys that signed it and are believed, each with the reason; empty if there is none.
        refused: Trusted keys that signed it and may not, each with the reason.
        claimed: Labels of the keys that it says signed it.
    """

    checkpoint: Checkpoint
    place: Place
    believed: tuple[Judgement, ...]
    refused: tuple[Judgement, ...]
    claimed: str

    @property
    def signers(self) -> tuple[str, ...]:
        """Labels of the keys that are believed."""
        return tuple(judgement.signer for judgement in self.believed)

    def to_dict(self) -> dict[str, Any]:
        """Return the checkpoint as plain values."""
        return {
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "time": self.checkpoint.time,
            "final": self.checkpoint.final,
            "recovered": self.checkpoint.recovered,
            "via": self.checkpoint.via if self.believed else None,
            "topic": None if self.place.is_in_file else self.place.source,
            "partition": self.place.partition,
            "offset": self.place.offset if self.place.partition is not None else None,
            "fallback_object": self.place.name,
            "file": self.place.source if self.place.is_in_file else None,
            "trusted_signers": list(self.signers),
            "believed_because": [judgement.why for judgement in self.believed],
            "refused_because": [f"{judgement.signer}: {judgement.why}" for judgement in self.refused],
            "claimed_signers": self.claimed.split(", ") if self.claimed else [],
        }
