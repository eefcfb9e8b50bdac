"""Keeps the records that were sent and that Kafka has not acknowledged, in the order in which they were sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from telemetry.audit.record import SealedRecord
from telemetry.system.deadline import Deadline

_TICK_SECONDS = 0.2


class OutstandingRecords:
    """The records of one transport, from sending until the acknowledgement of all that were sent before them.

    The sender adds records; the polling thread removes them; any thread may wait or ask. The records themselves are not
    locked: their delivery report sets ``reported`` and ``error`` once, in the polling thread, before it notifies.
    """

    def __init__(self) -> None:
        self._records: deque[SealedRecord] = deque()
        # When records were sent: for each call of add, how many there were in all after it, and the moment.
        self._sent_at: deque[tuple[int, float]] = deque()
        self._added = 0
        self._removed = 0
        self._reports_changed = threading.Condition()
        self._is_ended = False

    def __len__(self) -> int:
        """How many records are outstanding."""
        return len(self._records)

    @property
    def oldest(self) -> float | None:
        """When the oldest outstanding record was sent, in monotonic seconds."""
        try:
            return self._sent_at[0][1]
        except IndexError:  # one look instead of two: the polling thread may remove the last one between them
            return None

    def add(self, records: Sequence[SealedRecord], now: float) -> None:
        """Append records before they are handed to Kafka's client; runs in the sender."""
        self._added += len(records)
        self._sent_at.append((self._added, now))
        self._records.extend(records)

    def remove_acknowledged(self) -> None:
        """Remove the acknowledged records at the front, and wake all who wait; runs in the polling thread.

        A record that is acknowledged while one before it is not stays: what is outstanding is taken back in order.
        """
        records, sent_at = self._records, self._sent_at
        with self._reports_changed:
            removed = self._removed
            while records and (oldest := records[0]).reported and oldest.error is None:
                records.popleft()
                removed += 1
            self._removed = removed
            while sent_at and sent_at[0][0] <= removed:
                sent_at.popleft()
            self._reports_changed.notify_all()

    def unacknowledged(self) -> list[SealedRecord]:
        """Return the records that Kafka has not acknowledged, in order, without removing them."""
        with self._reports_changed:
            return _without_acknowledgement(self._records)

    def take_all(self) -> list[SealedRecord]:
        """Remove all records; return those that Kafka has not acknowledged, in order."""
        with self._reports_changed:
            rest = _without_acknowledgement(self._records)
            self._records.clear()
            self._sent_at.clear()
            self._removed = self._added
        return rest

    def end_waits(self) -> None:
        """Let every wait return: the transport has failed and no acknowledgement is expected any more."""
        with self._reports_changed:
            self._is_ended = True
            self._reports_changed.notify_all()

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing is outstanding; return False after a failure or after ``timeout`` seconds."""
        self._wait(lambda: not self._records or self._is_ended, timeout)
        return not self._records

    def wait_below(self, size: int, timeout: float) -> bool:
        """Wait until the outstanding records have ``size`` bytes at most; return False after ``timeout`` seconds.

        Only the thread that adds records may call it.
        """
        return self._wait(lambda: self._is_ended or sum(record.size for record in self._records) <= size, timeout)

    def wait_for(self, records: Sequence[SealedRecord]) -> bool:
        """Wait until these records are acknowledged; return False after a failure."""
        for record in records:
            if not record.reported:
                with self._reports_changed:
                    while not record.reported and not self._is_ended:
                        self._reports_changed.wait(_TICK_SECONDS)
            if record.error is not None or not record.reported:
                return False
        return True

    def wait_reported(self, timeout: float) -> bool:
        """Wait until the client has reported on every record it was asked to report on; failed ones count too."""
        return self._wait(lambda: not any(_is_awaited(record) for record in self._records), timeout)

    def wait_for_change(self, seconds: float) -> None:
        """Wait until reports came in or the transport failed, for ``seconds`` at most."""
        with self._reports_changed:
            self._reports_changed.wait(seconds)

    def _wait(self, is_met: Callable[[], bool], timeout: float) -> bool:
        with self._reports_changed:
            return Deadline(timeout).wait_for(self._reports_changed, is_met, tick=_TICK_SECONDS)


def _without_acknowledgement(records: deque[SealedRecord]) -> list[SealedRecord]:
    # A copy first: the sender may append to the deque meanwhile.
    return [record for record in list(records) if not record.reported or record.error is not None]


def _is_awaited(record: SealedRecord) -> bool:
    return record.on_report is not None and not record.reported
