"""Checks one address of a Kafka cluster step by step, so that each way to fail has its own name.

A client of Kafka sees little: with TLS 1.3 a broker that refuses the client's certificate says so only after the
handshake, and a plaintext port just hangs up. So this connects with Python's own TLS, which distinguishes verification
errors from alerts (RFC 8446, 6.2), and asks the plain port which protocol it speaks.
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from dataclasses import dataclass

from cryptography.x509 import load_der_x509_certificate

from telemetry.config.kafka import SaslMechanism, SecurityProtocol
from telemetry.kafka.diagnose import wire
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Kind
from telemetry.kafka.diagnose.identity import TlsIdentity

# OpenSSL's X509_V_ERR_ codes (x509_vfy.h).
_EXPIRED = frozenset({9, 10})
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
_WRONG_NAME = frozenset({62, 63, 64})

_NO_SASL_HERE = 34
_ALERT_SECONDS = 1.0
_HANDSHAKE, _REQUEST = "the TLS handshake", "a request"
_CERTIFICATE_ALERTS = (
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "UNSUPPORTED_CERTIFICATE",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
)
_NOT_TLS_REASONS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


class _HungUpError(Exception):
    """The broker closed the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """Facts about an address that can be used.

    Attributes:
        address: ``host:port``.
        tls: TLS version, or None without TLS.
        certificate_ends: When the broker's certificate expires, in UTC, or None without TLS.
    """

    address: str
    tls: str | None = None
    certificate_ends: dt.datetime | None = None


