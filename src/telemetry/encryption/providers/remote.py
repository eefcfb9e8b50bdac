"""What key services reached over a network have in common: retries, time limits, endpoints, a trial of the key."""

from __future__ import annotations

import hmac
import ipaddress
import random
import ssl
import threading
from abc import abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from telemetry.config import EncryptionConfig
from telemetry.encryption.confidential import confidential
from telemetry.encryption.provider import Context, EncryptionProvider
from telemetry.exceptions import (
    ConfigurationError,
    KeyMismatchError,
    KeyServiceError,
    KeyUnreachableError,
    MissingExtraError,
    Problem,
)

Answer = TypeVar("Answer")

TRIAL_CONTEXT: Context = {
    "service": "telemetry-check",
    "environment": "telemetry-check",
    "purpose": "telemetry-audit",
    "format": "1",
}
"""The context of ``check()``. A key policy with conditions on the context must admit it."""
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0


def try_key(provider: EncryptionProvider, *, writer_only: bool) -> None:
    """Wrap a data key and, unless ``writer_only``, unwrap it again.

    Raises:
        KeyServiceError: The key cannot be used; the subclass tells why.
    """
    made = provider.generate_data_key(TRIAL_CONTEXT)
    if writer_only:
        return
    if not hmac.compare_digest(provider.unwrap(made.wrapped, made.key_uri, TRIAL_CONTEXT), made.plaintext):
        message = f"{made.key_uri} unwrapped a trial key to other bytes than it had wrapped; do not use it"
        raise KeyMismatchError(message)


class RemoteKeyProvider(EncryptionProvider):
    """A key service behind an SDK of which one client is made at the first call.

    Only this class retries: throttled and unreachable calls, ``max_retries`` times, with exponential waits and full
    jitter. The SDKs' own retries are off, so the configured limits mean what they say.

    Args:
        config: The configuration; nothing is contacted yet.

    Attributes:
        extra: Extra that brings the SDK.
        sdk: Modules without which the provider cannot work.
        body_loggers: Loggers of the SDK that write bodies of requests or answers.
    """

    extra: ClassVar[str]
    sdk: ClassVar[tuple[str, ...]]
    body_loggers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: EncryptionConfig) -> None:
        self.config = config
        require_sdk(f"the provider {config.provider!r}", self.sdk, self.extra)
        require_ca(config)
        self._timeout = config.timeout_ms / 1_000
        self._connecting = threading.Lock()
        self._client: Any = None
        self._closing = threading.Event()

    def check(self) -> None:
        """Make a trial wrap and unwrap (a trial wrap only with ``writer_only``)."""
        try_key(self, writer_only=self.config.writer_only)

    def close(self) -> None:
        """Release the connection and end every wait for a retry. Calling it twice is fine."""
        self._closing.set()
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            self._disconnect(client)

    @abstractmethod
    def _connect(self) -> Any:
        """Return the SDK's client."""

    @abstractmethod
    def _disconnect(self, client: Any) -> None:
        """Close the SDK's client."""

    @abstractmethod
    def _translate(self, error: Exception, doing: str) -> KeyServiceError | None:
        """Return this library's error for the SDK's, or None for one that is not the SDK's."""

    def _call(self, ask: Callable[[Any], Answer], *, doing: str) -> Answer:
        """Ask the service, again after a passing fault, and translate its errors.

        Args:
            ask: Is given the client.
            doing: What is asked of which key, for messages.
        """
        for attempt in range(self.config.max_retries + 1):
            try:
                return self._ask_once(ask, doing)
            except KeyServiceError as exc:
                if not exc.retriable or attempt == self.config.max_retries:
                    raise
            wait = random.uniform(0.0, min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt))  # noqa: S311 - jitter
            self._closing.wait(wait)
        message = "unreachable code"  # pragma: no cover - the last attempt returns or raises
        raise AssertionError(message)

    def _ask_once(self, ask: Callable[[Any], Answer], doing: str) -> Answer:
        if self._closing.is_set():
            message = f"{doing} is not possible: the provider is closed"
            raise KeyServiceError(message)
        try:
            with confidential(*self.body_loggers):
                return ask(self._connected())
        except (KeyServiceError, ConfigurationError):
            raise
        except Exception as exc:
            error = self._translate(exc, doing)
            if error is None:
                raise
            raise error from exc

    def _connected(self) -> Any:
        client = self._client
        if client is None:
            with self._connecting:
                client = self._client
                if client is None:
                    client = self._client = self._connect()
        return client


def require_sdk(feature: str, modules: tuple[str, ...], extra: str) -> None:
    """Raise ``MissingExtraError`` if one of the modules cannot be imported."""
    for module in modules:
        try:
            found = find_spec(module)
        except ModuleNotFoundError:  # a parent package is absent
            found = None
        if found is None:
            raise MissingExtraError(feature, extra)


def require_ca(config: EncryptionConfig) -> None:
    """Raise ``ConfigurationError`` if ``ca_path`` is set and holds no certificates: no SDK says that clearly."""
    if config.ca_path is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(config.ca_path.expanduser())
    except ssl.SSLError as exc:
        reason = "holds no certificates in PEM"
        raise misconfigured(field="ca_path", reason=reason, remedy="name a PEM file") from exc
    except OSError as exc:
        reason = f"cannot be read: {exc.strerror}"
        raise misconfigured(field="ca_path", reason=reason, remedy="name a readable PEM file") from exc


def ca_file(config: EncryptionConfig) -> str | None:
    """Return the path of the PEM file with trusted authorities, or None for the SDK's own."""
    return None if config.ca_path is None else str(config.ca_path.expanduser())


def misconfigured(*, field: str, reason: str, remedy: str) -> ConfigurationError:
    """Return the error for a field of the ``EncryptionConfig``."""
    return ConfigurationError(Problem(f"encryption_config.{field}", reason, remedy))


def checked_url(url: str, *, field: str) -> str:
    """Return an ``https`` URL without a slash at its end; ``http`` only for this machine, where emulators run.

    Raises:
        ConfigurationError: Another scheme, or anything but host, port and path: data keys must not cross a network
            in the clear.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise misconfigured(field=field, reason="is not a plain URL", remedy="write https://HOST or https://HOST:PORT")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname):
        reason = "has no TLS, and data keys would cross the network in the clear"
        raise misconfigured(field=field, reason=reason, remedy="write https://")
    return url.rstrip("/")


def require_together(config: EncryptionConfig, *fields: str) -> bool:
    """Whether all of these fields are set; ``ConfigurationError`` if only some are."""
    absent = [name for name in fields if getattr(config, name) is None]
    if absent and len(absent) < len(fields):
        given = ", ".join(name for name in fields if name not in absent)
        raise ConfigurationError(
            *(Problem(f"encryption_config.{name}", f"is required with {given}", "set it") for name in absent)
        )
    return not absent


def unreachable(
    doing: str, exc: Exception, *, remedy: str = "check the endpoint, the network and the limits"
) -> KeyUnreachableError:
    """Return the error for a service that did not answer."""
    return KeyUnreachableError(f"{doing} failed: the key service did not answer ({type(exc).__name__}); {remedy}")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
