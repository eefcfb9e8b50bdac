"""Runs queries over the data files of an archive with DuckDB, which can reach nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from telemetry.archive.files.file_system import StoreFileSystem
from telemetry.exceptions import ArchiveFileError
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider

MEMORY_LIMIT = "1GB"
THREADS = 2
_SCHEME = f"{StoreFileSystem.protocol}://"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # A closed network has no extensions to offer, and a query needs none.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": MEMORY_LIMIT,
    "threads": str(THREADS),
}
# In this order: what the last two leave open cannot be opened again.
_CLOSING = (
    "SET TimeZone = 'UTC'",
    f"SET allowed_directories = ['{_SCHEME}']",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class SearchEngine:
    """Queries over some data files of an archive.

    The statements are texts of this package with numbered places for values; nothing that a user or a file says becomes
    part of one. The engine reads the archive's store through the library and nothing else: no file, no network.

    Args:
        store: Store of the archive.
    """

    def __init__(self, store: StorageProvider) -> None:
        self._connection = duckdb.connect(config=_CONFIG)
        self._connection.register_filesystem(StoreFileSystem(store))
        for statement in _CLOSING:
            self._connection.execute(statement)

    def table(self, statement: str, files: Iterable[SealedFile], values: Sequence[Any] = ()) -> pa.Table:
        """Return the result of a query.

        Args:
            statement: The query; ``$1`` are the names of the files.
            files: The files, at least one.
            values: The values for ``$2`` and so on.

        Raises:
            ArchiveFileError: A file cannot be read; it may have been replaced meanwhile.
        """
        names = [f"{_SCHEME}{file.name}" for file in files]
        try:
            return self._connection.sql(statement, params=[names, *values]).to_arrow_table()
        except (duckdb.Error, pa.ArrowException, OSError) as exc:
            message = (
                f"the archive cannot be searched: {_first_line(exc)}; `telemetry verify --from archive` names the file"
            )
            raise ArchiveFileError(message) from exc

    def close(self) -> None:
        """End the engine."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _first_line(error: Exception) -> str:
    # A conversion that fails quotes the value, which may be a user's: the kind of the error and no more.
    return type(error).__name__


def stored_name(name: str) -> str:
    """Return the name in the store of a file as the engine names it."""
    return name.removeprefix(_SCHEME)
