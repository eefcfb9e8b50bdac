"""Shows a store to DuckDB and pyarrow as a file system that can only be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from fsspec import AbstractFileSystem

from telemetry.archive.files.store_file import StoreFile
from telemetry.exceptions import StorageNotFoundError
from telemetry.storage import StorageProvider

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class StoreFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The objects of a store under ``archive://NAME``.

    For DuckDB, ``connection.register_filesystem(StoreFileSystem(store))``; for pyarrow,
    ``PyFileSystem(FSSpecHandler(StoreFileSystem(store)))`` with plain names.

    Args:
        store: The store; it is closed by its owner.
    """

    protocol: ClassVar[str] = "archive"
    cachable = False  # fsspec would keep the store, and with it its credentials, for the life of the process

    def __init__(self, store: StorageProvider) -> None:
        super().__init__(skip_instance_cache=True)
        self._store = store

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:  # noqa: FBT002 - the signature of fsspec
        """List the objects below a folder, and its folders."""
        folder = self._strip_protocol(path).strip("/")
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
        name = self._strip_protocol(path).strip("/")
        try:
            return {"name": name, "size": self._store.size(name), "type": "file"}
        except StorageNotFoundError as exc:
            for _ in self._store.list(f"{name}/" if name else ""):
                return {"name": name, "size": 0, "type": "directory"}
            raise FileNotFoundError(name) from exc

    def modified(self, path: str) -> datetime:  # noqa: ARG002 - the signature of fsspec
        """Return a fixed moment: an object is created once and never changed."""
        return _NEVER

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> StoreFile:
        if mode != "rb":
            message = "an archive's files are created by its writers alone"
            raise PermissionError(message)
        name = self._strip_protocol(path).strip("/")
        try:
            return StoreFile(self._store, name)
        except StorageNotFoundError as exc:
            raise FileNotFoundError(name) from exc
