"""Opens the keys and the store of a process, and tries them."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.sealers import Sealing, sealing_of
from telemetry.audit.accept.subject.sealing import ServiceSubjects
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.config import StorageConfig, TelemetryConfig
from telemetry.encryption.storage_keys import StorageKeys, storage_keys_of
from telemetry.exceptions import ConfigurationError, Problem, StorageError
from telemetry.format.value.message import context_of, source_of
from telemetry.storage import StorageProvider, StorageProviderFactory

if TYPE_CHECKING:
    from telemetry.encryption.subjects.keyring import SubjectKeyring

logger = logging.getLogger("telemetry.audit")

_CLEAR_SUBJECTS = Problem(
    "audit_config.subject_keys",
    "is given, and encryption_enabled is false: nothing of a subject that is logged in the clear can be forgotten",
    "seal the events, or leave it out",
)


class _Closable(Protocol):
    def close(self) -> None: ...


class Resources:
    """Keys and store, which everything else uses: a shutdown closes them last, and so does a start that fails.

    Args:
        config: The whole configuration.
        check: Whether to try what can be tried.

    Attributes:
        source: CloudEvents source of the process's own events.
        opened: Closes all of it.
    """

    def __init__(self, config: TelemetryConfig, *, check: bool) -> None:
        self._config = config
        self._audit = config.audit_config
        self._check = check
        self.source = source_of(config.environment, config.service_name)
        self.opened = ExitStack()

    def open_keys(self) -> KeySupply | None:
        """Return the data keys; None where the process encrypts nothing itself.

        Raises:
            ConfigurationError: The provider cannot use its configuration, or subjects have keys and events are in the clear.
        """
        if self._audit.relay_only:
            return None
        if not self._audit.encryption_enabled:
            if self._audit.subject_keys is not None:
                # Commands that open nothing are given such a configuration; a process that logs must not believe it.
                raise ConfigurationError(_CLEAR_SUBJECTS)
            logger.warning("encryption is off: anyone who reads the topic or the fallback store can read the events")
            return None
        keys = KeySupply(self._audit, context=context_of(self.source))
        self.opened.callback(_close, keys)
        if self._check:
            keys.check()
        return keys

    def open_subjects(self, keys: KeySupply | None) -> SubjectKeyring | None:
        """Return the keys of subjects; None where events have none."""
        if keys is None or self._audit.subject_keys is None:
            return None
        # A service whose subjects have no keys does not load this.
        from telemetry.encryption.subjects.keyring import subject_keyring_of  # noqa: PLC0415

        subjects = subject_keyring_of(self._config, keys.provider)
        if subjects is not None:
            self.opened.callback(_close, subjects)
            if self._check:
                subjects.require(self.source)
        return subjects

    def sealing(self, keys: KeySupply | None, subjects: ServiceSubjects | None = None) -> Sealing:
        """Return what seals the process's own events."""
        own = subjects.of(self.source) if subjects is not None else None
        return sealing_of(self._audit, keys, source=self.source, subjects=own)

    def open_store(self) -> StorageProvider | None:
        """Return the fallback store; None where there is none."""
        config = self._store_config
        if config is None:
            return None
        store = StorageProviderFactory.create(config)
        self.opened.callback(_close, store)
        if not self._check:
            return store
        try:
            store.check()
        except StorageError as exc:
            if exc.retriable:
                raise
            raise ConfigurationError(Problem("storage_config", str(exc))) from exc
        return store

    def open_storage_keys(self, keys: KeySupply | None, signer: CheckpointSigner | None) -> StorageKeys:
        """Return the keys of what is stored and spooled."""
        storage_keys = storage_keys_of(
            self._config,
            provider=keys.provider if keys is not None else None,
            signing_key=signer.key if signer is not None else None,
        )
        if self._store_config is not None or self._audit.spool_path is not None:
            if self._check:
                storage_keys.require()
            storage_keys.fetch_in_background()
        return storage_keys

    @property
    def _store_config(self) -> StorageConfig | None:
        # A section that is there for the commands that read stores nothing here.
        return self._audit.storage_config if self._audit.fallback_enabled else None


def _close(part: _Closable) -> None:
    try:
        part.close()
    except Exception:
        # A provider may be anybody's. The others are closed all the same, and the end or the failed start goes on.
        logger.exception("%s could not be closed; what it has open is freed when the process ends", type(part).__name__)
