"""Examines a running pipeline: is an event that is logged now accepted, and safe?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from telemetry.audit.health import NO_DATA_KEY, NOWHERE_SAFE, QUEUE_FULL, SENDER_FAILED, STOPPED, Health, NotReady
from telemetry.audit.ledger import Ledger
from telemetry.audit.watch.direction import DirectionWatch
from telemetry.audit.watch.parts import WatchedParts

_STALLED_SECONDS = 30.0
"""A disk or a store that has not answered for this long does not count as accepting."""


class Examination:
    """Answers how one pipeline is, in any thread. It reads counters, takes locks for microseconds only, and asks no server.

    Args:
        parts: The parts that are asked.
        ledger: Knows what was counted.
        direction: Knows since when events are diverted.
        spool_max_bytes: Bound of the spool segment; None where there is no spool.
    """

    def __init__(
        self, parts: WatchedParts, *, ledger: Ledger, direction: DirectionWatch, spool_max_bytes: int | None
    ) -> None:
        self._parts = parts
        self._ledger = ledger
        self._direction = direction
        self._spool_max_bytes = spool_max_bytes

    def health(self, *, is_ending: bool, has_ended: bool) -> Health:
        """Return how the pipeline is.

        Args:
            is_ending: Whether ``shutdown()`` was called.
            has_ended: Whether it is done.
        """
        parts, counts, diverted = self._parts, self._ledger.counts, self._direction.diverted
        objects, events, size, age = parts.handler.backlog() if parts.handler is not None else (0, 0, 0, 0.0)
        keyring, spool, delivered = parts.keyring, parts.spool, counts.last_delivered
        is_over = is_ending or has_ended
        return Health(
            state="stopped" if has_ended else "stopping" if is_ending else "running",
            reasons=(STOPPED,) if is_over else tuple(self._reasons()),
            oldest_undelivered_seconds=0.0 if has_ended else parts.oldest_age(),
            diverted=diverted is not None,
            diverted_since=diverted.since if diverted is not None else None,
            diverted_reason=diverted.reason if diverted is not None else None,
            backlog_objects=objects,
            backlog_events=events,
            backlog_bytes=size,
            backlog_oldest_seconds=age,
            queued=parts.room.used[0],
            queue_fill=parts.room.fill,
            waiting=parts.intakes.waiting,
            data_key_age_seconds=keyring.age if keyring is not None else None,
            data_key_uses_left=keyring.uses_left if keyring is not None else None,
            data_key_overdue=keyring is not None and keyring.is_overdue,
            spool_bytes=spool.size if spool is not None else None,
            spool_max_bytes=self._spool_max_bytes,
            lost=counts.lost,
            refused=counts.refused,
            last_delivered_at=datetime.fromtimestamp(delivered, UTC) if delivered is not None else None,
        )

    def _reasons(self) -> Iterator[NotReady]:
        intake, has_key = self._parts.intake, self._has_key() and self._has_subject_keys()
        # 1. Nobody would send what is accepted.
        if intake.is_closed:
            yield SENDER_FAILED
        # 2. Nothing can be sealed.
        if not has_key:
            yield NO_DATA_KEY
        # 3. There is no room. Events that wait although there is a key wait for room. Another service's stream that has used up
        #    its share, or lacks a key, is that service's matter (`stream_health`).
        if self._parts.room.is_full or (intake.waiting and has_key and not self._waits_for_a_subject()):
            yield QUEUE_FULL
        # 4. What is accepted would be in memory alone.
        if not (self._is_durable() or self._is_deliverable()):
            yield NOWHERE_SAFE

    def _has_key(self) -> bool:
        """Whether the next event can be sealed, or nothing says that it cannot: a key that nobody needed may be too old."""
        keyring = self._parts.keyring
        if keyring is None or keyring.has_usable_key:
            return True
        # A service that is taken out of traffic for this logs no event that would ask for a key.
        if keyring.last_error is not None:
            keyring.retry_if_due()
        return keyring.last_error is None and not self._parts.intake.waiting

    def _has_subject_keys(self) -> bool:
        """Whether the subjects whose keys are in memory can log; the others are counted in a gauge."""
        subjects = self._parts.subjects
        if subjects is None or subjects.last_error is None:
            return True
        subjects.retry_if_due()
        return not subjects.is_withheld

    def _waits_for_a_subject(self) -> bool:
        """Whether the events that wait have a data key, and lack that of a subject, as the first event of each user does."""
        return self._parts.subjects is not None and self._parts.intake.lacks_key

    def _is_durable(self) -> bool:
        spool = self._parts.spool
        return spool is not None and spool.is_accepting and not _is_stalled(spool.busy_since)

    def _is_deliverable(self) -> bool:
        handler = self._parts.handler
        if self._direction.diverted is None and not self._parts.dispatcher.is_diverted:
            # A spool whose disk hangs holds back what Kafka would accept.
            spool = self._parts.spool
            return spool is None or not _is_stalled(spool.busy_since)
        return handler is not None and handler.is_accepting and not _is_stalled(handler.writing_since)


def _is_stalled(since: float | None) -> bool:
    return since is not None and time.monotonic() - since > _STALLED_SECONDS
