"""Opens the sender's transports to Kafka, and renews them when certificates change."""

from __future__ import annotations

import logging
from typing import Protocol

from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.transport import KafkaTransport, TransportListener
from telemetry.exceptions import ConfigurationError, LifecycleError, TelemetryError, TransportError

logger = logging.getLogger("telemetry.audit")


class Connector(Protocol):
    """Opens transports of one configuration; ``KafkaConnector`` is one."""

    def open(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport whose polling thread is called ``name``."""

    def certificates(self) -> bytes:
        """Return another value once certificate files were replaced."""

    def explain(self, error: TransportError) -> None:
        """Look for the cause of an error without blocking, and log it."""


class ClosableIntake(Protocol):
    """Accepts events; ``Intake`` is one."""

    def close(self, error: TelemetryError) -> None:
        """Refuse every further and every waiting event with ``error``."""


class SenderLink:
    """The sender's way to Kafka; it is the listener of the transports that it opens.

    Args:
        connector: Opens the transports.
        ledger: Settles the records that they deliver.
        batcher: Woken when a transport fails, so that the sender takes its records back at once.
        intake: Closed when the sender itself fails.
    """

    def __init__(self, connector: Connector, *, ledger: Ledger, batcher: AuditBatcher, intake: ClosableIntake) -> None:
        self._connector = connector
        self._intake = intake
        self._ledger = ledger
        self._batcher = batcher
        self._opened_with = b""

    def open(self) -> KafkaTransport:
        """Open a transport.

        Raises:
            ConfigurationError: Kafka's client does not accept the settings or the certificate files.
        """
        # Before the files are read: if they change in between, the transport is renewed once too often, never too late.
        self._opened_with = self._connector.certificates()
        return self._connector.open(self, name="telemetry-poller")

    def try_open(self) -> KafkaTransport | None:
        """Open a transport; return None, with an error in the log, where that is impossible now."""
        try:
            return self.open()
        except ConfigurationError as exc:
            logger.error("no connection to Kafka can be opened; trying again: %s", exc)  # noqa: TRY400 - the message says all
            return None

    @property
    def is_outdated(self) -> bool:
        """Whether certificate files were replaced since a transport was opened."""
        return self._connector.certificates() != self._opened_with

    def delivered(self, records: list[SealedRecord]) -> None:
        """Settle records that Kafka acknowledged; called in the polling thread."""
        self._ledger.delivered(records)

    def transport_failed(self) -> None:
        """Wake the sender, which finds the failure; called in the polling thread."""
        self._batcher.wake()

    def sender_failed(self) -> None:
        """Refuse events from now on: the sender has ended, so nobody would send them; called in its thread."""
        message = (
            "the sender has ended because of an unexpected error, which is in the log, so the event was not logged; "
            "call shutdown(), which keeps what was accepted, and start again"
        )
        self._intake.close(LifecycleError(message))

    def count_failure(self, error: TransportError) -> None:
        """Count that Kafka did not accept what was sent."""
        self._ledger.send_failed(error)

    def explain(self, error: TransportError) -> None:
        """Look for the cause of a failure without blocking, and log it."""
        self._connector.explain(error)
