"""Shows a store to DuckDB and pyarrow as a file system that can only be read."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from telemetry.archive.files.store_file import StoreFile
from telemetry.exceptions import MissingExtraError, StorageAccessDeniedError, StorageNotFoundError
from telemetry.storage import StorageProvider

try:
    _FileSystem: Any = import_module("fsspec").AbstractFileSystem
except ImportError as exc:
    feature = "an archive"
    raise MissingExtraError(feature, "archive") from exc

SCHEME = "archive://"

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class StoreFileSystem(_FileSystem):  # type: ignore[misc]  # fsspec has no types
    """The objects of a store under ``archive://NAME``.

    For DuckDB, ``connection.register_filesystem(StoreFileSystem(store))``; for pyarrow,
    ``PyFileSystem(FSSpecHandler(StoreFileSystem(store)))`` with plain names.

    Args:
        store: The store; it is closed by its owner.
    """

    protocol = "archive"
    cachable = False  # fsspec would keep the store, and with it its credentials, for the life of the process

    def __init__(self, store: StorageProvider) -> None:
        super().__init__(skip_instance_cache=True)
        self._store = store

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:  # noqa: FBT002 - the signature of fsspec
        """List the objects below a folder, and its folders."""
        folder = _name_of(path)
        prefix = f"{folder}/" if folder else ""
        found: dict[str, dict[str, Any]] = {}
        for stored in self._store.list(prefix):
            rest = stored.name.removeprefix(prefix)
            head, separator, _ = rest.partition("/")
            if separator:
                found[prefix + head] = {"name": prefix + head, "size": 0, "type": "directory"}
            else:
                found[stored.name] = {"name": stored.name, "size": stored.size, "type": "file"}
        if not found:
            return [self.info(path)] if detail else [self.info(path)["name"]]
        return list(found.values()) if detail else list(found)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Return name, size and type of an object or a folder."""
        name = _name_of(path)
        if not name:
            return {"name": "", "size": 0, "type": "directory"}
        try:
            return {"name": name, "size": self._store.size(name), "type": "file"}
        except (StorageNotFoundError, StorageAccessDeniedError) as exc:
            # A folder of the disk is refused as an object, and only below its name is there anything.
            for _ in self._store.list(f"{name}/"):
                return {"name": name, "size": 0, "type": "directory"}
            if isinstance(exc, StorageNotFoundError):
                raise FileNotFoundError(name) from exc
            raise

    def modified(self, path: str) -> datetime:  # noqa: ARG002 - the signature of fsspec
        """Return a fixed moment: an object is created once and never changed."""
        return _NEVER

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> StoreFile:
        if mode != "rb":
            message = "an archive's files are created by its writers alone"
            raise PermissionError(message)
        name = _name_of(path)
        try:
            return StoreFile(self._store, name)
        except StorageNotFoundError as exc:
            raise FileNotFoundError(name) from exc


def _name_of(path: str) -> str:
    return path.removeprefix(SCHEME).strip("/")
