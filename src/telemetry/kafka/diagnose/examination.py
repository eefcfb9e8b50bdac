"""Examines step by step whether Kafka can be used, and stops at the first cause why not."""

from __future__ import annotations

import logging
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
from telemetry.system.deadline import Deadline

EXAMINATION_SECONDS = 5.0

_MAX_ADDRESSES = 10
_POLL_SECONDS = 0.05
_METADATA_SECONDS = 0.5
_ENVELOPE_BYTES = 8 << 10
_CHECKPOINT_BYTES = 48 << 10
"""Bound of a checkpoint of version 2: 1,024 leaf hashes, and a note that names 48 data keys."""

_REFUSALS = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes have a leading underscore
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
_UNKNOWN_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)  # noqa: SLF001 - as above
_MUTE = logging.Logger("librdkafka")  # noqa: LOG001 - the diagnosis says it instead
_MUTE.addHandler(logging.NullHandler())


@dataclass(slots=True)
class Examination:
    """The findings up to the step at which the examination stopped.

    Attributes:
        diagnosis: The first cause that keeps records from the topic, or ``ok``.
        listeners: Addresses that can be used.
        faults: Addresses that cannot.
        logged_in: Whether the cluster accepted this client.
        topic: Facts about the topic; None if the examination did not get that far.
    """

    diagnosis: Diagnosis = field(default_factory=lambda: Diagnosis.of(Kind.OK, "Kafka accepts records"))
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
    """Return the diagnosis together with all findings; arguments as :func:`diagnose`."""
    examination = Examination()
    try:
        _Examiner(config, examination, timeout).run()
    except DiagnosedError as exc:
        examination.diagnosis = exc.diagnosis
    except ConfigurationError as exc:
        examination.diagnosis = Diagnosis.of(Kind.CONFIGURATION, str(exc))
    return examination


def largest_record(config: AuditConfig) -> int:
    """Return an upper bound of a record's size in bytes: an event of ``max_event_bytes``, sealed, or a checkpoint."""
    sealed = ceil(config.max_event_bytes * 4 / 3) if config.encryption_enabled else config.max_event_bytes
    has_leaves = config.signing_config is not None and config.checkpoint_format > 1
    return max(sealed + _ENVELOPE_BYTES, _CHECKPOINT_BYTES if has_leaves else 0)


class _Examiner:
    def __init__(self, config: AuditConfig, examination: Examination, timeout: float) -> None:
        self._config = config
        self._examination = examination
        self._timeout = timeout
        self._refusal: KafkaError | None = None

    def run(self) -> None:
        # 1. Settings and files that no client could use.
        options = common_options(self._config)
        identity = TlsIdentity.load(self._config.kafka_config)
        seeds = self._config.kafka_brokers.split(",")[:_MAX_ADDRESSES]
        # 2. The configured addresses, before any credential is sent.
        self._check_addresses(seeds, identity)
        # 3. The login, with the same client library that sends records.
        admin = self._client(options)
        metadata = self._log_in(admin)
        self._examination.logged_in = True
        # 4. The addresses that the brokers advertise: a client needs those too.
        advertised = [f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()]
        self._check_addresses([address for address in advertised if address not in seeds][:_MAX_ADDRESSES], identity)
        # 5. The topic: its rights, replicas and limits.
        self._check_topic(admin)

    def _check_addresses(self, addresses: list[str], identity: TlsIdentity) -> None:
        """Check addresses; one that works is enough, because librdkafka tries them all."""
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
                self._examination.listeners.append(probe.run())
            except DiagnosedError as exc:
                faults.append(exc)
        self._examination.faults += [fault.diagnosis for fault in faults]
        if addresses and len(faults) == len(addresses):
            # A broker that answers wrongly explains more than one that does not answer.
            raise next((fault for fault in faults if fault.diagnosis.kind is not Kind.UNREACHABLE), faults[0])

    def _client(self, options: dict[str, Any]) -> AdminClient:
        try:
            settings: dict[str, Any] = {**options, "error_cb": self._remember_refusal, "reconnect.backoff.max.ms": 500}
            return AdminClient(settings, logger=_MUTE)
        except KafkaException as exc:
            raise client_refused(exc) from exc

    def _remember_refusal(self, error: KafkaError) -> None:
        if error.code() in _REFUSALS:
            self._refusal = error

    def _log_in(self, admin: AdminClient) -> ClusterMetadata:
        deadline = Deadline(self._timeout)
        last = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001 - librdkafka's own codes have a leading underscore
        while not deadline.is_over:
            try:
                return admin.list_topics(self._config.kafka_topic, timeout=_METADATA_SECONDS)
            except KafkaException as exc:
                last = exc.args[0]
            admin.poll(_POLL_SECONDS)
            if self._refusal is not None:
                raise _login_refused(self._refusal)
        message = f"the brokers answer, but not to a client that logs in, within {self._timeout:g} s: {last.name()}"
        raise DiagnosedError(Kind.UNRESPONSIVE, message)

    def _check_topic(self, admin: AdminClient) -> None:
        name = self._config.kafka_topic
        try:
            topic = self._examination.topic = ask_topic(admin, name, timeout=self._timeout)
        except KafkaException as exc:
            raise _topic_refused(exc.args[0], name) from exc
        if not topic.may_write:
            raise DiagnosedError(Kind.NO_ACL, f"this principal may see topic {name!r} but not write to it")
        if topic.leaderless:
            message = f"{topic.leaderless} of {topic.partitions} partitions of topic {name!r} have no leader"
            raise DiagnosedError(Kind.TOO_FEW_REPLICAS, message)
        required = topic.setting("min.insync.replicas")
        if required is not None and topic.in_sync < required:
            message = f"topic {name!r} requires {required} in-sync replicas for acks=all, a partition has {topic.in_sync} of them"
            raise DiagnosedError(Kind.TOO_FEW_REPLICAS, message)
        limit, largest = topic.setting("max.message.bytes"), largest_record(self._config)
        if limit is not None and limit < largest:
            message = f"topic {name!r} accepts records of at most {limit} bytes, an event of max_event_bytes, or a checkpoint, can need {largest}"
            raise DiagnosedError(Kind.RECORD_TOO_LARGE, message)


def _login_refused(error: KafkaError) -> DiagnosedError:
    text = error.str()
    if "OAUTHBEARER token" in text:
        # librdkafka's text may repeat the endpoint's answer, hence a secret: only the fact is reported.
        return DiagnosedError(Kind.NO_TOKEN, "no OAUTHBEARER token could be obtained from oauth_token_url")
    address = text.partition("//")[2].partition("/")[0] or "Kafka"
    return DiagnosedError(Kind.WRONG_PASSWORD, f"{address} refused this client's credentials")


def _topic_refused(error: KafkaError, topic: str) -> DiagnosedError:
    code = error.code()
    if code in _UNKNOWN_TOPIC:
        return DiagnosedError(Kind.UNKNOWN_TOPIC, f"there is no topic {topic!r}")
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        message = f"this principal may not see topic {topic!r}, if there is one"
        return DiagnosedError(Kind.NO_ACL, message)
    return DiagnosedError(Kind.UNRESPONSIVE, f"the cluster did not describe topic {topic!r}: {error.name()}")
