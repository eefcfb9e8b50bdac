"""Says what an archive has and how far it is behind its topic, from the last seal and a look at the topic."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.archive.writing.topic_view import Lag, TopicView
from telemetry.exceptions import ArchiveStateError
from telemetry.format.archive.succession import ArchiveState
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore, StoredSeal

_RECENT_SEALS = 1_000
"""Seals that are looked at for gaps: an archive of years has hundreds of thousands, and `verify` judges all."""
_ALARM = 0.5
"""Share of the topic's retention after which the lag is an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """What the seals say.

    Attributes:
        archive: Id of the archive.
        number: Number of the last seal.
        digest: SHA-256 of it, in hexadecimal; for `verify --expect-seal`.
        kind: Its kind.
        time: When it was signed.
        rows: Rows of the live files.
        records: Rows that were ever archived as places.
        files: Live files.
        size: Their bytes.
        lost: Offsets that recent seals name as lost.
        first_looked_at: Number of the first seal that was looked at for that.
    """

    archive: str
    number: int
    digest: str
    kind: str
    time: str
    rows: int
    records: int
    files: int
    size: int
    lost: int
    first_looked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLag:
    """How far the archive is behind the topic.

    Attributes:
        topic: The topic.
        partitions: What of each partition is not archived.
        retention_seconds: How long the topic keeps records; None for ever, or where it is not known.
    """

    topic: str
    partitions: tuple[Lag, ...]
    retention_seconds: float | None

    @property
    def records(self) -> int:
        """Offsets that the topic has and the archive has not."""
        return sum(lag.records for lag in self.partitions)

    @property
    def lost(self) -> int:
        """Offsets that the topic has no more and that were not archived; the next commit seals them as a gap."""
        return sum(lag.lost for lag in self.partitions)

    @property
    def seconds(self) -> float:
        """Age of the oldest record that is not archived."""
        return max((lag.seconds or 0.0 for lag in self.partitions), default=0.0)

    @property
    def is_alarming(self) -> bool:
        """Whether half of the topic's retention is over for a record that is not archived."""
        return self.retention_seconds is not None and self.seconds > _ALARM * self.retention_seconds


def sealed_content(seals: SealStore) -> tuple[ArchiveState, SealedContent]:
    """Return the state of an archive, and what its seals say; who signed them is not verified.

    Raises:
        ArchiveStateError: There is no seal.
        TamperedError: A seal is absent.
        StorageError: The store refused or did not answer.
    """
    state = fold(seals)
    if state is None:
        message = "there is no seal: nothing was archived here yet, or it is another place; run `telemetry archive`"
        raise ArchiveStateError(message)
    seal, files = state.seal, state.live.files()
    first = max(seal.number + 1 - _RECENT_SEALS, 0)
    return state, SealedContent(
        archive=seal.archive,
        number=seal.number,
        digest=state.digest,
        kind=seal.kind,
        time=seal.time,
        rows=seal.rows,
        records=seal.records,
        files=len(files),
        size=sum(file.size for file in files),
        lost=_lost(seals, first, seal.number + 1),
        first_looked_at=first,
    )


def topic_lag(view: TopicView, state: ArchiveState) -> TopicLag:
    """Return how far an archive is behind a topic.

    Raises:
        TransportError: Kafka cannot be reached, or refuses.
    """
    bounds = view.bounds()
    known = state.seal.positions.get(view.topic)
    # Of a topic that it has nothing of, an archive begins wherever the topic begins.
    positions = {partition: first for partition, (first, _) in bounds.items()} if known is None else known
    return TopicLag(
        topic=view.topic,
        partitions=tuple(view.lag(positions, bounds)),
        retention_seconds=view.retention_seconds(),
    )


def _lost(seals: SealStore, first: int, end: int) -> int:
    read = (stored for stored in seals.walk(first, end) if isinstance(stored, StoredSeal))
    return sum(gap.end - gap.first for stored in read for gap in stored.seal.gaps)
