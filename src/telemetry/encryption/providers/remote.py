"""Calls key services over a network: one client, time limits, retries, and one tree of errors."""

from __future__ import annotations

import random
import threading
from abc import abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import checked_url, is_this_machine, require_certificates, require_sound_tls
from telemetry.encryption.confidential import confidential
from telemetry.encryption.provider import EncryptionProvider
from telemetry.encryption.trial import try_key
from telemetry.exceptions import ConfigurationError, KeyServiceError, MissingExtraError, Problem

SECTION = "encryption_config."
"""Path of an ``EncryptionConfig`` in the whole configuration, for errors."""

Answer = TypeVar("Answer")

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0


class RemoteKeyProvider(EncryptionProvider):
    """A key service behind an SDK, with one client that is created at the first call.

    Only this class retries: throttled and unreachable calls, ``max_retries`` times, with exponential waits and full
    jitter. The SDKs' own retries are off, so the configured limits mean what they say.

    Args:
        config: The configuration; nothing is contacted yet.

    Attributes:
        extra: Extra that brings the SDK.
        sdk: Modules without which the provider cannot work.
        body_loggers: Loggers of the SDK that write the bodies of requests or answers.
    """

    extra: ClassVar[str]
    sdk: ClassVar[tuple[str, ...]]
    body_loggers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: EncryptionConfig) -> None:
        self.config = config
        require_sdk(f"the provider {config.provider!r}", self.sdk, self.extra)
        require_sound_tls()
        if config.ca_path is not None:
            require_certificates(config.ca_path, field=f"{SECTION}ca_path")
        self._timeout = config.timeout_ms / 1_000
        self._connecting = threading.Lock()
        self._client: Any = None
        self._closing = threading.Event()

    def check(self) -> None:
        """Wrap and unwrap a trial key (only wrap it with ``writer_only``)."""
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
        """Call the service, again after a passing fault, and translate its errors.

        Args:
            ask: Called with the client.
            doing: The call and its key, for messages.
        """
        for attempt in range(self.config.max_retries):
            try:
                return self._ask_once(ask, doing)
            except KeyServiceError as exc:
                if not exc.retriable:
                    raise
            wait = random.uniform(0.0, min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt))  # noqa: S311 - jitter
            # Ends at once when the provider is closed; the next attempt then says so.
            self._closing.wait(wait)
        return self._ask_once(ask, doing)

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
        if client is not None:
            return client
        with self._connecting:
            # Another thread may have connected while this one waited for the lock.
            if self._client is None:
                self._client = self._connect()
            return self._client


def require_sdk(feature: str, modules: tuple[str, ...], extra: str) -> None:
    """Raise ``MissingExtraError`` if one of the modules cannot be imported."""
    for module in modules:
        try:
            is_there = find_spec(module) is not None
        except ModuleNotFoundError:  # a parent package is absent
            is_there = False
        if not is_there:
            raise MissingExtraError(feature, extra)


def ca_file(config: EncryptionConfig) -> str | None:
    """Return the path of the PEM file with trusted authorities, or None for the SDK's own."""
    return None if config.ca_path is None else str(config.ca_path.expanduser())


def misconfigured(*, field: str, reason: str, remedy: str) -> ConfigurationError:
    """Return the error for a field of the ``EncryptionConfig``."""
    return ConfigurationError(Problem(f"{SECTION}{field}", reason, remedy))


def checked_endpoint(url: str, *, field: str) -> str:
    """Return an ``https`` URL without a slash at its end; ``http`` only for this machine.

    Raises:
        ConfigurationError: It is anything else: data keys must not cross a network in the clear.
    """
    return checked_url(
        url,
        field=f"{SECTION}{field}",
        allow_http=is_this_machine(url),
        no_tls="has no TLS, and data keys would cross the network in the clear",
    )
