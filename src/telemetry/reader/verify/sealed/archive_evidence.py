"""Defines what a report says of the archive that was verified."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEvidence:
    """The archive that was verified, and how.

    Attributes:
        name: The archive, as messages name it.
        seal: Number of its last seal.
        sealed_at: Time of that seal, RFC 3339.
        is_judged: Whether its seals were judged; if not, no key with the role ``archiver`` is trusted.
        files: Data files that were read.
        rows: Their rows, by the seals.
        redacted: Events whose values were removed on request.
        ended: Events that were removed when their retention ended.
        jobs: Processes that verified.
        is_leaves_only: The leaf hashes were verified as they are in the archive: no value was hashed again, and nothing is
            known of Kafka keys, order and dates.
        notes: What is worth knowing of the seals and no finding.
    """

    name: str
    seal: int
    sealed_at: str
    is_judged: bool
    files: int
    rows: int
    redacted: int = 0
    ended: int = 0
    jobs: int = 1
    is_leaves_only: bool = False
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"notes": list(self.notes)}
