"""Opens the catalog in which an archive's table is registered: a SQLite file by default, or any that PyIceberg knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pyiceberg import exceptions
from pyiceberg.catalog import Catalog, load_catalog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from telemetry.exceptions import (
    ArchiveConflictError,
    ArchiveError,
    ConfigurationError,
    Problem,
    StorageAccessDeniedError,
    TelemetryError,
)
from telemetry.storage import StorageProvider
from telemetry.system.durable_file import open_private
from telemetry.system.file_trust import find_fault

NAME = "telemetry"
"""Name of the catalog, which SQL catalogs keep beside each table; engines that share one must use the same."""
CATALOG_FILE = "catalog.db"

_ATTEMPTS = 3
_PLAIN = "/ !$&'()*+,;=:@~"
"""What a URI of SQLAlchemy's has as it is; it decodes the rest."""
_FAILURES: tuple[type[Exception], ...] = (
    *(kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    *(SQLAlchemyError, OSError, ValueError, KeyError, ImportError),
)


def open_catalog(
    store: StorageProvider,
    properties: Mapping[str, str],
    *,
    catalog: Mapping[str, str] | None,
    catalog_path: Path | None,
) -> Catalog:
    """Return the catalog.

    Args:
        store: The archive's store; the catalog of a folder is in the folder.
        properties: How the catalog finds the store.
        catalog: Properties of PyIceberg, such as ``type`` and ``uri``; None for a SQLite file.
        catalog_path: The SQLite file; None for the one in the folder.

    Raises:
        ConfigurationError: No catalog is named, and the archive is not in a folder.
        ArchiveError: The catalog cannot be reached, or refuses.
    """
    with translated("opening the catalog of the archive"):
        if catalog:
            return load_catalog(NAME, **{**catalog, **properties})
        path = (catalog_path or _path_in_folder(store)).absolute()
        _create_private(path)
        return _open_file(path, properties)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate errors of catalogs and of PyIceberg; their texts, which may name secrets, are left out.

    Args:
        doing: What is being done.

    Raises:
        ArchiveConflictError: Another writer has changed the table meanwhile.
        ArchiveError: Anything else.
    """
    try:
        yield
    except TelemetryError:
        raise
    except (exceptions.CommitFailedException, exceptions.TableAlreadyExistsError) as exc:
        message = f"{doing} failed: another writer has changed the table meanwhile ({type(exc).__name__})"
        raise ArchiveConflictError(message) from None
    except _FAILURES as exc:
        message = (
            f"{doing} failed: the catalog, or PyIceberg, says {type(exc).__name__}; see that the catalog of archive_config "
            "can be reached and used. The archive itself does not depend on it"
        )
        raise ArchiveError(message) from None


def _open_file(path: Path, properties: Mapping[str, str]) -> Catalog:
    uri = f"sqlite:///{quote(str(path), safe=_PLAIN)}"
    for _ in range(_ATTEMPTS):
        # Another process may be creating the catalog's own tables at this moment; they exist the next time.
        with suppress(OperationalError):
            return load_catalog(NAME, type="sql", uri=uri, **properties)
    return load_catalog(NAME, type="sql", uri=uri, **properties)


def _path_in_folder(store: StorageProvider) -> Path:
    split = urlsplit(store.location)
    if split.scheme != "file":
        problem = Problem(
            "archive_config.catalog_path",
            "an archive in a bucket has no place for a SQLite file",
            "name a file on this machine, or a catalog in archive_config.catalog",
        )
        raise ConfigurationError(problem)
    return Path(unquote(split.path)) / CATALOG_FILE


def _create_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(open_private(path))
    fault = find_fault(path)
    if fault is not None:
        message = f"the catalog {str(path)!r} is refused: {fault}; {fault.remedy}"
        raise StorageAccessDeniedError(message)
