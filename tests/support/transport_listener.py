"""Listens to a Kafka transport and keeps what it reports."""

from __future__ import annotations

import threading

from telemetry.audit.record import SealedRecord


class CollectingListener:
    """Collects delivered records and notices a failure."""

    def __init__(self) -> None:
        self.records: list[SealedRecord] = []
        self.failed = threading.Event()

    def delivered(self, records: list[SealedRecord]) -> None:
        """Keep them in the order of the reports."""
        self.records += records

    def transport_failed(self) -> None:
        """Set :attr:`failed`."""
        self.failed.set()
