"""Reads and creates the objects of rosters, in a store or folder that a URI names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from telemetry.config import StorageConfig
from telemetry.exceptions import ConfigurationError, Problem, StorageNotFoundError
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.roster import MAX_ROSTER_BYTES, Roster, begins_at, encode_roster
from telemetry.storage import StorageProvider, StorageProviderFactory

logger = logging.getLogger("telemetry.roster")

_SUFFIX = ".roster"
_NAME = re.compile(r"[0-9]{20}\.roster", re.ASCII)
_NAME_LENGTH = 20 + len(_SUFFIX)
_MAX_NEWEST = 100
_REMEDY = "write it as file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX"


class RosterStore:
    """The rosters of one witness in a store; each is created once and never changed.

    Args:
        store: The store.
        key: The witness's public key; each key has a folder of its own.
    """

    def __init__(self, store: StorageProvider, key: PublicKey) -> None:
        self._store = store
        self._folder = f"{key.key_id.hex()}/"

    def publish(self, roster: Roster) -> None:
        """Create the object of a roster; the same one again succeeds.

        Raises:
            StorageConflictError: Another roster continues the log at this size.
            StorageError: The store refused or did not answer.
        """
        self._store.put(self._folder + roster.name, encode_roster(roster))

    def documents(self) -> Iterator[bytes]:
        """Yield the rosters, in the order of the log.

        Raises:
            StorageError: The store refused or did not answer.
        """
        return self._read(self._names())

    def newest(self) -> Iterator[bytes]:
        """Yield the last rosters, the newest first; anyone who may create objects can add others.

        Raises:
            StorageError: The store refused or did not answer.
        """
        return self._read(self._names()[: -_MAX_NEWEST - 1 : -1])

    def _read(self, names: Iterable[str]) -> Iterator[bytes]:
        for name in names:
            data = self._store.get(name)
            # The name orders the log: a genuine roster under the name of another must not look like a second history.
            if begins_at(data, int(name[-_NAME_LENGTH:].removesuffix(_SUFFIX))):
                yield data
            else:
                logger.warning("%s was passed over: its content is not the roster of that name", name)

    def cosignatures(self, roster: Roster) -> bytes:
        """Return the signature lines of standard witnesses beside a roster; empty where there are none.

        Raises:
            StorageError: The store refused or did not answer.
        """
        try:
            return self._store.get(self._folder + roster.name.replace(".roster", ".cosignatures"))
        except StorageNotFoundError:
            return b""

    def _names(self) -> list[str]:
        found = [each for each in self._store.list(self._folder) if _NAME.fullmatch(each.name[len(self._folder) :])]
        too_large = [each.name for each in found if each.size > MAX_ROSTER_BYTES]
        for name in too_large[:1]:
            logger.warning("%d objects, such as %s, are larger than a roster and were not read", len(too_large), name)
        return sorted(each.name for each in found if each.size <= MAX_ROSTER_BYTES)


@contextmanager
def open_rosters(uri: str, key: PublicKey, *, storage: StorageConfig | None = None) -> Iterator[RosterStore]:
    """Yield the rosters of a witness at a place.

    Args:
        uri: The place, such as ``file:///srv/rosters`` or ``s3://bucket/prefix``.
        key: The witness's public key.
        storage: Store of the configuration; if it is of the same kind, its credentials and its endpoint are used.

    Raises:
        ConfigurationError: The URI names no place, or the store cannot be used.
        StorageError: The store refused or did not answer.
    """
    with StorageProviderFactory.create(store_at(uri, storage, option="--roster")) as store:
        yield RosterStore(store, key)


def require_place(uri: str) -> None:
    """Raise ``ConfigurationError`` unless a URI names a place of rosters."""
    store_at(uri, None, option="--roster")


def store_at(uri: str, storage: StorageConfig | None, *, option: str) -> StorageConfig:
    """Return the configuration of the store that a URI names.

    Args:
        uri: The place, such as ``file:///srv/rosters`` or ``s3://bucket/prefix``.
        storage: Store of the configuration; if it is of the same kind, its credentials and its endpoint are used.
        option: Option that the URI was given with, for errors.

    Raises:
        ConfigurationError: The URI names no place.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as exc:
        raise _unusable(uri, option) from exc
    path = unquote(parts.path).strip("/")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise _unusable(uri, option)
    if parts.scheme == "file" and not parts.netloc and path:
        return StorageConfig(provider="local_file", base_path=Path(url2pathname(parts.path)))
    fields = _cloud_fields(parts.scheme, parts.netloc, path)
    if fields is None:
        raise _unusable(uri, option)
    if storage is not None and storage.provider == fields["provider"]:
        return storage.model_copy(update=fields)
    return StorageConfig(**fields)  # type: ignore[arg-type]  # every field of these is text


def _cloud_fields(scheme: str, host: str, path: str) -> dict[str, str] | None:
    if not host:
        return None
    if scheme == "s3":
        return {"provider": "aws_s3", "bucket_name": host, "prefix": path}
    if scheme == "gs":
        return {"provider": "gcp_storage", "gcp_bucket_name": host, "prefix": path}
    container, _, prefix = path.partition("/")
    if scheme == "az" and container:
        return {"provider": "azure_blob", "account_name": host, "container_name": container, "prefix": prefix}
    return None


def _unusable(uri: str, option: str) -> ConfigurationError:
    # A URI may contain a password; its scheme does not.
    scheme = uri.partition(":")[0][:20]
    return ConfigurationError(Problem(option, f"{scheme!r} URI names no store", _REMEDY))
