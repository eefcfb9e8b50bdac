"""Translates the configuration into librdkafka's settings, and refuses by name any that would weaken a promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from telemetry.config import AuditConfig, KafkaConfig
from telemetry.config.endpoints import require_sound_tls
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.kafka.extra_options import passed_to_every_client, refused_settings
from telemetry.system.file_trust import FileFault, find_fault, is_readable_by_all

_TLS_12_SUITES = "DEFAULT:!SSLv3:!TLSv1:!aNULL:!PSK:@SECLEVEL=2"
"""Suites that exist in TLS 1.2 and later alone: librdkafka has no setting for the lowest version, and OPENSSL_CONF lowers
OpenSSL's own. Those of TLS 1.3 are not affected."""
_PRIVATE_FILES = frozenset({"ssl_key_location", "ssl_keystore_location"})
_FETCH_BYTES = 1 << 20
_SMALLEST_LARGEST = 16 << 20
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def common_options(config: AuditConfig) -> dict[str, Any]:
    """Return the settings that every client of this configuration needs: addresses, TLS, credentials.

    Raises:
        ConfigurationError: An empty password, a missing file, or a setting that would weaken a promise.
    """
    if config.local_mode is not None:
        reason = "names no broker: events of this configuration are not sent, and there is no trail"
        raise ConfigurationError(Problem("kafka_brokers", reason, "write host:port,host:port, and leave enabled on"))
    problems = [*refused_settings(config), *_unusable_credentials(config), *_unusable_files(config)]
    if problems:
        raise ConfigurationError(*problems)
    options: dict[str, Any] = {
        "bootstrap.servers": config.kafka_brokers,
        "security.protocol": config.security_protocol,
        "socket.timeout.ms": max(config.kafka_timeout_ms, 10),
        "socket.connection.setup.timeout.ms": max(config.kafka_timeout_ms, 1_000),
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2_000,
        "log.connection.close": False,
        "client.id": "telemetry",
    }
    if config.security_protocol.endswith("SSL"):
        require_sound_tls()
        options["ssl.endpoint.identification.algorithm"] = "https"
        options["ssl.cipher.suites"] = _TLS_12_SUITES
    if config.kafka_config is not None:
        options.update(_tls_options(config.kafka_config))
        options.update(_sasl_options(config.kafka_config))
    return options | passed_to_every_client(config)


def producer_options(config: AuditConfig) -> dict[str, Any]:
    """Return the settings of a producer: idempotent, acknowledged by all in-sync replicas, never given up by itself.

    The library bounds delivery itself (docs/adr/0003): when a record's time is over, all that is outstanding is taken
    back at once, so no record can overtake one that failed.
    """
    return {
        **common_options(config),
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "acks": "all",
        # Never given up by the client: it would drop one record and go on with the next of the same key.
        "message.timeout.ms": 0,
        "request.timeout.ms": max(config.kafka_timeout_ms, 1),
        "topic.metadata.propagation.max.ms": config.kafka_timeout_ms,
        "allow.auto.create.topics": False,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        "batch.size": 256 << 10,
        # Larger than our own queue, so that the client's is never the one that is full.
        "queue.buffering.max.messages": config.queue_max_events + 100_000,
        "queue.buffering.max.kbytes": (config.queue_max_bytes >> 10) + (256 << 10),
        "message.max.bytes": 1_000_000_000,
        **config.kafka_options,
    }


def consumer_options(config: AuditConfig) -> dict[str, Any]:
    """Return the settings of a reading client; it joins no group unless the caller adds one.

    It reads what transactions wrote, too, whether they were ended or not: this library never uses one, and a reader
    that waited for the end of a stranger's would see nothing of what came after its beginning.
    """
    # A writer's short time limits would cut off a reader that fetches megabytes.
    tight = {"socket.timeout.ms", "socket.connection.setup.timeout.ms"} - config.kafka_options.keys()
    return {
        **{name: value for name, value in common_options(config).items() if name not in tight},
        "allow.auto.create.topics": False,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_uncommitted",
    }


def fetch_options(config: AuditConfig) -> dict[str, Any]:
    """Return the settings of a client that fetches records; little of a topic is in its memory at any time."""
    return {
        **consumer_options(config),
        "check.crcs": True,
        "enable.partition.eof": True,
        "fetch.message.max.bytes": _FETCH_BYTES,
        "fetch.max.bytes": _FETCH_BYTES * 8,
        # An answer can be one batch of any size the topic accepts; Zstandard may unpack to this much.
        "receive.message.max.bytes": _FETCH_BYTES * 8 + 2 * largest_value(config),
        "queued.max.messages.kbytes": (_FETCH_BYTES * 16) >> 10,
        "fetch.queue.backoff.ms": 5,
        "fetch.error.backoff.ms": 100,
    }


