"""Keeps events in order while Kafka cannot take them and there is no fallback store."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby

from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError
from telemetry.system.backoff import Backoff

logger = logging.getLogger("telemetry.audit")

_PROBE_SECONDS = 5.0
_JOIN_SECONDS = 1.0


class HeldRecords:
    """Holds records in memory, asks Kafka now and then, and fails what waited too long.

    Args:
        ledger: Settles records whose time is over.
        patience: Seconds that a record may wait, however often it is sent meanwhile; None where the spool keeps it anyway.
        probe: Returns why Kafka cannot be used, or None.
        on_ready: Told that Kafka answers again.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        patience: float | None,
        probe: Callable[[float], TransportError | None],
        on_ready: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._patience = patience
        self._probe = probe
        self._on_ready = on_ready
        self._lock = threading.Lock()
        self._held: deque[tuple[float, list[SealedRecord]]] = deque()
        self._taken: dict[str, float] = {}
        self._error = TransportError("Kafka does not take records and there is no fallback")
        self._diverted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry-probe", daemon=True)
        self._thread.start()

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Take records over, in order."""
        now = time.monotonic()
        with self._lock:
            for since, part in groupby(records, key=lambda record: self._taken.get(record.event_id, now)):
                self._held.append((since, list(part)))
            self._error = TransportError(f"Kafka did not take the event in time ({reason}) and there is no fallback")

    def take_back(self) -> list[SealedRecord]:
        """Return all that is held, in order."""
        with self._lock:
            # Should they come back, their time goes on: else a record that Kafka never takes would hold up the others.
            self._taken = {record.event_id: since for since, part in self._held for record in part}
            records = [record for _, part in self._held for record in part]
            self._held.clear()
        return records

    def divert(self, *, diverted: bool) -> None:
        """Begin or end to probe."""
        if diverted:
            with self._lock:
                self._taken.clear()
            self._diverted.set()
        else:
            self._diverted.clear()

    def flush(self, timeout: float) -> bool:
        """Return whether nothing is held; waiting would not change it."""
        del timeout
        with self._lock:
            return not self._held

    def close(self) -> list[SealedRecord]:
        """End the thread; return what is held."""
        self._stopping.set()
        self._diverted.set()
        self._thread.join(_JOIN_SECONDS)
        return self.take_back()

    def __len__(self) -> int:
        """How many records are held."""
        with self._lock:
            return sum(len(part) for _, part in self._held)

    def _run(self) -> None:
        while not self._stopping.is_set():
            backoff = Backoff(first=0.5, longest=5.0)
            self._diverted.wait()
            while self._diverted.is_set() and not self._stopping.wait(backoff.next()):
                self._expire()
                if self._probe(_PROBE_SECONDS) is None:
                    self._on_ready()
                self._expire()

    def _expire(self) -> None:
        if self._patience is None:
            return
        over: list[SealedRecord] = []
        with self._lock:
            while self._held and time.monotonic() - self._held[0][0] > self._patience:
                over += self._held.popleft()[1]
        if over:
            self._ledger.failed(over, self._error)
            logger.error("%d accepted events are lost: %s", len(over), self._error)
