"""Opens an archive for a command that changes it: store, table, signing key, and the seals that are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.archive.committing.commits import ArchiveCommits
from telemetry.archive.reading.place import archive_store_config
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.config import ArchiveConfig, TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ArchiveConflictError, ConfigurationError, FormatError, Problem
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.message import source_of
from telemetry.reader.seals.trust import own_policy
from telemetry.reader.trust import TrustPolicy, load_trust_file
from telemetry.storage import StorageProvider, StorageProviderFactory

ARCHIVER = "telemetry-archiver"
"""Service of the archiver in its source; the trust file gives its key the role archiver for that source."""

_REMEDY = "name the archiver's own key, as `telemetry keys init-signing` creates it"


@contextmanager
def open_commits(config: TelemetryConfig, uri: str | None = None) -> Iterator[ArchiveCommits]:
    """Yield what changes an archive; call :meth:`ArchiveCommits.open` before the first commit.

    Args:
        config: Names the archive, its catalog, and the key that signs.
        uri: Place of the archive, instead of that of the configuration.

    Raises:
        ConfigurationError: The configuration lacks something, or cannot be used.
        MissingExtraError: The libraries of the archive are not installed.
        StorageError: The store refused or did not answer.
        ArchiveError: The catalog refused or did not answer.
    """
    signer = archiver_key(config)
    source = archiver_source(config)
    with (
        StorageProviderFactory.create(archive_store_config(uri, config)) as store,
        open_table(config, store) as table,
    ):
        yield ArchiveCommits(
            store, table=table, signer=signer, source=source, policy=archiver_policy(config, signer, source)
        )


@contextmanager
def open_table(config: TelemetryConfig, store: StorageProvider) -> Iterator[ArchiveTable]:
    """Yield the Iceberg table of an archive, which is created where there is none.

    Raises:
        ArchiveError: The catalog refused or did not answer.
    """
    try:
        table = _open_table(config, store)
    except ArchiveConflictError:
        # Another process has created the table at the same moment: it is there now.
        table = _open_table(config, store)
    try:
        yield table
    finally:
        table.close()


def _open_table(config: TelemetryConfig, store: StorageProvider) -> ArchiveTable:
    archive = config.archive_config or ArchiveConfig()
    return ArchiveTable.open(store, catalog=archive.catalog_properties() or None, catalog_path=archive.catalog_path)


def archiver_key(config: TelemetryConfig) -> SigningKey:
    """Return the archiver's own key.

    Raises:
        ConfigurationError: None is configured, or its file cannot be used.
    """
    archive = config.archive_config
    if archive is None or archive.signing_config is None:
        raise ConfigurationError(Problem("archive_config.signing_config", "is missing", _REMEDY))
    signing = archive.signing_config
    return SigningKey.load(signing.key_path, signing.passphrase)


def archiver_source(config: TelemetryConfig) -> str:
    """Return the CloudEvents source of the archiver of an environment."""
    return source_of(config.environment, ARCHIVER)


def archiver_policy(config: TelemetryConfig, signer: SigningKey | None, source: str) -> TrustPolicy:
    """Return whose seals are continued: the archiver's own, those of its former keys, and those that the trust file names.

    Args:
        config: Names former keys and the trust file.
        signer: The archiver's own key; None for someone who signs nothing.
        source: CloudEvents source of the archiver.

    Raises:
        ConfigurationError: A former key or the trust file cannot be used.
    """
    former = config.archive_config.former_keys if config.archive_config is not None else ()
    try:
        present = () if signer is None else (signer.public_key,)
        keys = [PublicKey.parse(text) for text in (*present, *former)]
    except FormatError as exc:
        remedy = "give keys as `telemetry keys export-public` prints them"
        raise ConfigurationError(Problem("archive_config.former_keys", str(exc), remedy)) from exc
    own, file = own_policy(*keys, source=source), config.audit_config.trust_file
    if file is None:
        return own
    trusted = load_trust_file(file)
    # A key that the file says is in wrong hands is so here, too: the policy takes the stricter of two entries.
    return TrustPolicy((*trusted.keys, *own.keys), trusted.rules, trusted.late)
