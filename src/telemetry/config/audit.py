"""Configures the audit pipeline, with the specification's defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)

from telemetry.config.builtins import ENCRYPTION, STORAGE
from telemetry.config.encryption import EncryptionConfig, SigningConfig
from telemetry.config.event_policy import EventPolicyConfig
from telemetry.config.gateway.shared_streams import SharedStreamsConfig
from telemetry.config.kafka import KafkaConfig, SecurityProtocol
from telemetry.config.local import LOCAL_BROKERS, LocalMode, is_local, is_off, is_on, mode_of
from telemetry.config.model import ConfigModel, problems_of
from telemetry.config.secret_files import SecretFiles
from telemetry.config.storage import StorageConfig
from telemetry.config.subjects.requirements import problems_of_subject_keys
from telemetry.config.subjects.section import SubjectKeysConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.value.message import CLEAR_ATTRIBUTES

WaitFor = Literal["accepted", "durable", "delivered"]
ReadAudit = Literal["required", "attempt", "off"]

_BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:,\[\]/]+):(\d{1,5})")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_WITH_SASL: dict[SecurityProtocol, SecurityProtocol] = {"SSL": "SASL_SSL", "PLAINTEXT": "SASL_PLAINTEXT"}

MIN_HMAC_SECRET_BYTES = 16


# Switch, section that it makes required, remedy.
_SECTIONS = (
    (
        "encryption_enabled",
        "encryption_config",
        "add EncryptionConfig(provider=...), or set encryption_enabled=False to log in the clear",
    ),
    ("fallback_enabled", "storage_config", "add StorageConfig(provider=...), or set fallback_enabled=False"),
)


class AuditConfig(ConfigModel):
    """Configuration of the audit pipeline. Durations end in ``_ms`` (milliseconds) or ``_seconds``, sizes in ``_kb`` or ``_bytes``.

    ``kafka_config`` and the flat fields may both name brokers and topic: they must agree, or the flat one must be at its
    default. After construction the flat fields hold the values in force.

    Attributes:
        kafka_brokers: ``host:port,host:port``; for laptops ``memory:`` or ``console:``, which send nothing (docs/testing.md).
        enabled: Whether events are kept at all; if not, ``log()`` checks its arguments, and every section may be absent.
        kafka_topic: Topic of the trail; it must exist (``telemetry topic create``).
        batch_size_kb: A batch is sent when its sealed records reach this size, 1 to 10,240 KiB ...
        batch_timeout_ms: ... or when its first record is this old, 1 to 60,000 ms.
        encryption_enabled: Seal events; without it anyone who reads the topic can read them.
        relay_only: This process logs nothing itself and relays what others have sealed into an outbox; it needs no key, and no
            ``encryption_config``.
        fallback_enabled: Store events while Kafka is not accepting them.
        kafka_timeout_ms: Limit of one delivery attempt, 10 to 300,000 ms.
        max_retries: Attempts after the first; together they bound how long a record waits for Kafka.
        security_protocol: ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``; credentials in ``kafka_config``
            turn ``SSL`` into ``SASL_SSL`` and ``PLAINTEXT`` into ``SASL_PLAINTEXT``.
        kafka_config: Credentials and certificates.
        kafka_options: Further librdkafka settings; those that would weaken a promise are refused by name.
        encryption_config: Key service that wraps the data keys; required while ``encryption_enabled``.
        storage_config: Store of the events while Kafka is away; required while ``fallback_enabled``.
        signing_config: Key that signs checkpoints; without it the trail cannot be verified offline.
        trust_file: Trust file of readers: which public key may sign for which services (docs/verification.md).
        checkpoint_format: Version of the checkpoints that are written: 2, or 1 as earlier versions wrote them.
        checkpoint_heartbeat_seconds: While nothing is logged, the last checkpoint is signed again with a new time after
            so many seconds, so that a verifier can tell an idle process from one that was cut off; 0 for never.
        storage_secret: Secret of the service, shared by its replicas, under which spool and fallback objects are sealed: a
            passphrase of at least 16 characters, or 32 random bytes in base64 or hexadecimal; default: derived from the
            signing key, else from the local key.
        storage_secret_file: File whose first line is that secret (``telemetry keys storage-secret create``).
        former_storage_secrets: Earlier secrets, which still open what was stored under them.
        former_storage_secret_files: Files with earlier secrets.
        spool_path: Folder of the spool; accepted events then survive a crash of the process.
        spool_format: Version of the spool's files: 4, or 3 as earlier versions wrote them, which are neither sealed nor signed
            when their process is killed.
        spool_max_bytes: Bound of one process's spool segment, beside a log of some MiB; at most half of it may wait.
        wait_for: State that ``log()`` waits for: ``accepted``, ``durable`` or ``delivered``.
        queue_max_events: Accepted events that may wait in memory.
        queue_max_bytes: Their sealed size in memory.
        queue_full_timeout_ms: How long ``log()`` waits for room before ``BackpressureError``.
        max_event_bytes: Limit of one event as JSON, before sealing.
        data_key_max_age_seconds: A data key is replaced after this time ...
        data_key_max_uses: ... or after sealing this many events (NIST SP 800-38D allows 2^32 random IVs a key) ...
        data_key_max_bytes: ... or this many bytes.
        data_key_grace_seconds: During an outage of the key service the current key may live this much longer.
        data_key_wait_ms: How long ``log()`` waits for a data key before ``EncryptionError``.
        key_mode: Kafka key: ``clear`` is ``user_id:service_name``, ``hmac`` its HMAC-SHA-256 in hexadecimal.
        key_hmac_secret: Secret for ``key_mode="hmac"``, at least 16 bytes, the same in every process of a trail.
        key_hmac_secret_file: File whose first line is ``key_hmac_secret``.
        clear_fields: Event fields to show outside the sealed part too.
        hide_event_type: Show ``telemetry.event`` outside the sealed part instead of the event type; readers of earlier
            versions refuse such events.
        disclosable: Commit to the content of each event outside the sealed part, so that single events can be shown to others
            without a key (docs/adr/0037); readers of earlier versions refuse such events.
        scrub: Replace secrets and payment card numbers in every event (docs/catalog.md); a call may ask for it with ``scrub=True``.
        scrub_keys: Further names of secrets.
        scrub_spared_keys: Names that are no secrets here.
        event_policies: How safe events of some types must be, beyond what the catalogue says (docs/catalog.md).
        shared_streams: Lets the process log on behalf of other services, each with a stream of its own (``max_streams``,
            ``idle_seconds``, ``max_share``); without it there is the process's own stream alone.
        subject_keys: Seals what tells of a subject under a key of its own, so that the subject can be forgotten; readers of earlier
            versions refuse such events.
        trace_batches: Draw an OpenTelemetry span for each batch sent to Kafka; never with a key in it.
        self_audit: Log the library's own life (started, stopped, fallback entered and left, ...) as events.
        read_audit: Whether opening the trail is itself recorded in it, as ``telemetry.read``: ``required`` (nothing is opened
            unless that event is delivered or stored), ``attempt`` (an error is logged, and the trail is opened all the
            same) or ``off``.
        disable_core_dumps: ``start()``, or opening the trail, switches core dumps of this process off, for good. A
            debugger can then not be attached either, except by root.
        fallback_sibling_keys: Public keys of replicas with a signing key of their own, and former ones of this service, whose
            fallback objects this one replays too.
        accept_unmarked_until: Until when objects and spool segments of an earlier version, which carry no mark of this
            service, are published; default: 30 days after this version first worked on the store.
        fallback_object_format: 2 seals the objects in the fallback store; 1 stores lines, as the former version does, whose
            events are sealed and whose clear attributes are not.
        fallback_object_bytes: During an outage, batches are merged into objects of this size ...
        fallback_object_seconds: ... or of the events of this time.
        replay_max_events_per_second: Upper bound of the replay rate.
    """

    secret_files: ClassVar[SecretFiles] = {
        "key_hmac_secret_file": "key_hmac_secret",
    }

    kafka_brokers: str
    enabled: bool = True
    kafka_topic: str = "audit-events"
    batch_size_kb: int = Field(default=1, ge=1, le=10_240)
    batch_timeout_ms: int = Field(default=100, ge=1, le=60_000)
    encryption_enabled: bool = True
    relay_only: bool = False
    fallback_enabled: bool = True
    kafka_timeout_ms: int = Field(default=5_000, ge=10, le=300_000)
    max_retries: int = Field(default=3, ge=0, le=100)
    security_protocol: SecurityProtocol = "SSL"
    kafka_config: KafkaConfig | None = None
    kafka_options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    encryption_config: SerializeAsAny[EncryptionConfig] | None = None
    storage_config: SerializeAsAny[StorageConfig] | None = None
    signing_config: SigningConfig | None = None
    trust_file: Path | None = None
    checkpoint_format: Literal[1, 2] = 2
    checkpoint_heartbeat_seconds: float = Field(default=300.0, ge=0, le=86_400)

    storage_secret: SecretStr | None = None
    storage_secret_file: Path | None = None
    former_storage_secrets: tuple[SecretStr, ...] = ()
    former_storage_secret_files: tuple[Path, ...] = ()
    spool_path: Path | None = None
    spool_format: Literal[3, 4] = 4
    spool_max_bytes: int = Field(default=1 << 30, ge=1 << 20)
    wait_for: WaitFor = "accepted"
    queue_max_events: int = Field(default=100_000, ge=1, le=10_000_000)
    queue_max_bytes: int = Field(default=64 << 20, ge=1 << 16)
    queue_full_timeout_ms: int = Field(default=5_000, ge=0, le=3_600_000)
    max_event_bytes: int = Field(default=256 << 10, ge=1 << 10, le=64 << 20)

    data_key_max_age_seconds: float = Field(default=3_600.0, gt=0, le=7 * 86_400)
    data_key_max_uses: int = Field(default=1_000_000, ge=1, le=1 << 31)
    data_key_max_bytes: int = Field(default=1 << 30, ge=1 << 10, le=1 << 36)
    data_key_grace_seconds: float = Field(default=900.0, ge=0, le=86_400)
    data_key_wait_ms: int = Field(default=5_000, ge=0, le=3_600_000)

    key_mode: Literal["clear", "hmac"] = "clear"
    key_hmac_secret: SecretStr | None = None
    key_hmac_secret_file: Path | None = None
    clear_fields: tuple[str, ...] = ()
    hide_event_type: bool = False
    disclosable: bool = False
    scrub: bool = False
    scrub_keys: tuple[str, ...] = ()
    scrub_spared_keys: tuple[str, ...] = ()
    event_policies: tuple[EventPolicyConfig, ...] = ()
    shared_streams: SharedStreamsConfig | None = None
    subject_keys: SubjectKeysConfig | None = None
    trace_batches: bool = False
    self_audit: bool = False
    read_audit: ReadAudit = "required"
    disable_core_dumps: bool = False

    fallback_sibling_keys: tuple[str, ...] = ()
    accept_unmarked_until: datetime | None = None
    fallback_object_format: Literal[1, 2] = 2
    fallback_object_bytes: int = Field(default=8 << 20, ge=1 << 10, le=64 << 20)
    fallback_object_seconds: float = Field(default=5.0, gt=0, le=3_600)
    replay_max_events_per_second: int = Field(default=50_000, ge=1, le=10_000_000)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_kafka_config(cls, values: Any) -> Any:
        """Let ``kafka_config`` fill the flat fields that are absent or at their default."""
        if not isinstance(values, Mapping):
            return values
        merged = dict(values)
        # Before validation, because `kafka_brokers` is required and may be given as `kafka_config.brokers` alone.
        for flat, nested in (("kafka_brokers", "brokers"), ("kafka_topic", "topic")):
            given = _nested_value(merged.get("kafka_config"), nested)
            default = cls.model_fields[flat].get_default()
            if given is not None and merged.get(flat, default) in (None, default):
                merged[flat] = given
        if is_off(merged.get("enabled", True)):
            merged.setdefault("kafka_brokers", "memory:")
        return merged

    @field_validator("kafka_brokers")
    @classmethod
    def _names_hosts_and_ports(cls, value: str) -> str:
        if value.strip() in LOCAL_BROKERS:
            return value.strip()
        for broker in value.split(","):
            match = _BROKER.fullmatch(broker.strip())
            if not match or not 0 < int(match[1]) < 1 << 16:
                raise ConfigurationError(Problem("", "is not host:port,host:port", "write each broker as host:port"))
        return ",".join(broker.strip() for broker in value.split(","))

    @field_validator("kafka_topic")
    @classmethod
    def _is_a_legal_topic(cls, value: str) -> str:
        if not _TOPIC.fullmatch(value) or value in {".", ".."}:
            raise ConfigurationError(
                Problem("", "is not a legal Kafka topic name", "use 1 to 249 of a-z A-Z 0-9 . _ and -")
            )
        return value

    @field_validator("encryption_config", mode="before")
    @classmethod
    def _may_be_a_third_partys(cls, value: Any) -> Any:
        """Build the configuration class of a registered provider, when the values are a plain mapping."""
        if not isinstance(value, Mapping):
            return value
        return ENCRYPTION.config_class(str(value.get("provider", "")), EncryptionConfig)(**value)

    @field_validator("storage_config", mode="before")
    @classmethod
    def _may_be_a_third_partys_store(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return STORAGE.config_class(str(value.get("provider", "")), StorageConfig)(**value)

    @field_validator("clear_fields")
    @classmethod
    def _can_be_shown(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = sorted(CLEAR_ATTRIBUTES.values())
        unknown = [name for name in value if name not in known]
        if unknown:
            raise ConfigurationError(Problem("", f"cannot show {', '.join(unknown)}", f"use: {', '.join(known)}"))
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _reports_absent_sections_too(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Name absent sections beside the problems of single fields, so that everything is reported at once."""
        try:
            return handler(values)
        except ValidationError as exc:
            problems = problems_of(exc)
            named = {problem.field for problem in problems}
            absent = [problem for problem in _absent_sections(values) if problem.field not in named]
            raise ConfigurationError(*problems, *absent) from None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*self._disagreements(), *_absent_sections(self.__dict__), *self._unfit_keys()]
        if self.storage_secret is not None and self.storage_secret_file is not None:
            problems.append(Problem("storage_secret_file", "is given beside storage_secret", "keep one of them"))
        if self.relay_only and self.self_audit:
            reason = "is true, and relay_only is: a relay has no key to seal events of its own"
            problems.append(Problem("self_audit", reason, "set it to false"))
        if self.disclosable and not self.encryption_enabled:
            reason = "is true, and encryption_enabled is false: there is nothing to disclose of what anyone can read"
            problems.append(Problem("disclosable", reason, "set it to false, or seal the events"))
        problems += [*self._unfit_sharing(), *problems_of_subject_keys(self)]
        if self.data_key_max_bytes < self.max_event_bytes:
            problems.append(Problem("data_key_max_bytes", "is smaller than max_event_bytes", "raise it"))
        if problems:
            raise ConfigurationError(*problems)
        if self.kafka_config and self.kafka_config.has_credentials:
            # The model is frozen for users; this is the last step of its own construction.
            vars(self)["security_protocol"] = _WITH_SASL.get(self.security_protocol, self.security_protocol)
        return self

    @property
    def local_mode(self) -> LocalMode | None:
        """What happens to events that are not sent: ``memory``, ``console`` or ``off``; None where brokers are named."""
        return mode_of(brokers=self.kafka_brokers, enabled=self.enabled)

    def _disagreements(self) -> list[Problem]:
        # A laptop's `memory:` replaces the brokers of the file, wherever the file names them.
        if self.kafka_config is None or self.local_mode is not None:
            return []
        pairs = (
            ("kafka_brokers", self.kafka_brokers, self.kafka_config.brokers),
            ("kafka_topic", self.kafka_topic, self.kafka_config.topic),
        )
        return [
            Problem(flat, f"differs from kafka_config.{flat.removeprefix('kafka_')}", "give it once, or alike")
            for flat, ours, theirs in pairs
            if theirs is not None and ours != theirs
        ]

    def _unfit_sharing(self) -> list[Problem]:
        if self.shared_streams is None:
            return []
        problems = []
        if self.relay_only:
            reason = "is given, and relay_only is true: a relay has no key to seal events of other services"
            problems.append(Problem("shared_streams", reason, "leave out one of them"))
        if self.signing_config is not None and self.checkpoint_format == 1:
            reason = "is 1, whose checkpoints cannot name the process that logs on behalf of others"
            problems.append(Problem("checkpoint_format", reason, "set it to 2, or leave out shared_streams"))
        return problems

    def _unfit_keys(self) -> list[Problem]:
        if self.key_mode != "hmac":
            return []
        secret = self.key_hmac_secret.get_secret_value() if self.key_hmac_secret else ""
        if len(secret.encode()) >= MIN_HMAC_SECRET_BYTES:
            return []
        return [
            Problem(
                "key_hmac_secret",
                f'is required with key_mode="hmac", at least {MIN_HMAC_SECRET_BYTES} bytes',
                "read one from your secret store; every process of the trail needs the same",
            )
        ]


def _absent_sections(values: Any) -> list[Problem]:
    if not isinstance(values, Mapping) or is_local(values):
        return []
    return [
        Problem(section, f"is required while {switch} is true", remedy)
        for switch, section, remedy in _SECTIONS
        if values.get(section) is None and not is_off(values.get(switch, True)) and not _needs_none(values, section)
    ]


def _needs_none(values: Mapping[str, Any], section: str) -> bool:
    """Return whether a process needs no such section, because it only relays what is sealed already."""
    return section == "encryption_config" and is_on(values.get("relay_only", False))


def _nested_value(config: Any, name: str) -> Any:
    if isinstance(config, Mapping):
        return config.get(name)
    return getattr(config, name, None)
