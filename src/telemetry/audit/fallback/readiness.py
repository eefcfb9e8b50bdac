"""Names what a fallback asks of Kafka, and what it notifies once Kafka accepts records again."""

from __future__ import annotations

from typing import Protocol

from telemetry.exceptions import TransportError


class KafkaProbe(Protocol):
    """Asks Kafka whether it can be used; ``send.connector.KafkaConnector`` is one."""

    def probe(self, timeout: float) -> TransportError | None:
        """Return why Kafka cannot be used, or None; takes at most about ``timeout`` seconds."""


class ReadyListener(Protocol):
    """Is notified that records may go to Kafka directly again; the sender, in a process that logs."""

    def kafka_is_ready(self) -> None:
        """Be notified, in a thread of the fallback, that Kafka answers and nothing of this process waits for replay.

        It is only a hint: the sender asks the fallback itself, in ``take_back``, before it changes its state.
        """
