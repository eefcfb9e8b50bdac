"""Relays one batch of rows: read, hand over, wait for delivery, delete."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from telemetry.audit.receipt import Receipt
from telemetry.config.audit import WaitFor
from telemetry.exceptions import EventError, FormatError, RecordTooLargeError, TelemetryError
from telemetry.outbox.database import OutboxDatabase
from telemetry.outbox.relay_counts import RelayTally
from telemetry.outbox.rows import WaitingRow
from telemetry.system.clock import Clock

logger = logging.getLogger("telemetry.outbox")

_LOOK_SECONDS = 0.5
_POISON = (EventError, FormatError, RecordTooLargeError)
"""What the next try would not change: the row is held, and the rows after it go on."""


class RelayService(Protocol):
    """Sends a sealed row; ``telemetry.audit`` does."""

    def relay(self, data: bytes, *, wait_for: WaitFor | None = None) -> Receipt:
        """Send a row, and return its receipt."""


class Patience:
    """Says how long the delivery of a batch is waited for: as long as it takes, until the relay is asked to stop.

    Args:
        clock: Tells the time.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = math.inf

    def limit(self, seconds: float) -> None:
        """Wait no longer than this from now on."""
        self._end = self._clock() + seconds

    def reset(self) -> None:
        """Wait as long as it takes again."""
        self._end = math.inf

    @property
    def left(self) -> float:
        """Seconds to wait before the next look, 0 when the time is over."""
        return max(0.0, min(_LOOK_SECONDS, self._end - self._clock()))


class RelayPass:
    """Moves rows from the table to the topic, and remembers those that are delivered and not yet deleted.

    Args:
        audit: Sends the rows.
        database: The table; this relay is its leader.
        tally: Counts.
        patience: How long deliveries are waited for.
    """

    def __init__(self, audit: RelayService, *, database: OutboxDatabase, tally: RelayTally, patience: Patience) -> None:
        self._audit = audit
        self._database = database
        self._tally = tally
        self._patience = patience
        self._delivered: dict[int, str] = {}
        self._failure: TelemetryError | None = None

    def run(self, limit: int) -> int:
        """Relay the first rows of the table.

        Args:
            limit: Number of rows at most.

        Returns:
            How many rows were read.

        Raises:
            OutboxError: The database did not do what it was asked. What was delivered is deleted in the next pass.
            TelemetryError: A row could not be sent now. It stays, and so do those after it.
        """
        self._failure = None
        rows = self._database.read(limit)
        # Only a pass that was cut short between delivery and deletion leaves some: they are not sent again.
        new = [row for row in rows if self._delivered.get(row.id) != row.event_id]
        sent, poison = self._hand_over(new)
        failed = self._settle(sent, poison)
        self._write_back(poison, failed)
        if self._failure is not None:
            raise self._failure
        return len(rows)

    def _hand_over(self, rows: Iterable[WaitingRow]) -> tuple[list[tuple[WaitingRow, Receipt]], dict[int, str]]:
        sent: list[tuple[WaitingRow, Receipt]] = []
        poison: dict[int, str] = {}
        for row in rows:
            if row.data is None:
                poison[row.id] = "the row is larger than any event, or holds no bytes"
                continue
            try:
                sent.append((row, self._audit.relay(row.data, wait_for="accepted")))
            except _POISON as exc:
                poison[row.id] = f"{type(exc).__name__}: {exc}"
            except TelemetryError as exc:
                # A later row of the same user must not overtake this one.
                self._failure = exc
                break
        return sent, poison

    def _settle(self, sent: Sequence[tuple[WaitingRow, Receipt]], poison: dict[int, str]) -> list[int]:
        """Wait for the receipts; note what is delivered and what is poison, and return the rows whose delivery failed."""
        failed: list[int] = []
        for row, receipt in sent:
            try:
                if self._is_delivered(receipt):
                    self._delivered[row.id] = row.event_id
            except _POISON as exc:
                poison[row.id] = f"{type(exc).__name__}: {exc}"
            except TelemetryError as exc:
                failed.append(row.id)
                self._failure = exc
        return failed

    def _is_delivered(self, receipt: Receipt) -> bool:
        while not receipt.is_settled:
            left = self._patience.left
            if not left:
                return False
            try:
                receipt.wait_delivered(left)
            except TimeoutError:
                continue
        receipt.wait_delivered()
        return True

    def _write_back(self, poison: Mapping[int, str], failed: Sequence[int]) -> None:
        if self._delivered:
            # Only now: a process that dies before this sends the rows a second time, and readers see the repeat.
            self._database.delete(list(self._delivered))
            self._tally.relayed(len(self._delivered))
            self._delivered.clear()
        if poison:
            self._database.hold(poison)
            self._tally.held(len(poison))
            first = min(poison)
            logger.error(
                "%d rows of the outbox are held, the first is row %d: %s; the rows after them go on, and "
                "`telemetry relay --held` lists all that are held",
                len(poison),
                first,
                poison[first],
            )
        if failed:
            self._database.count_failures(failed)
