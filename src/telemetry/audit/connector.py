"""Opens Kafka transports from the configuration, and asks whether Kafka can be used."""

from __future__ import annotations

from collections.abc import Callable

from telemetry.audit.record import SealedRecord
from telemetry.audit.transport import KafkaTransport
from telemetry.config import AuditConfig
from telemetry.exceptions import TransportError
from telemetry.kafka.options import producer_options


class KafkaConnector:
    """Makes transports that are alike.

    Args:
        config: The audit pipeline's configuration.

    Raises:
        ConfigurationError: Credentials, files or passed-through settings cannot be used.
    """

    def __init__(self, config: AuditConfig) -> None:
        self._options = producer_options(config)
        self._topic = config.kafka_topic
        self._attempt = config.kafka_timeout_ms / 1_000
        self.deadline = (config.max_retries + 1) * self._attempt
        """Seconds that a record may wait for its acknowledgement."""

    def open(
        self, on_delivered: Callable[[list[SealedRecord]], None], on_failure: Callable[[], None], name: str
    ) -> KafkaTransport:
        """Open a transport whose polling thread is called ``name``."""
        return KafkaTransport(
            self._options,
            self._topic,
            deadline=self.deadline,
            unreachable_after=self._attempt,
            on_delivered=on_delivered,
            on_failure=on_failure,
            name=name,
        )

    def probe(self, timeout: float) -> TransportError | None:
        """Return why Kafka cannot be used, or None; takes at most about ``timeout`` seconds."""
        transport = self.open(lambda _records: None, lambda: None, "telemetry-probe-poller")
        try:
            return transport.probe(timeout)
        finally:
            transport.close()

    def require(self) -> None:
        """Raise ``TransportError`` unless Kafka can be used now."""
        error = self.probe(self._attempt)
        if error is not None:
            raise error
