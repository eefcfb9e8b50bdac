"""Recognizes records that were delivered more than once."""

from __future__ import annotations

from telemetry.reader.seen_sequences import SeenSequences


class Duplicates:
    """Recognizes duplicates by producer and sequence, exactly and in any order of the records."""

    def __init__(self) -> None:
        self._producers: dict[str, SeenSequences] = {}

    def add(self, producer: str, sequence: int) -> bool:
        """Remember an event; return False if it was seen before."""
        seen = self._producers.get(producer)
        if seen is None:
            seen = self._producers[producer] = SeenSequences()
        return seen.add(sequence)
