"""Calls key services over a network: one client, time limits, retries, and one tree of errors."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import checked_url, is_this_machine, require_certificates, require_sound_tls
from telemetry.encryption.confidential import confidential
from telemetry.encryption.provider import EncryptionProvider
from telemetry.encryption.trial import try_key
from telemetry.exceptions import ConfigurationError, KeyCredentialsError, KeyServiceError, MissingExtraError, Problem

SECTION = "encryption_config."
"""Path of an ``EncryptionConfig`` in the whole configuration, for errors."""

Answer = TypeVar("Answer")

logger = logging.getLogger("telemetry.encryption")

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0
_RENEW_SECONDS = 5.0
"""Pause between two renewals: each reads files anew, and may ask a server for a role or a token."""


class RemoteKeyProvider(EncryptionProvider):
    """A key service behind an SDK, with one client that is created at the first call.

    Only this class retries: throttled and unreachable calls, ``max_retries`` times, with exponential waits and full
    jitter. The SDKs' own retries are off, so the configured limits mean what they say.

    SDKs read some credentials once, when the client is created. So after a refusal of the credentials the client is
    created anew, and asked again, before the refusal counts.

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
        self._renewed_at = -math.inf

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
        client = None
        try:
            client = self._with_client(self._connected, doing)
            return self._with_client(lambda: ask(client), doing)
        except KeyCredentialsError:
            renewed = self._renewed(client, doing)
            if renewed is None:
                raise
        return self._with_client(lambda: ask(renewed), doing)

    def _with_client(self, call: Callable[[], Answer], doing: str) -> Answer:
        """Make a call that uses the SDK, and translate its errors."""
        try:
            with confidential(*self.body_loggers):
                return call()
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

    def _renewed(self, refused: Any, doing: str) -> Any:
        """Return a client with credentials that are read anew, or None where that was done a moment ago, or fails.

        Args:
            refused: The client whose credentials were refused; None if there was none.
            doing: The call and its key, for messages.
        """
        with self._connecting:
            if self._client is not None and self._client is not refused:
                # Another thread has renewed it meanwhile.
                return self._client
            now = time.monotonic()
            if now - self._renewed_at < _RENEW_SECONDS or self._closing.is_set():
                return None
            self._renewed_at = now
            try:
                # The former one is not closed: other threads may be in the middle of a call.
                self._client = self._with_client(self._connect, doing)
            except (KeyServiceError, ConfigurationError) as exc:
                # A file may be half written at this moment.
                logger.warning("the credentials could not be read again: %s", exc)
                return None
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
