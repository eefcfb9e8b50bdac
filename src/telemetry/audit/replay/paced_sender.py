"""Sends the records of stored objects at a bounded rate."""

from __future__ import annotations

import time
from typing import NamedTuple

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.kafka_link import KafkaLink
from telemetry.audit.replay.turn import Turn
from telemetry.format.value.message import REPLAY_HEADER

_PART_EVENTS = 1_000
_PART_SECONDS = 0.1


class InFlight(NamedTuple):
    """An object on its way to Kafka.

    Attributes:
        waiting: The object in the store.
        records: Its records, or some of them.
        headers: Headers that name the object, so that a reader sees where its records were meanwhile; one list for all.
    """

    waiting: WaitingObject
    records: list[SealedRecord]
    headers: list[tuple[str, bytes]]

    @classmethod
    def of(cls, waiting: WaitingObject, records: list[SealedRecord]) -> InFlight:
        """Return an object that is about to be sent."""
        return cls(waiting, records, [(REPLAY_HEADER, waiting.name.encode())])

    @property
    def events(self) -> int:
        """How many of the records are events; the others are checkpoints."""
        return event_count(self.records)


class PacedSender:
    """Sends objects over the link, never faster than ``max_rate``.

    Args:
        link: Connection to Kafka.
        max_rate: Events a second.
    """

    def __init__(self, link: KafkaLink, *, max_rate: float) -> None:
        self._link = link
        self._max_rate = max_rate
        # Small parts, so that a low rate does not send a burst and a turn that is over is noticed soon.
        self._part = min(max(int(max_rate * _PART_SECONDS), 1), _PART_EVENTS)
        self._due = 0.0

    def send(self, flight: InFlight, turn: Turn) -> bool:
        """Send an object's records; return False if the transport or the turn ended before the last one."""
        for start in range(0, len(flight.records), self._part):
            transport = self._link.transport
            if transport is None or not turn.may_go_on:
                return False
            part = flight.records[start : start + self._part]
            transport.send(part, headers=flight.headers)
            self._keep_pace(len(part), turn)
        return True

    def _keep_pace(self, events: int, turn: Turn) -> None:
        now = time.monotonic()
        # A thread that woke up late may make up for it, but not for a long pause.
        self._due = max(self._due, now - _PART_SECONDS) + events / self._max_rate
        if self._due > now:
            turn.rest(self._due - now)


def event_count(records: list[SealedRecord]) -> int:
    """Return how many records are events; checkpoints have no sequence."""
    return sum(1 for record in records if record.sequence is not None)
