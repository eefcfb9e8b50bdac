"""Opens, probes and drops the connection to Kafka over which stored objects are replayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.connector import IgnoreReports
from telemetry.audit.send.transport import TransportListener
from telemetry.exceptions import TransportError

PROBE_SECONDS = 5.0


class ReplayTransport(Protocol):
    """The part of ``send.transport.KafkaTransport`` that a replay uses; that class says what each method promises."""

    @property
    def failure(self) -> TransportError | None:
        """Why the transport accepts nothing more, or None."""

    def send(self, records: Sequence[SealedRecord], *, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Send records in order."""

    def wait_for(self, records: Sequence[SealedRecord]) -> bool:
        """Wait until these records are acknowledged; return False on failure."""

    def take_back(self) -> list[SealedRecord]:
        """End the transport; return what was not acknowledged, ready to be sent again."""

    def probe(self, timeout: float) -> TransportError | None:
        """Return why Kafka cannot be used, or None."""

    def fail(self, error: TransportError) -> None:
        """Declare the transport failed; may be called from any thread."""


class PatientConnector(Protocol):
    """Opens transports that slowness alone does not fail; ``send.connector.KafkaConnector`` is one."""

    def open_patient(self, listener: TransportListener, *, name: str) -> ReplayTransport:
        """Open a transport whose polling thread is called ``name``."""


class KafkaLink:
    """At most one transport at a time, and why Kafka could not be used last.

    Only :meth:`fail` may be called from another thread than the one that replays.

    Args:
        kafka: Connector that opens transports.
    """

    def __init__(self, kafka: PatientConnector) -> None:
        self._kafka = kafka
        self._transport: ReplayTransport | None = None
        self.error: TransportError | None = None
        """Why the last probe or the last transport failed; None after a probe that succeeded."""

    @property
    def transport(self) -> ReplayTransport | None:
        """The open transport, if there is one."""
        return self._transport

    def connect(self) -> ReplayTransport | None:
        """Return a transport that Kafka answers on, a new one if the present one failed; None if Kafka is away."""
        if self._transport is None or self._transport.failure is not None:
            self.drop()
            self._transport = self._kafka.open_patient(IgnoreReports(), name="telemetry-replay-poller")
        # Asked before each pass: sending to a Kafka that is away would only end in a purge of everything sent.
        self.error = self._transport.probe(PROBE_SECONDS)
        if self.error is not None:
            self._close()
        return self._transport

    def drop(self, error: TransportError | None = None) -> None:
        """End the transport; the records that Kafka has not acknowledged can be sent again.

        Args:
            error: Why, for :attr:`error`.
        """
        self.error = error
        self._close()

    def fail(self, error: TransportError) -> None:
        """End every waiting on the transport; called by the thread that closes the worker."""
        # Read once: the replaying thread may drop the transport at this moment.
        transport = self._transport
        if transport is not None:
            transport.fail(error)

    def _close(self) -> None:
        # Forgotten first: from here on ``fail`` finds no transport that is being taken back.
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.take_back()
