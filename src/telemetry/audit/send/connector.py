"""Opens Kafka transports from the configuration, and asks whether, and if not why not, Kafka can be used."""

from __future__ import annotations

import logging
import threading
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

logger = logging.getLogger("telemetry.kafka")

_DIAGNOSIS_SECONDS = 5.0
_REPEAT_SECONDS = 60.0
# What the broker itself said needs no further looking.
_TOLD = (RecordTooLargeError, TransportAuthenticationError, TransportAuthorizationError, UnknownTopicError)


class IgnoreReports:
    """The listener of a transport whose user asks the transport itself: a probe, or the replay of whole objects."""

    def delivered(self, records: list[SealedRecord]) -> None:
        """Do nothing; :meth:`KafkaTransport.wait_for` says what was acknowledged."""

    def transport_failed(self) -> None:
        """Do nothing; :attr:`KafkaTransport.failure` says what failed."""


class KafkaConnector:
    """Makes transports that are alike.

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
        self._looking = threading.Lock()
        self._explained: tuple[Kind, float] | None = None
        self.deadline = (config.max_retries + 1) * self._attempt
        """Seconds that a record may wait for its acknowledgement."""

    def open(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport whose polling thread is called ``name``.

        Raises:
            ConfigurationError: librdkafka creates no client from the settings, or from the certificate files as they are
                now.
        """
        return self._open(listener, name, is_patient=False)

    def open_patient(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport for records that are safe elsewhere: slowness alone does not fail it; raises as ``open``."""
        return self._open(listener, name, is_patient=True)

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
            reports_each=is_patient,
            spans=self._spans(),
        )

    def _spans(self) -> BatchSpans | None:
        if not self._config.trace_batches:
            return None
        return BatchSpans(topic=self._topic, client_id=str(self._options["client.id"]))

    def certificates(self) -> bytes:
        """Return a digest of the certificate files; another one means that a new transport should be opened."""
        return self._files.version()

    def check(self) -> None:
        """Raise ``ConfigurationError`` unless a client can be made; no broker is asked."""
        self.open(IgnoreReports(), name="telemetry-check-poller").close()

    def probe(self, timeout: float) -> TransportError | None:
        """Return why Kafka cannot be used, or None; takes at most about ``timeout`` seconds."""
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
        if isinstance(error, _TOLD):
            raise error
        found = self._diagnose(self._attempt)
        raise (error if found.is_ok else found.error()) from error

    def explain(self, error: TransportError) -> None:
        """Look, in a thread of its own, why Kafka took no more records, and write the cause to the error log."""
        if isinstance(error, _TOLD) or not self._looking.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._explain, args=(error,), name="telemetry-diagnosis", daemon=True).start()
        except RuntimeError:  # the interpreter ends, or there are too many threads
            self._looking.release()

    def _explain(self, error: TransportError) -> None:
        try:
            found = self._diagnose(_DIAGNOSIS_SECONDS)
            if self._remember_cause(found.kind):
                if found.is_ok:
                    logger.warning("Kafka can be used again by now; it failed with: %s", error)
                else:
                    logger.error("Kafka cannot be used: %s", found)
        finally:
            self._looking.release()

    def _diagnose(self, timeout: float) -> Diagnosis:
        from telemetry.kafka.diagnose.examination import diagnose  # noqa: PLC0415 - costs time that a start without trouble saves

        return diagnose(self._config, timeout=timeout)

    def _remember_cause(self, kind: Kind) -> bool:
        """Remember the cause that was found; return False if it was reported a short while ago."""
        now = time.monotonic()
        if self._explained is not None and self._explained[0] is kind and now - self._explained[1] < _REPEAT_SECONDS:
            return False
        self._explained = kind, now
        return True
