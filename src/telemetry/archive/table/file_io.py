"""Gives PyIceberg the files of a table through the archive's own store: create-only, with its checksums and its TLS.

PyIceberg creates a FileIO from texts alone, so the stores that are open are known here by a number.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

from telemetry.archive.files.store_file import StoreFile
from telemetry.archive.table.locations import Locations
from telemetry.exceptions import ArchiveStateError, StorageError, StorageNotFoundError
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.archive")

STORE_PROPERTY = "telemetry.store"
"""Property of a catalog with the number of the store."""
IMPLEMENTATION = f"{__name__}.StoreFileIO"

_open_stores: dict[str, StorageProvider] = {}
_numbers = itertools.count(1)


@contextmanager
def known_store(store: StorageProvider) -> Iterator[dict[str, str]]:
    """Yield the properties by which a catalog finds the store, as long as it is open."""
    number = str(next(_numbers))
    _open_stores[number] = store
    try:
        yield {"py-io-impl": IMPLEMENTATION, STORE_PROPERTY: number}
    finally:
        del _open_stores[number]


class StoreFileIO(FileIO):
    """The objects of an archive's store, under their URIs.

    Args:
        properties: Those of the catalog, with the one of :func:`known_store`.

    Raises:
        ArchiveStateError: They name no store that is open.
    """

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        store = _open_stores.get(str(properties.get(STORE_PROPERTY)))
        if store is None:
            message = "the archive's table was used after its store was closed; open it again"
            raise ArchiveStateError(message)
        self._store = store
        self._locations = Locations(store)

    def new_input(self, location: str) -> StoreInput:
        """Return an object to read."""
        return StoreInput(location, store=self._store, name=self._locations.name_of(location))

    def new_output(self, location: str) -> StoreOutput:
        """Return an object to create."""
        return StoreOutput(location, store=self._store, name=self._locations.name_of(location))

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete an object of the table's metadata; data files are deleted by the archive's own clean-up alone."""
        uri = location if isinstance(location, str) else location.location
        name = self._locations.name_of(uri)
        if "/metadata/" not in f"/{name}":
            message = f"deleting {name!r} is refused: Iceberg may delete its own metadata alone"
            raise ArchiveStateError(message)
        try:
            self._store.delete(name)
        except StorageError as exc:
            # The commit that it follows has succeeded: old metadata under object lock stays, and does no harm.
            logger.info("old metadata of the archive's table stays until its lock ends: %s", exc)


class StoreInput(InputFile):
    """An object to read.

    Args:
        location: Its URI.
        store: The store.
        name: Its name.
    """

    def __init__(self, location: str, *, store: StorageProvider, name: str) -> None:
        super().__init__(location)
        self._store = store
        self._name = name

    def __len__(self) -> int:
        return self._store.size(self._name)

    def exists(self) -> bool:
        """Return whether there is such an object."""
        try:
            self._store.size(self._name)
        except StorageNotFoundError:
            return False
        return True

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002, FBT002 - the signature of PyIceberg
        """Open it.

        Raises:
            FileNotFoundError: There is no such object.
        """
        try:
            return StoreFile(self._store, self._name)
        except StorageNotFoundError as exc:
            raise FileNotFoundError(self._name) from exc


class StoreOutput(OutputFile):
    """An object to create.

    Args:
        location: Its URI.
        store: The store.
        name: Its name.
    """

    def __init__(self, location: str, *, store: StorageProvider, name: str) -> None:
        super().__init__(location)
        self._store = store
        self._name = name

    def __len__(self) -> int:
        return self._store.size(self._name)

    def exists(self) -> bool:
        """Return whether there is such an object."""
        return self.to_input_file().exists()

    def to_input_file(self) -> StoreInput:
        """Return it as one to read."""
        return StoreInput(self.location, store=self._store, name=self._name)

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002, FBT002 - nothing is ever overwritten
        """Return a stream whose bytes become the object when it is closed."""
        return _Creation(self._store, self._name)


class _Creation(io.BytesIO):
    """Bytes that become an object at once; none if the writer fails."""

    def __init__(self, store: StorageProvider, name: str) -> None:
        super().__init__()
        self._store: StorageProvider | None = store
        self._name = name

    def close(self) -> None:
        """Create the object."""
        store, self._store = self._store, None
        if store is not None and not self.closed:
            store.put(self._name, self.getvalue())
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._store = None
        self.close()

    def __del__(self) -> None:
        # Collected without having been closed: the writer failed.
        self._store = None
        super().__del__()

    def __reduce__(self) -> Any:
        message = "a file that is being created cannot be copied"
        raise TypeError(message)
