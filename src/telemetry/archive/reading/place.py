"""Finds the store of an archive: from a URI, a folder, or the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry.config import StorageConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.roster.store import store_at
from telemetry.storage import StorageProvider, StorageProviderFactory

OPTION = "--archive"
_REMEDY = "name it with --archive: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX"


def archive_store_config(uri: str | None, config: TelemetryConfig, *, option: str = OPTION) -> StorageConfig:
    """Return the configuration of the store that has an archive.

    Args:
        uri: A folder, or a URI such as ``s3://bucket/prefix``; None for the archive of the configuration.
        config: Configuration of the trail. Credentials and endpoint are those of its archive's store, else of its fallback
            store, where that is of the same kind.
        option: Option that the URI was given with, for errors.

    Raises:
        ConfigurationError: There is none, or the URI names no place.
    """
    archive = config.archive_config
    own = archive.storage_config if archive is not None else None
    place = uri if uri is not None or archive is None else archive.location
    named = option if uri is not None else "archive_config.location"
    if place is None:
        if own is not None:
            return own
        raise ConfigurationError(Problem("archive_config", "names no archive", _REMEDY))
    if "://" not in place:
        return StorageConfig(provider="local_file", base_path=_folder(place, named))
    return store_at(place, own or config.audit_config.storage_config, option=named)


def archive_name(storage: StorageConfig) -> str:
    """Return what an archive is called in messages and in records of reads; without anything secret."""
    prefix = f"/{storage.prefix.strip('/')}" if storage.prefix.strip("/") else ""
    if storage.base_path is not None:
        return f"{storage.base_path}{prefix}"
    if storage.bucket_name is not None:
        return f"s3://{storage.bucket_name}{prefix}"
    if storage.gcp_bucket_name is not None:
        return f"gs://{storage.gcp_bucket_name}{prefix}"
    if storage.account_name is not None:
        return f"az://{storage.account_name}/{storage.container_name}{prefix}"
    return f"{storage.provider}{prefix}"


@contextmanager
def open_archive_store(storage: StorageConfig) -> Iterator[StorageProvider]:
    """Yield the store of an archive that is there; unlike a fallback store it is never created by a look at it.

    Raises:
        ConfigurationError: The folder is not there, or the store cannot be used.
    """
    folder = storage.base_path
    if storage.provider == "local_file" and folder is not None and not folder.is_dir():
        raise ConfigurationError(Problem(OPTION, f"{folder} is not a folder", "name the folder of an archive"))
    with StorageProviderFactory.create(storage) as store:
        yield store


def _folder(text: str, option: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ConfigurationError(Problem(option, "names no place", _REMEDY))
    return Path(text)
