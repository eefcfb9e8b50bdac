"""Names every cause for which this process may be unable to use Kafka, and its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from telemetry.exceptions import (
    RecordTooLargeError,
    TransportAuthenticationError,
    TransportAuthorizationError,
    TransportError,
    TransportTLSError,
    UnknownTopicError,
)


class Kind(StrEnum):
    """The causes; their values are stable and appear in logs, in ``telemetry doctor --json`` and in docs/kafka.md."""

    OK = "ok"
    CONFIGURATION = "configuration"
    UNUSABLE_CERTIFICATE = "unusable_certificate"
    UNREACHABLE = "unreachable"
    UNRESPONSIVE = "unresponsive"
    NOT_KAFKA = "not_kafka"
    NOT_TLS = "not_tls"
    TLS_EXPECTED = "tls_expected"
    TLS_FAILED = "tls_failed"
    NO_CLIENT_CERTIFICATE = "no_client_certificate"
    UNKNOWN_CA = "unknown_ca"
    WRONG_HOST_NAME = "wrong_host_name"
    EXPIRED_CERTIFICATE = "expired_certificate"
    SASL_EXPECTED = "sasl_expected"
    SASL_NOT_OFFERED = "sasl_not_offered"
    UNSUPPORTED_MECHANISM = "unsupported_mechanism"
    NO_TOKEN = "no_token"  # noqa: S105 - the name of a cause
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - the name of a cause
    NO_ACL = "no_acl"
    UNKNOWN_TOPIC = "unknown_topic"
    RECORD_TOO_LARGE = "record_too_large"
    TOO_FEW_REPLICAS = "too_few_replicas"


_REMEDIES: dict[Kind, str] = {
    Kind.CONFIGURATION: "correct the configuration",
    Kind.UNUSABLE_CERTIFICATE: "check that key, certificate and ssl_key_password belong together",
    Kind.UNREACHABLE: "check kafka_brokers, that the brokers run, and the firewall between",
    Kind.UNRESPONSIVE: "check whether the broker is frozen or overloaded, or a firewall drops its answers",
    Kind.NOT_KAFKA: "check the port in kafka_brokers",
    Kind.NOT_TLS: "use the port of a TLS listener, or security_protocol PLAINTEXT or SASL_PLAINTEXT if that is intended",
    Kind.TLS_EXPECTED: "set security_protocol to SSL or SASL_SSL",
    Kind.TLS_FAILED: "compare the TLS versions, cipher suites and certificates of both sides",
    Kind.NO_CLIENT_CERTIFICATE: "set ssl_certificate_location and ssl_key_location in kafka_config",
    Kind.UNKNOWN_CA: "add the authority that issued the certificate to those that the other side trusts",
    Kind.WRONG_HOST_NAME: "use the host name in the broker's certificate, or have the other name added to it",
    Kind.EXPIRED_CERTIFICATE: "renew the certificate, and check this machine's clock",
    Kind.SASL_EXPECTED: "set username, password and mechanism in kafka_config, or use a listener without SASL",
    Kind.SASL_NOT_OFFERED: "remove the credentials from kafka_config, or use the port of a SASL listener",
    Kind.UNSUPPORTED_MECHANISM: "set mechanism to one that the listener offers",
    Kind.NO_TOKEN: "check oauth_token_url, oauth_client_id and oauth_client_secret, and that the endpoint answers",
    Kind.WRONG_PASSWORD: "check user name, password and mechanism in kafka_config",
    Kind.NO_ACL: "allow this principal WRITE and DESCRIBE on the topic",
    Kind.UNKNOWN_TOPIC: "create the topic: telemetry topic create",
    Kind.RECORD_TOO_LARGE: "raise the topic's max.message.bytes or lower max_event_bytes",
    Kind.TOO_FEW_REPLICAS: "bring the missing brokers back, or lower the topic's min.insync.replicas",
}

# A kind that is not here is a plain TransportError: it may pass without a change of the configuration.
_CLASSES: dict[Kind, type[TransportError]] = {
    Kind.UNUSABLE_CERTIFICATE: TransportTLSError,
    Kind.NOT_TLS: TransportTLSError,
    Kind.TLS_EXPECTED: TransportTLSError,
    Kind.TLS_FAILED: TransportTLSError,
    Kind.NO_CLIENT_CERTIFICATE: TransportTLSError,
    Kind.UNKNOWN_CA: TransportTLSError,
    Kind.WRONG_HOST_NAME: TransportTLSError,
    Kind.EXPIRED_CERTIFICATE: TransportTLSError,
    Kind.SASL_EXPECTED: TransportAuthenticationError,
    Kind.SASL_NOT_OFFERED: TransportAuthenticationError,
    Kind.UNSUPPORTED_MECHANISM: TransportAuthenticationError,
    Kind.NO_TOKEN: TransportAuthenticationError,
    Kind.WRONG_PASSWORD: TransportAuthenticationError,
    Kind.NO_ACL: TransportAuthorizationError,
    Kind.UNKNOWN_TOPIC: UnknownTopicError,
    Kind.RECORD_TOO_LARGE: RecordTooLargeError,
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One cause, in words for an operator.

    Attributes:
        kind: Name of the cause.
        message: Observation with its address or topic; never a secret.
        remedy: Advice; empty where nothing is wrong.
    """

    kind: Kind
    message: str
    remedy: str = ""

    @classmethod
    def of(cls, kind: Kind, message: str, *, remedy: str = "") -> Diagnosis:
        """Return a diagnosis with the usual remedy of its kind unless another is given."""
        return cls(kind, message, remedy or _REMEDIES.get(kind, ""))

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.kind is Kind.OK

    def error(self) -> TransportError:
        """Return it as the error to raise."""
        return _CLASSES.get(self.kind, TransportError)(str(self))

    def __str__(self) -> str:
        cause = f"{self.message} [{self.kind.value}]"
        return f"{cause}; {self.remedy}" if self.remedy else cause


class DiagnosedError(Exception):
    """Ends an examination with its cause.

    Args:
        kind: Name of the cause.
        message: Observation with its address or topic.
        remedy: Advice where the usual one does not fit.
    """

    def __init__(self, kind: Kind, message: str, *, remedy: str = "") -> None:
        self.diagnosis = Diagnosis.of(kind, message, remedy=remedy)
        super().__init__(str(self.diagnosis))
