"""Has a data key at hand for the sealer, and wakes those who wait for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from telemetry.config import AuditConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.exceptions import EncryptionError, KeyUnreachableError, TelemetryError

_CHECK_SECONDS = 60.0


class KeySupply:
    """The key service and the data keys of one process.

    Args:
        config: With an ``encryption_config``.
        context: What the data keys are bound to.
        on_rotated: Told, under the intake's lock, each time a key comes into use.

    Raises:
        ConfigurationError: The provider is unknown or cannot use its configuration.
    """

    def __init__(
        self, config: AuditConfig, *, context: dict[str, str], on_rotated: Callable[[ActiveKey], None]
    ) -> None:
        if config.encryption_config is None:
            message = "encryption_config is missing"
            raise ValueError(message)
        self._provider = EncryptionProviderFactory.create(config.encryption_config)
        self._wanted = threading.Lock()
        self._patience = config.data_key_wait_ms / 1_000
        self.keyring = DataKeyring(
            self._provider,
            context=context,
            max_age=config.data_key_max_age_seconds,
            max_uses=config.data_key_max_uses,
            max_bytes=config.data_key_max_bytes,
            grace=config.data_key_grace_seconds,
            on_rotated=on_rotated,
        )

    def check(self) -> None:
        """Make the trial wrap and unwrap, and fetch the first data key.

        Raises:
            EncryptionError: The key cannot be used.
        """
        self._provider.check()
        try:
            self.keyring.request().result(self._patience + _CHECK_SECONDS)
        except TimeoutError as exc:
            message = "the key service did not answer; check its endpoint and the network"
            raise KeyUnreachableError(message) from exc

    def request(self, *, on_key: Callable[[], None], on_error: Callable[[TelemetryError], None]) -> None:
        """Have one of the callbacks called when a key is there, or cannot be had; one request at a time."""
        if not self._wanted.acquire(blocking=False):
            return

        def arrived(future: Future[None]) -> None:
            self._wanted.release()
            error = future.exception()
            if error is None:
                on_key()
            else:
                on_error(error if isinstance(error, TelemetryError) else EncryptionError("no data key could be had"))

        self.keyring.request().add_done_callback(arrived)

    def missing(self) -> EncryptionError:
        """Return the error for a call that waited in vain for a data key."""
        return self.keyring.last_error or KeyUnreachableError(
            "no data key: the key service did not answer within data_key_wait_ms; the event was not logged"
        )

    def close(self) -> None:
        """Forget the keys."""
        self.keyring.close()
        self._provider.close()
