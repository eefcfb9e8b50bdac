"""Keeps a data key ready for the sealer, and notifies the calls that wait for one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

from telemetry.audit.accept.stream import KeyWaiters
from telemetry.config import AuditConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.encryption.fetch_threads import FetchThreads
from telemetry.exceptions import EncryptionError, KeyUnreachableError, TelemetryError

_CHECK_SECONDS = 60.0


class ReadyKeys:
    """The data keys of one stream: kept ready, and requested for the calls that wait for one.

    Args:
        keyring: The keys.

    Attributes:
        keyring: As given.
    """

    def __init__(self, keyring: DataKeyring) -> None:
        self.keyring = keyring
        self._request_lock = threading.Lock()

    def request(self, waiters: KeyWaiters) -> None:
        """Fetch a data key without blocking, and notify ``waiters`` of the result; one request at a time.

        While one is on its way, further requests are dropped: its result is for every call that waits.
        """
        if not self._request_lock.acquire(blocking=False):
            return

        def finish(future: Future[None]) -> None:
            # Released first: the waiters may need a further key at once, when this one has few uses.
            self._request_lock.release()
            error = future.exception()
            if error is None:
                waiters.key_arrived()
            elif isinstance(error, TelemetryError):
                waiters.key_unavailable(error)
            else:
                waiters.key_unavailable(EncryptionError("no data key is available"))

        self.keyring.request().add_done_callback(finish)

    def missing(self) -> EncryptionError:
        """Return the error for a call that timed out waiting for a data key."""
        return self.keyring.last_error or KeyUnreachableError(
            "no data key: the key service did not answer within data_key_wait_ms; the event was not logged"
        )

    def close(self) -> None:
        """Forget the keys."""
        self.keyring.close()


class KeySupply(ReadyKeys):
    """The key service and the data keys of one process.

    Args:
        config: Configuration with an ``encryption_config``.
        context: What the data keys are bound to.

    Raises:
        ConfigurationError: The provider is unknown or cannot use its configuration.

    Attributes:
        keyring: The data keys of events that have a place in the stream.
        row_keyring: The data keys of outbox rows, which seal nothing else; the first one is fetched when it is asked for.
    """

    def __init__(self, config: AuditConfig, *, context: dict[str, str]) -> None:
        if config.encryption_config is None:
            message = "encryption_config is missing"
            raise ValueError(message)
        self._config = config
        self._provider = EncryptionProviderFactory.create(config.encryption_config)
        # Without them, a thousand streams that begin at once would ask the key service a thousand times at once.
        self._threads = FetchThreads() if config.shared_streams is not None else None
        self._patience = config.data_key_wait_ms / 1_000
        self._keeps_rotations = config.self_audit
        self._rotations: deque[tuple[str, str]] = deque()
        super().__init__(self._new_keyring(context))
        self.row_keyring = self._new_keyring(context)

    @property
    def provider(self) -> EncryptionProvider:
        """The key service."""
        return self._provider

    def check(self) -> None:
        """Wrap and unwrap a trial key, and fetch the first data key.

        Raises:
            EncryptionError: The key cannot be used.
        """
        self._provider.check()
        try:
            self.keyring.request().result(self._patience + _CHECK_SECONDS)
        except TimeoutError as exc:
            message = "the key service did not answer; check its endpoint and the network"
            raise KeyUnreachableError(message) from exc

    def for_stream(self, context: dict[str, str]) -> ReadyKeys:
        """Return the data keys of another stream; the first one is fetched when it is asked for.

        Args:
            context: What its data keys are bound to.
        """
        return ReadyKeys(self._new_keyring(context))

    def take_rotations(self) -> Iterator[tuple[str, str]]:
        """Yield key id and KEK URI of each data key that came into use since the last call; kept for the self-audit only."""
        while self._rotations:
            try:
                yield self._rotations.popleft()
            except IndexError:  # another thread took the last one at this moment
                return

    def close(self) -> None:
        """Forget the keys."""
        super().close()
        self.row_keyring.close()
        if self._threads is not None:
            self._threads.close()
        self._provider.close()

    def key_rotated(self, key: ActiveKey) -> None:
        """Remember that a data key came into use; called by the keyring."""
        # Under a lock of the intake or of the outbox, so nothing can be logged here. Only names are kept, never the key.
        if self._keeps_rotations:
            self._rotations.append((key.kid, key.key_uri))

    def _new_keyring(self, context: dict[str, str]) -> DataKeyring:
        config = self._config
        return DataKeyring(
            self._provider,
            context=context,
            max_age=config.data_key_max_age_seconds,
            max_uses=config.data_key_max_uses,
            max_bytes=config.data_key_max_bytes,
            grace=config.data_key_grace_seconds,
            listener=self,
            threads=self._threads,
        )
