"""Reads what is new on a topic, and checks that what was read before is still what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from telemetry.config import AuditConfig
from telemetry.reader.entry import DamagedRecord, RawRecord
from telemetry.reader.sources import KafkaSource, ReadRange
from telemetry.witness.state import Position


class WitnessedTopic:
    """The new part of a topic in one round.

    The last record of each partition is read once more: a topic that was exchanged for another of the same length differs
    in it.

    Args:
        audit: How to reach Kafka, and the topic.
        known: How far each partition was read.

    Attributes:
        faults: What is not as it was.
        positions: How far each partition was read now; known after reading.
    """

    def __init__(self, audit: AuditConfig, known: Mapping[int, Position]) -> None:
        self._audit = audit
        self._known = known
        self.faults: list[str] = []
        self.positions: dict[int, Position] = {}
        self._last: dict[int, RawRecord] = {}

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield the records that are new.

        Raises:
            TransportError: Kafka cannot be reached, or refuses.
        """
        # A source that begins elsewhere does not say where the topic begins.
        with KafkaSource(self._audit) as whole:
            whole.locate()
            bounds = dict(whole.bounds)
        self._require_ends(bounds)
        if self.faults:
            return
        starts = {partition: self._start(position) for partition, position in self._known.items()}
        with KafkaSource(self._audit, within=ReadRange(starts=starts)) as source:
            for record in source:
                if not isinstance(record, DamagedRecord) and not self._is_known(record):
                    yield record
            ends = {partition: end for partition, (_, end) in source.bounds.items()}
        self._check_last(bounds)
        self.positions = {
            partition: self._position(partition, low=bounds.get(partition, (0, 0))[0], end=end)
            for partition, end in ends.items()
        }

    def _start(self, position: Position) -> int:
        # After a rebuild no record is known: what the rosters say is compared with the whole topic.
        return max(position.last, 0)

    def _is_known(self, record: RawRecord) -> bool:
        """Return whether a record was read in an earlier round; remember it if it is the last one."""
        partition = record.place.partition
        if partition is None:
            return False
        known = self._known.get(partition)
        self._last[partition] = record
        if known is None or known.last < 0 or record.place.offset > known.last:
            return False
        if record.place.offset == known.last and _digest(record) != known.digest:
            self.faults.append(f"the record at {record.place} is not the one that was there: the topic was rewritten")
        return True

    def _require_ends(self, bounds: Mapping[int, tuple[int, int]]) -> None:
        topic = self._audit.kafka_topic
        for partition, position in self._known.items():
            end = bounds.get(partition, (0, 0))[1]
            if end < position.next:
                self.faults.append(
                    f"{topic}[{partition}] was read up to offset {position.next} and ends at {end}: it was cut or "
                    "created again"
                )

    def _check_last(self, bounds: Mapping[int, tuple[int, int]]) -> None:
        """Require the last record of each partition to be there, unless retention has removed it."""
        topic = self._audit.kafka_topic
        for partition, position in self._known.items():
            low, _ = bounds.get(partition, (0, 0))
            found = self._last.get(partition)
            if position.last >= low and position.last >= 0 and found is None:
                self.faults.append(f"{topic}[{partition}] lacks the record at offset {position.last}: it was rewritten")

    def _position(self, partition: int, *, low: int, end: int) -> Position:
        record, known = self._last.get(partition), self._known.get(partition)
        if record is not None:
            return Position(low, end, record.place.offset, _digest(record))
        if known is not None:
            return Position(low, end, known.last, known.digest)
        return Position(low, end)


def _digest(record: RawRecord) -> bytes:
    digest = hashlib.sha256()
    for part in (record.key, record.value):
        digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
    return digest.digest()