def largest_value(config: AuditConfig) -> int:
    """Return the bytes of the largest record that a reader accepts: more than twice what this configuration writes."""
    return max(_SMALLEST_LARGEST, 2 * config.max_event_bytes + _FETCH_BYTES)


def _unusable_credentials(config: AuditConfig) -> list[Problem]:
    kafka = config.kafka_config
    if kafka is None or not kafka.has_credentials:
        if config.security_protocol.startswith("SASL"):
            return [Problem("kafka_config.username", "is required by security_protocol", "set username and password")]
        return []
    if kafka.mechanism == "OAUTHBEARER":
        return [*_absent(kafka, ("oauth_token_url", "oauth_client_id", "oauth_client_secret")), *_open_token_url(kafka)]
    return _absent(kafka, ("username", "password"))


def _absent(kafka: KafkaConfig, names: tuple[str, ...]) -> list[Problem]:
    problems = []
    for name in names:
        value = getattr(kafka, name)
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if not text:
            reason = "is empty" if value is not None else "is missing"
            problems.append(Problem(f"kafka_config.{name}", reason, f"set it, {kafka.mechanism} needs it"))
    return problems


def _open_token_url(kafka: KafkaConfig) -> list[Problem]:
    """Return a problem if the client secret would leave this machine in the clear on its way to the token address."""
    url = urlsplit(kafka.oauth_token_url or "")
    if not url.scheme or url.scheme == "https" or (url.scheme == "http" and url.hostname in _THIS_MACHINE):
        return []
    reason = "would send the client secret unencrypted" if url.scheme == "http" else "is not an https:// address"
    return [Problem("kafka_config.oauth_token_url", reason, "use https://")]


def _unusable_files(config: AuditConfig) -> list[Problem]:
    if config.kafka_config is None:
        return []
    problems = []
    names = ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location", "ssl_keystore_location")
    for name in names:
        path = getattr(config.kafka_config, name)
        if path is None:
            continue
        try:
            fault = _fault_of(path, is_private=name in _PRIVATE_FILES)
        except OSError as exc:
            fault = FileFault(path, f"cannot be read: {exc.strerror}", "check path, owner and mode")
        if fault is not None:
            problems.append(Problem(f"kafka_config.{name}", str(fault), fault.remedy))
    return problems


def _fault_of(path: Path, *, is_private: bool) -> FileFault | None:
    if not path.is_dir():  # librdkafka takes a folder of authorities, too
        with path.open("rb"):
            pass
    # Kubernetes lets the group of a pod read its keys, so the group may.
    if is_private and is_readable_by_all(path):
        return FileFault(path, "has a private key and may be read by others", f"chmod o-r {path}")
    return find_fault(path)


def _tls_options(kafka: KafkaConfig) -> dict[str, Any]:
    password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None
    key_pem = kafka.ssl_key_pem.get_secret_value() if kafka.ssl_key_pem else None
    given = {
        "ssl.ca.location": kafka.ssl_ca_location,
        "ssl.certificate.location": kafka.ssl_certificate_location,
        "ssl.key.location": kafka.ssl_key_location,
        "ssl.keystore.location": kafka.ssl_keystore_location,
        "ssl.ca.pem": kafka.ssl_ca_pem,
        "ssl.certificate.pem": kafka.ssl_certificate_pem,
        "ssl.key.pem": key_pem,
        "ssl.keystore.password" if kafka.ssl_keystore_location else "ssl.key.password": password,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _sasl_options(kafka: KafkaConfig) -> dict[str, Any]:
    if not kafka.has_credentials:
        return {}
    if kafka.mechanism == "OAUTHBEARER":
        secret = kafka.oauth_client_secret.get_secret_value() if kafka.oauth_client_secret else ""
        options = {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": kafka.oauth_token_url,
            "sasl.oauthbearer.client.id": kafka.oauth_client_id,
            "sasl.oauthbearer.client.secret": secret,
        }
        return options | ({"sasl.oauthbearer.scope": kafka.oauth_scope} if kafka.oauth_scope else {})
    return {
        "sasl.mechanism": kafka.mechanism,
        "sasl.username": kafka.username,
        "sasl.password": kafka.password.get_secret_value() if kafka.password else "",
    }
