"""Finds out, step by step, why Kafka cannot be used, or that it can."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Diagnosis, Kind
from telemetry.kafka.diagnose.identity import TlsIdentity
from telemetry.kafka.diagnose.listener import ListenerFacts, ListenerProbe
from telemetry.kafka.diagnose.topic_facts import TopicFacts, ask_topic
from telemetry.kafka.errors import client_refused
from telemetry.kafka.options import common_options

EXAMINATION_SECONDS = 5.0

_MAX_ADDRESSES = 10
_POLL_SECONDS = 0.05
_METADATA_SECONDS = 0.5
_ENVELOPE_BYTES = 8 << 10

_MUTE = logging.Logger("librdkafka")  # noqa: LOG001 - what this client says is told as a diagnosis
_MUTE.addHandler(logging.NullHandler())


@dataclass(slots=True)
class Examination:
    """What was found, as far as the examination came.

    Attributes:
        diagnosis: The first cause that keeps records from the topic, or that all is well.
        listeners: Addresses that can be used.
        faults: Addresses that cannot.
        logged_in: Whether the cluster took this client.
        topic: What is known about the topic; None if the examination did not come that far.
    """

    diagnosis: Diagnosis = field(default_factory=lambda: Diagnosis.of(Kind.OK, "Kafka takes records"))
    listeners: list[ListenerFacts] = field(default_factory=list)
    faults: list[Diagnosis] = field(default_factory=list)
    logged_in: bool = False
    topic: TopicFacts | None = None


def diagnose(config: AuditConfig, *, timeout: float = EXAMINATION_SECONDS) -> Diagnosis:
    """Return why Kafka cannot be used with this configuration, or that it can; writes nothing to the topic.

    Args:
        config: The audit pipeline's configuration.
        timeout: Seconds for each step, of which there are about four.
    """
    return examine(config, timeout=timeout).diagnosis


def examine(config: AuditConfig, *, timeout: float = EXAMINATION_SECONDS) -> Examination:
    """Return the diagnosis together with what was found on the way; arguments as :func:`diagnose`."""
    found = Examination()
    try:
        _Examiner(config, found, timeout).run()
    except DiagnosedError as exc:
        found.diagnosis = exc.diagnosis
    except ConfigurationError as exc:
        found.diagnosis = Diagnosis.of(Kind.CONFIGURATION, str(exc))
    return found


def largest_record(config: AuditConfig) -> int:
    """Return an upper bound of a record's size in bytes: an event of ``max_event_bytes``, sealed, in its envelope."""
    sealed = ceil(config.max_event_bytes * 4 / 3) if config.encryption_enabled else config.max_event_bytes
    return sealed + _ENVELOPE_BYTES


class _Examiner:
    def __init__(self, config: AuditConfig, found: Examination, timeout: float) -> None:
        self._config = config
        self._found = found
        self._timeout = timeout
        self._refusal: KafkaError | None = None

    def run(self) -> None:
        options = common_options(self._config)
        identity = TlsIdentity.load(self._config.kafka_config)
        seeds = self._config.kafka_brokers.split(",")[:_MAX_ADDRESSES]
        self._look_at(seeds, identity)
        admin = self._client(options)
        metadata = self._log_in(admin)
        self._found.logged_in = True
        told = [f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()]
        self._look_at([address for address in told if address not in seeds][:_MAX_ADDRESSES], identity)
        self._judge_topic(admin)

    def _look_at(self, addresses: list[str], identity: TlsIdentity) -> None:
        """Look at addresses; one that works is enough, for librdkafka tries them all."""
        faults: list[DiagnosedError] = []
        for address in addresses:
            probe = ListenerProbe(
                address,
                protocol=self._config.security_protocol,
                mechanism=self._config.kafka_config.mechanism if self._config.kafka_config else "PLAIN",
                identity=identity,
                timeout=self._timeout,
            )
            try:
                self._found.listeners.append(probe.run())
            except DiagnosedError as exc:
                faults.append(exc)
        self._found.faults += [fault.diagnosis for fault in faults]
        if addresses and len(faults) == len(addresses):
            # A broker that answers wrongly tells more than one that does not answer.
            raise next((fault for fault in faults if fault.diagnosis.kind is not Kind.UNREACHABLE), faults[0])

    def _client(self, options: dict[str, Any]) -> AdminClient:
        try:
            settings: dict[str, Any] = {**options, "error_cb": self._note, "reconnect.backoff.max.ms": 500}
            return AdminClient(settings, logger=_MUTE)
        except KafkaException as exc:
            raise client_refused(exc) from exc

    def _note(self, error: KafkaError) -> None:
        if error.code() in _REFUSALS:
            self._refusal = error

    def _log_in(self, admin: AdminClient) -> ClusterMetadata:
        give_up = time.monotonic() + self._timeout
        last = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001 - librdkafka's own codes have a leading underscore
        while time.monotonic() < give_up:
            try:
                return admin.list_topics(self._config.kafka_topic, timeout=_METADATA_SECONDS)
            except KafkaException as exc:
                last = exc.args[0]
            admin.poll(_POLL_SECONDS)
            if self._refusal is not None:
                raise _login_refused(self._refusal)
        message = f"the brokers answer, but not to a client that logs in, within {self._timeout:g} s: {last.name()}"
        raise DiagnosedError(Kind.UNRESPONSIVE, message)

    def _judge_topic(self, admin: AdminClient) -> None:
        name = self._config.kafka_topic
        try:
            topic = self._found.topic = ask_topic(admin, name, timeout=self._timeout)
        except KafkaException as exc:
            raise _topic_refused(exc.args[0], name) from exc
        if not topic.may_write:
            raise DiagnosedError(Kind.NO_ACL, f"this principal may see topic {name!r} but not write to it")
        if topic.leaderless:
            message = f"{topic.leaderless} of {topic.partitions} partitions of topic {name!r} have no leader"
            raise DiagnosedError(Kind.TOO_FEW_REPLICAS, message)
        wanted = topic.setting("min.insync.replicas")
        if wanted is not None and topic.in_sync < wanted:
            message = (
                f"topic {name!r} wants {wanted} in-sync replicas for acks=all, a partition has {topic.in_sync} of them"
            )
            raise DiagnosedError(Kind.TOO_FEW_REPLICAS, message)
        limit, largest = topic.setting("max.message.bytes"), largest_record(self._config)
        if limit is not None and limit < largest:
            message = (
                f"topic {name!r} takes records of {limit} bytes at most, an event of max_event_bytes can need {largest}"
            )
            raise DiagnosedError(Kind.RECORD_TOO_LARGE, message)


_REFUSALS = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes have a leading underscore
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)


def _login_refused(error: KafkaError) -> DiagnosedError:
    text = error.str()
    if "OAUTHBEARER token" in text:
        # librdkafka's text may repeat what the endpoint answered: only the fact is told.
        return DiagnosedError(Kind.NO_TOKEN, "no OAUTHBEARER token could be had from oauth_token_url")
    address = text.partition("//")[2].partition("/")[0] or "Kafka"
    return DiagnosedError(Kind.WRONG_PASSWORD, f"{address} refused this client's credentials")


def _topic_refused(error: KafkaError, topic: str) -> DiagnosedError:
    code = error.code()
    if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):  # noqa: SLF001 - as above
        return DiagnosedError(Kind.UNKNOWN_TOPIC, f"there is no topic {topic!r}")
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        message = f"this principal may not see topic {topic!r}, if there is one"
        return DiagnosedError(Kind.NO_ACL, message)
    return DiagnosedError(Kind.UNRESPONSIVE, f"the cluster did not describe topic {topic!r}: {error.name()}")
