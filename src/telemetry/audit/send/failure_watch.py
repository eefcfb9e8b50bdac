"""Decides from acknowledgements, errors and the time whether a Kafka transport has failed, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence

from confluent_kafka import KafkaError

from telemetry.exceptions import TransportError
from telemetry.kafka.errors import first_cause, is_consequence, transport_error

FATAL_SECONDS = 0.5
"""How long the reports of a client that has ended may still name a better cause than the end itself."""

_PATIENT_DEADLINES = 4


class FailureWatch:
    """What a transport knows about its failure; it has no thread, no lock and no clock of its own.

    Everything but :meth:`fail` is called in the transport's polling thread. Other threads read the public attributes.

    Args:
        topic: Where records go; named in errors.
        deadline: A record not acknowledged in this many seconds is a failure.
        unreachable_after: All brokers being down for this many seconds is one too.
        now: Monotonic seconds at the start.
        is_patient: Count the deadline from the last acknowledgement instead of from sending: a slow Kafka, such as one
            that enforces a quota, is then no failure as long as it makes progress. Without it, only the first four
            deadlines are patient: a transport that was just opened may have to catch up.

    Attributes:
        deadline: As given.
        failure: Why the transport failed; None while it works.
        fatal: Why Kafka's client itself has ended; None while it has not.
        last_error: The latest error since the last acknowledgement: the most likely cause where a deadline passes.
        down_since: When all brokers were first reported down since the last acknowledgement; None while they are not.
        has_delivered: Whether Kafka acknowledged any record.
    """

    def __init__(
        self, topic: str, *, deadline: float, unreachable_after: float, now: float, is_patient: bool = False
    ) -> None:
        self._topic = topic
        self.deadline = deadline
        self._unreachable_after = unreachable_after
        self._patient_until = math.inf if is_patient else now + _PATIENT_DEADLINES * deadline
        self._progress_at = 0.0
        self.down_since: float | None = None
        self._ended_at = 0.0
        self.failure: TransportError | None = None
        self.fatal: TransportError | None = None
        self.last_error: TransportError | None = None
        self.has_delivered = False

    def acknowledged(self, now: float) -> None:
        """Record that Kafka acknowledged something: earlier errors explain nothing any more."""
        self.down_since = self.last_error = None
        self.has_delivered = True
        self._progress_at = now if now < self._patient_until else 0.0

    def client_error(self, error: KafkaError, now: float) -> None:
        """Record an error of the client that concerns no single record."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes have a leading underscore
            # The first report counts: the client repeats it for as long as the outage lasts.
            self.down_since = self.down_since or now
        elif error.fatal():
            self.client_ended(error, now)
        else:
            self.last_error = transport_error(error, self._topic)

    def client_ended(self, error: KafkaError, now: float) -> None:
        """Record that the client has ended; the reports of its records, which say why, are still to come."""
        if self.fatal is None:
            self._ended_at = now
            self.fatal = transport_error(error, self._topic)

    def refused(self, errors: Sequence[KafkaError]) -> TransportError:
        """Return why records were refused, from the errors of their delivery reports."""
        cause = first_cause(errors)
        if is_consequence(cause) and self.fatal is not None:
            self.last_error = self.fatal
        else:
            self.last_error = transport_error(cause, self._topic)
        return self.last_error

    def due(self, oldest: float | None, now: float) -> TransportError | None:
        """Return the failure that the passing of time has brought, or None.

        Args:
            oldest: When the oldest outstanding record was sent; None where nothing is outstanding.
            now: Monotonic seconds.
        """
        if self.failure is not None:
            return None
        # 1. The client has ended, and no report named a better cause in time.
        if self.fatal is not None and now - self._ended_at > FATAL_SECONDS:
            return self.fatal
        # 2. Without an outstanding record nothing can be late: an outage in which nothing is sent is no failure.
        if oldest is None:
            return None
        # 3. The oldest record has waited too long; patience counts from the last progress.
        if now - max(oldest, self._progress_at) > self.deadline:
            return self.last_error or TransportError(
                f"Kafka did not acknowledge records for topic {self._topic!r} in {self.deadline:g} s; is it overloaded?"
            )
        # 4. No broker is reachable, for so long that waiting for the deadline is pointless.
        if self.down_since is not None and now - max(self.down_since, oldest) > self._unreachable_after:
            return self.last_error or TransportError(f"no broker is reachable for topic {self._topic!r}")
        return None

    def fail(self, error: TransportError) -> bool:
        """Set the failure unless there is one already; return whether it was set."""
        if self.failure is not None:
            return False
        self.failure = error
        return True
