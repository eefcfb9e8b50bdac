"""Opens Kafka transports from the configuration, and finds out whether Kafka can be used and why not."""

from __future__ import annotations

import logging
import time

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batch_spans import BatchSpans
from telemetry.audit.send.transport import KafkaTransport, TransportListener
from telemetry.config import AuditConfig
from telemetry.exceptions import (
    ConfigurationError,
    RecordTooLargeError,
    TransportAuthenticationError,
    TransportAuthorizationError,
    TransportError,
    UnknownTopicError,
)
from telemetry.kafka.certificate_files import CertificateFiles
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.diagnose.diagnosis import Diagnosis, Kind
from telemetry.kafka.options import producer_options
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.kafka")

_DIAGNOSIS_SECONDS = 5.0
_REPEAT_SECONDS = 60.0
# The broker itself named these causes: an examination would find nothing more.
_EXPLAINED = (RecordTooLargeError, TransportAuthenticationError, TransportAuthorizationError, UnknownTopicError)


class IgnoreReports:
    """The listener where the transport itself is asked: for a probe, or by the replay, which waits for whole objects."""

    def delivered(self, records: list[SealedRecord]) -> None:
        """Do nothing; :meth:`KafkaTransport.wait_for` says what was acknowledged."""

    def transport_failed(self) -> None:
        """Do nothing; :attr:`KafkaTransport.failure` says what failed."""


class KafkaConnector:
    """Opens transports that have one configuration, certificate state and client log in common.

    Args:
        config: The audit pipeline's configuration.

    Raises:
        ConfigurationError: Credentials, files or passed-through settings cannot be used.
    """

    def __init__(self, config: AuditConfig) -> None:
        self._config = config
        self._options = producer_options(config)
        self._topic = config.kafka_topic
        self._attempt = config.kafka_timeout_ms / 1_000
        self._client_log = ClientLog(logger)
        self._files = CertificateFiles(config.kafka_config)
        self._diagnosis: Worker | None = None
        self._explained: tuple[Kind, float] | None = None
        self.deadline = (config.max_retries + 1) * self._attempt
        """Seconds that a record may wait for its acknowledgement."""

    def open(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport with a polling thread called ``name``.

        Raises:
            ConfigurationError: librdkafka creates no client from the settings, or from the certificate files as they are
                now.
        """
        return self._open(listener, name, is_patient=False)

    def open_patient(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport for records that are safe elsewhere: slowness alone does not fail it; raises as ``open``."""
        return self._open(listener, name, is_patient=True)

    def certificates(self) -> bytes:
        """Return a digest of the certificate files; another one means that a new transport should be opened."""
        return self._files.version()

    def check(self) -> None:
        """Raise ``ConfigurationError`` unless a client can be created; no broker is asked."""
        self.open(IgnoreReports(), name="telemetry-check-poller").close()

    def probe(self, timeout: float) -> TransportError | None:
        """Return why Kafka cannot be used, or None; blocks for about ``timeout`` seconds at most."""
        try:
            transport = self.open(IgnoreReports(), name="telemetry-probe-poller")
        except ConfigurationError as exc:
            return TransportError(f"no connection to Kafka can be opened: {exc}")
        try:
            return transport.probe(timeout)
        finally:
            transport.close()

    def require(self) -> None:
        """Raise ``TransportError``, naming the cause, unless Kafka can be used now."""
        error = self.probe(self._attempt)
        if error is None:
            return
        if isinstance(error, _EXPLAINED):
            raise error
        diagnosis = self._diagnose(self._attempt)
        raise (error if diagnosis.is_ok else diagnosis.error()) from error

    def explain(self, error: TransportError) -> None:
        """Find out in a thread of its own why Kafka stopped accepting records, and log the cause; only the sender calls it.

        Args:
            error: Why the transport failed.
        """
        if isinstance(error, _EXPLAINED) or (self._diagnosis is not None and self._diagnosis.is_alive):
            return
        self._diagnosis = Worker("telemetry-diagnosis", lambda: self._log_cause(error))
        try:
            self._diagnosis.start()
        except RuntimeError:
            # The interpreter is ending, or there are too many threads: the next failure tries again.
            self._diagnosis = None

    def _open(self, listener: TransportListener, name: str, *, is_patient: bool) -> KafkaTransport:
        return KafkaTransport(
            self._options,
            self._topic,
            listener=listener,
            deadline=self.deadline,
            unreachable_after=self._attempt,
            name=name,
            client_log=self._client_log,
            is_patient=is_patient,
            # The replay must know which record Kafka refuses, not only that one of them was.
            reports_each=is_patient,
            spans=self._spans(),
        )

    def _spans(self) -> BatchSpans | None:
        if not self._config.trace_batches:
            return None
        return BatchSpans(topic=self._topic, client_id=str(self._options["client.id"]))

    def _log_cause(self, error: TransportError) -> None:
        diagnosis = self._diagnose(_DIAGNOSIS_SECONDS)
        if not self._remember_cause(diagnosis.kind):
            return
        if diagnosis.is_ok:
            logger.warning("Kafka is usable again; it had failed with: %s", error)
        else:
            logger.error("Kafka cannot be used: %s", diagnosis)

    def _diagnose(self, timeout: float) -> Diagnosis:
        from telemetry.kafka.diagnose.examination import diagnose  # noqa: PLC0415 - costs time that a start without trouble saves

        return diagnose(self._config, timeout=timeout)

    def _remember_cause(self, kind: Kind) -> bool:
        """Remember the cause; return False if it was logged a short while ago."""
        now = time.monotonic()
        if self._explained is not None and self._explained[0] is kind and now - self._explained[1] < _REPEAT_SECONDS:
            return False
        self._explained = kind, now
        return True
