"""Logs into a list, and lets a test say what becomes of each event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from telemetry.audit.receipt import (
    ACCEPTED,
    DURABLE,
    Receipt,
    mark_accepted,
    mark_delivered,
    mark_durable,
    mark_failed,
    notify,
)
from telemetry.exceptions import TelemetryError

PRODUCER = "0190a0b0-0000-7000-8000-00000000abcd"


class ListedLog:
    """The part of ``telemetry.audit`` that the gateway uses.

    Args:
        asked: Level that the configuration asks for.
        errors: What the calls raise, by their number from 0.
        is_full: Whether events wait for room.
        delivered: Numbers of those that are delivered at once.

    Attributes:
        calls: The arguments of the calls that were accepted.
        receipts: Their receipts.
    """

    def __init__(
        self,
        *,
        asked: int = ACCEPTED,
        errors: dict[int, TelemetryError] | None = None,
        is_full: bool = False,
        delivered: Collection[int] = (),
    ) -> None:
        self.calls: list[tuple[Any, Any, Any, dict[str, Any]]] = []
        self.receipts: list[Receipt] = []
        self.offered = 0
        self._asked = asked
        self._errors = errors or {}
        self._is_full = is_full
        self._delivered = delivered

    @property
    def log(self) -> Callable[..., Receipt]:
        return self._log

    def _log(self, event_type: Any, payload: Any, user_id: Any, **fields: Any) -> Receipt:
        number = self.offered
        self.offered += 1
        if number in self._errors:
            raise self._errors[number]
        event_id = f"0190a0b0-0000-7000-8000-{number:012x}"
        receipt = Receipt(event_id, _asked=self._asked, _level=-1)
        if not self._is_full:
            mark_accepted(receipt, PRODUCER, number)
        if number in self._delivered:
            mark_delivered(receipt, "audit", 0, number)
        self.calls.append((event_type, payload, user_id, fields))
        self.receipts.append(receipt)
        return receipt

    async def has_offered(self, count: int) -> None:
        """Wait until so many calls were made; they need no more than some turns of the loop."""
        for _ in range(1_000):
            if self.offered >= count:
                return
            await asyncio.sleep(0)
        raise AssertionError(self.offered)

    def settle(self, level: int, *numbers: int) -> None:
        """Have events reach a level."""
        for number in numbers:
            if level == DURABLE:
                mark_durable(self.receipts[number])
            else:
                mark_delivered(self.receipts[number], "audit", 0, number)
        notify(self.receipts[number] for number in numbers)

    def fail(self, error: TelemetryError, *numbers: int) -> None:
        """Have events fail."""
        for number in numbers:
            mark_failed(self.receipts[number], error)
        notify(self.receipts[number] for number in numbers)
