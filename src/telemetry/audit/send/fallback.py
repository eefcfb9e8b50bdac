"""Defines the place for records that Kafka does not accept, and the listeners of a change of direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError


class Fallback(Protocol):
    """Keeps records in order while Kafka does not accept them; the sender calls all of it."""

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Accept records, in order."""

    def reject(self, records: Sequence[SealedRecord], error: TransportError) -> None:
        """Accept records that Kafka will never accept, while others go to Kafka: they are stored, or they fail."""

    def take_back(self) -> list[SealedRecord] | None:
        """Return the records that are in memory, in order; None while stored ones must be replayed before them."""

    def flush(self, timeout: float) -> bool:
        """Bring everything to safety; return whether nothing is left in memory."""

    def close(self) -> list[SealedRecord]:
        """End the threads; return the records that are not safe."""

    def __len__(self) -> int:
        """How many records are in memory."""


class DirectionListener(Protocol):
    """Is notified, in the sender, each time that its direction changes."""

    def fallback_entered(self, reason: str) -> None:
        """Records go to the fallback from now on."""

    def fallback_left(self) -> None:
        """Records go to Kafka again from now on."""
