"""Draws the events of a sample so that anyone can draw the same ones again (docs/evidence.md)."""

from __future__ import annotations

import hashlib
import heapq
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from telemetry.evidence.pack.manifest import MAX_EVENTS
from telemetry.exceptions import ConfigurationError, Problem

METHOD = "telemetry-evidence-sample/1"

_SEED_BYTES = 32
_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How many events are drawn, and the seed that decides which.

    Attributes:
        size: 1 to 1,000 events; a population with fewer is in the sample whole.
        seed: 32 bytes as 64 hexadecimal digits.

    Raises:
        ConfigurationError: The size or the seed is not one.
    """

    size: int
    seed: str

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.size <= MAX_EVENTS:
            problems.append(Problem("sample", f"is not 1 to {MAX_EVENTS:,} events", "draw fewer"))
        if len(self.seed) != 2 * _SEED_BYTES or not _DIGITS.issuperset(self.seed):
            problems.append(Problem("seed", "is not 64 hexadecimal digits in lower case", "leave it out for a new one"))
        if problems:
            raise ConfigurationError(*problems)

    @classmethod
    def fresh(cls, size: int) -> Self:
        """Return a sample with a new seed from the system's random numbers.

        Raises:
            ConfigurationError: The size is not one.
        """
        return cls(size=size, seed=secrets.token_hex(_SEED_BYTES))

    def rank(self, event_id: str) -> bytes:
        """Return the place of an event in the order of this seed: SHA-256(method, newline, seed, id).

        For a seed that was chosen without looking at the ids, the order is uniform: SHA-256 is modelled as a random oracle,
        and the first N of a random order are a simple random sample without replacement (W. G. Cochran, Sampling
        Techniques, section 2.1).
        """
        return hashlib.sha256(f"{METHOD}\n".encode() + bytes.fromhex(self.seed) + event_id.encode()).digest()


def sample_ids(event_ids: Iterable[str], sample: Sample) -> list[str]:
    """Return the events of a sample, in ascending order of their ids: those with the lowest ranks.

    Args:
        event_ids: Ids of the population, in any order; copies count once.
        sample: Size and seed.
    """
    return sorted(heapq.nsmallest(sample.size, set(event_ids), key=sample.rank))