class ListenerProbe:
    """One check of one address.

    Args:
        address: ``host:port``, or ``[IPv6]:port``.
        protocol: Protocol that the configuration expects there.
        mechanism: SASL mechanism.
        identity: This client's certificate and the authorities it trusts.
        timeout: Seconds for each step.
    """

    def __init__(
        self,
        address: str,
        *,
        protocol: SecurityProtocol,
        mechanism: SaslMechanism,
        identity: TlsIdentity,
        timeout: float,
    ) -> None:
        self._address = address
        host, _, port = address.rpartition(":")
        self._host = host.strip("[]")
        self._port = int(port)
        self._protocol = protocol
        self._mechanism = mechanism
        self._identity = identity
        self._timeout = timeout

    def run(self) -> ListenerFacts:
        """Connect, shake hands, and ask what Kafka answers before authentication.

        A connection that is closed without an answer is tried once more: the broker may just have restarted.

        Raises:
            DiagnosedError: The address cannot be used; it names the cause.
        """
        try:
            return self._check_steps()
        except _HungUpError:
            pass
        try:
            return self._check_steps(listen_first=True)
        except _HungUpError as exc:
            raise self._hung_up() from exc

    def _check_steps(self, *, listen_first: bool = False) -> ListenerFacts:
        # 1. A connection.
        with self._connect() as plain:
            # 2. Without TLS: Kafka's protocol at once.
            if not self._protocol.endswith("SSL"):
                self._speak(plain, over_tls=False)
                return ListenerFacts(self._address)
            # 3. With TLS: the handshake, which verifies the broker; then the protocol, in which a broker that requires
            #    a client certificate first reports its absence.
            with self._shake_hands(plain) as secure:
                if listen_first:
                    self._listen(secure)
                self._speak(secure, over_tls=True)
                der = secure.getpeercert(binary_form=True)
                ends = load_der_x509_certificate(der).not_valid_after_utc if der else None
                return ListenerFacts(self._address, secure.version(), ends)

    def _listen(self, secure: ssl.SSLSocket) -> None:
        """Give an alert time to arrive: anything sent after a handshake that the broker refuses would lose it."""
        secure.settimeout(_ALERT_SECONDS)
        try:
            if not secure.recv(1):
                raise _HungUpError
        except TimeoutError:
            pass
        except ssl.SSLEOFError as exc:
            raise _HungUpError from exc
        except ssl.SSLError as exc:
            raise self._alerted(exc) from exc
        except OSError as exc:
            raise _HungUpError from exc
        secure.settimeout(self._timeout)

    def _connect(self) -> socket.socket:
        try:
            return socket.create_connection((self._host, self._port), self._timeout)
        except socket.gaierror as exc:
            message = f"the host name of {self._address} cannot be resolved"
            raise DiagnosedError(Kind.UNREACHABLE, message) from exc
        except OSError as exc:
            why = f"no answer in {self._timeout:g} s" if isinstance(exc, TimeoutError) else exc.strerror or str(exc)
            raise DiagnosedError(Kind.UNREACHABLE, f"nothing answers at {self._address}: {why}") from exc

    def _shake_hands(self, plain: socket.socket) -> ssl.SSLSocket:
        try:
            return self._identity.context.wrap_socket(plain, server_hostname=self._host)
        except ssl.SSLCertVerificationError as exc:
            raise self._untrusted(exc) from exc
        except TimeoutError as exc:
            raise self._silent(_HANDSHAKE) from exc
        except ssl.SSLEOFError as exc:  # closed in the middle: as a plaintext listener does
            raise self._without_tls() from exc
        except ssl.SSLError as exc:
            if any(name in (exc.reason or "") for name in _NOT_TLS_REASONS):
                raise self._without_tls() from exc
            raise self._alerted(exc) from exc
        except OSError as exc:
            raise self._without_tls() from exc

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> DiagnosedError:
        code = error.verify_code
        if code in _EXPIRED:
            return DiagnosedError(Kind.EXPIRED_CERTIFICATE, f"the certificate of {self._address} is not valid now")
        if code in _WRONG_NAME:
            message = f"the certificate of {self._address} is for another host than {self._host!r}"
            return DiagnosedError(Kind.WRONG_HOST_NAME, message)
        if code in _UNKNOWN_ISSUER:
            message = f"the certificate of {self._address} was issued by an authority that is not trusted here"
            return DiagnosedError(Kind.UNKNOWN_CA, message, remedy="set ssl_ca_location to the brokers' authority")
        return DiagnosedError(Kind.TLS_FAILED, f"the certificate of {self._address} is refused: {error.verify_message}")

    def _without_tls(self) -> DiagnosedError:
        """Return the cause of a handshake that was cut short: ask the port which protocol it speaks instead."""
        try:
            with self._connect() as plain:
                wire.ask_versions(plain)
        except wire.NotKafkaError as exc:
            if not exc.is_tls:
                return DiagnosedError(Kind.NOT_TLS, f"{self._address} speaks neither TLS nor Kafka's protocol")
        except (wire.NoAnswerError, OSError):
            pass  # no plain Kafka either: the handshake itself was refused
        else:
            return DiagnosedError(Kind.NOT_TLS, f"{self._address} speaks Kafka's protocol without TLS")
        return DiagnosedError(Kind.TLS_FAILED, f"{self._address} closed the connection during the TLS handshake")

    def _alerted(self, error: ssl.SSLError) -> DiagnosedError:
        """Return the cause of an alert with which the broker ended TLS (RFC 8446, 6.2)."""
        reason = error.reason or ""
        if not any(reason.endswith(alert) for alert in _CERTIFICATE_ALERTS):
            what = reason.lower().replace("_", " ") or "without a reason"
            return DiagnosedError(Kind.TLS_FAILED, f"{self._address} refused the TLS handshake: {what}")
        return self._certificate_refused()

    def _certificate_refused(self) -> DiagnosedError:
        # Brokers send one alert for many reasons: what this side knows of its certificate says which it is.
        validity = self._identity.validity
        if validity is None:
            message = f"{self._address} requires a client certificate and none is configured"
            return DiagnosedError(Kind.NO_CLIENT_CERTIFICATE, message)
        now = dt.datetime.now(dt.UTC)
        if not validity[0] <= now <= validity[1]:
            message = (
                f"{self._address} refused this client's certificate, which is valid from {validity[0]:%Y-%m-%d} "
                f"to {validity[1]:%Y-%m-%d} only"
            )
            return DiagnosedError(Kind.EXPIRED_CERTIFICATE, message)
        message = f"{self._address} does not accept this client's certificate: its authority is not trusted there"
        return DiagnosedError(Kind.UNKNOWN_CA, message)

    def _speak(self, connection: socket.socket, *, over_tls: bool) -> None:
        try:
            wire.ask_versions(connection)
        except wire.NotKafkaError as exc:
            if exc.is_tls and not over_tls:
                raise DiagnosedError(Kind.TLS_EXPECTED, f"{self._address} speaks TLS") from exc
            raise DiagnosedError(Kind.NOT_KAFKA, f"{self._address} does not speak Kafka's protocol") from exc
        except TimeoutError as exc:
            raise self._silent(_REQUEST) from exc
        except ssl.SSLError as exc:
            if isinstance(exc, ssl.SSLEOFError):
                raise _HungUpError from exc
            raise self._alerted(exc) from exc
        except (wire.NoAnswerError, OSError) as exc:
            raise _HungUpError from exc
        self._authenticate(connection)

    def _hung_up(self) -> DiagnosedError:
        if not self._protocol.endswith("SSL"):
            return DiagnosedError(Kind.NOT_KAFKA, f"{self._address} closed the connection instead of answering")
        if self._identity.certificate is None:
            # The alert is lost if the connection is reset right after it.
            message = f"{self._address} closed the connection after a TLS handshake without a client certificate"
            return DiagnosedError(Kind.NO_CLIENT_CERTIFICATE, message)
        validity = self._identity.validity
        if validity is not None and not validity[0] <= dt.datetime.now(dt.UTC) <= validity[1]:
            return self._certificate_refused()
        message = f"{self._address} closed the connection after the TLS handshake without a reason"
        return DiagnosedError(Kind.UNRESPONSIVE, message)

    def _authenticate(self, connection: socket.socket) -> None:
        """Ask which authentication the listener requires; no credential is sent."""
        try:
            if self._protocol.startswith("SASL"):
                self._offer_mechanism(connection)
            else:
                wire.ask_metadata(connection)
        except TimeoutError as exc:
            raise self._silent(_REQUEST) from exc
        except (wire.NoAnswerError, wire.NotKafkaError, OSError) as exc:
            if self._protocol.startswith("SASL"):
                raise DiagnosedError(
                    Kind.NOT_KAFKA, f"{self._address} closed the connection when asked for SASL"
                ) from exc
            raise DiagnosedError(Kind.SASL_EXPECTED, f"{self._address} requires SASL credentials") from exc

    def _offer_mechanism(self, connection: socket.socket) -> None:
        code, mechanisms = wire.ask_mechanism(connection, self._mechanism)
        if code == _NO_SASL_HERE:
            raise DiagnosedError(Kind.SASL_NOT_OFFERED, f"{self._address} accepts no SASL credentials")
        if code != 0:
            # The list comes from the broker, unverified: only names that look like mechanisms are repeated.
            offered = ", ".join(name for name in mechanisms if name.replace("-", "").isalnum()) or "none"
            message = f"{self._address} does not offer {self._mechanism}; it offers: {offered[:200]}"
            raise DiagnosedError(Kind.UNSUPPORTED_MECHANISM, message)

    def _silent(self, during: str) -> DiagnosedError:
        message = f"{self._address} accepts connections but did not answer {during} in {self._timeout:g} s"
        return DiagnosedError(Kind.UNRESPONSIVE, message)
