"""Describes what is left of an event whose value was removed on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from telemetry.exceptions import VerificationError
from telemetry.reader.entry import RedactedEvent
from telemetry.reader.prove.covering import Covering


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactedLineage:
    """What is known of an event whose value was removed on request.

    Attributes:
        event: What is left of it, as the archive has it; its id is not signed.
        covering: The checkpoint that covers it; None while there is none.
        problem: Why its leaf hash is not proven; None if it is, or if no public key was given.
        is_proven: Whether a trusted key signed its leaf hash.
    """

    event: RedactedEvent
    covering: Covering | None
    problem: VerificationError | None
    is_proven: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        event = self.event
        return {
            **{name: getattr(event, name) for name in ("source", "producer", "sequence", "reason", "request")},
            "leaf": event.leaf.hex(),
            "place": str(event.place),
            "checkpoint": self.covering.to_dict() if self.covering else None,
            "proven": self.is_proven,
            "problem": str(self.problem) if self.problem else None,
        }
