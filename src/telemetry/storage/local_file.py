"""Keeps objects as files in a folder: the fallback store ``local_file``."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from telemetry.config import StorageConfig
from telemetry.exceptions import (
    ConfigurationError,
    LifecycleError,
    Problem,
    StorageConflictError,
    StorageError,
    StorageNotFoundError,
)
from telemetry.storage import local_folder as folder
from telemetry.storage.lease import Lock
from telemetry.storage.local_lock import FileLock
from telemetry.storage.names import MAX_NAME_BYTES, clean_prefix, require_name, require_safe
from telemetry.storage.provider import StorageProvider, StoredObject, require_part, require_size
from telemetry.system.durable_file import link_new, sync
from telemetry.system.file_errors import storage_error

_INTERNAL = "@internal"
"""Folder of temporary and lock files; no object's name can contain an ``@``."""
_ATTEMPTS = 100


class LocalFileProvider(StorageProvider):
    """Keeps each object as a file below ``base_path`` (and ``prefix``), for one machine or a shared file system.

    A file appears under its name only when it is whole and on the disk: it is written to a temporary file, forced to
    the disk, linked to its name (which fails if the name exists), and then its folder and the folders above it are
    forced to the disk too. Files have mode 0600 and folders 0700, under any umask. Symbolic links below
    ``base_path`` are not followed.

    Permissions: the process's user needs read, write and search permission on ``base_path``, or on its parent if
    it does not exist yet. The lock of the replay is a record lock (``fcntl``): on a network file system, mount it with
    locks that reach the server (NFSv4, or NFSv3 without ``nolock``).

    Args:
        config: ``base_path`` is required; ``prefix`` names folders below it.
    """

    def __init__(self, config: StorageConfig) -> None:
        super().__init__(config)
        if config.base_path is None:
            raise ConfigurationError(Problem("base_path", "local_file needs it", "name a folder"))
        self._base = Path(os.path.abspath(config.base_path.expanduser()))  # noqa: PTH100 - keeps symbolic links
        self._root = self._base.joinpath(*clean_prefix(config.prefix).split("/"))
        self._temporary = self._root / _INTERNAL / "tmp"
        self._locks = self._root / _INTERNAL / "locks"
        self._closed = False
        self._is_believed = False

    @property
    def location(self) -> str:
        """``file:///folder``."""
        return self._root.as_uri()

    def put(self, name: str, data: bytes) -> None:
        """Create the file ``name`` durably; see ``StorageProvider.put``."""
        self._require_open()
        require_name(name)
        require_size(name, data)
        path = self._root / name
        # 1. The bytes, under a temporary name. 2. The name. 3. The folders that contain the name.
        with _translated("writing", path):
            self._prepare(self._temporary)
            temporary, descriptor = folder.write_temporary(self._temporary, data)
            try:
                self._publish(temporary, path, data)
            finally:
                os.close(descriptor)
                folder.remove(temporary)

    def get(self, name: str) -> bytes:
        """Return the bytes of the file ``name``; see ``StorageProvider.get``."""
        self._require_open()
        require_safe(name)
        path = self._root / name
        with _translated("reading", path):
            self._require_no_links(path)
            return folder.read(path)

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of the file ``name`` in parts; see ``StorageProvider.stream``."""
        self._require_open()
        require_safe(name)
        path = self._root / name
        with _translated("reading", path):
            self._require_no_links(path)
            yield from folder.read_parts(path)

    def size(self, name: str) -> int:
        """Return the size of the file ``name``; see ``StorageProvider.size``."""
        self._require_open()
        require_safe(name)
        path = self._root / name
        with _translated("reading", path):
            self._require_no_links(path)
            return folder.size_of(path)

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Return a part of the file ``name``; see ``StorageProvider.read_part``."""
        self._require_open()
        require_safe(name)
        require_part(name, start, length)
        path = self._root / name
        with _translated("reading", path):
            self._require_no_links(path)
            return folder.read_part(path, start=start, length=length)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the files whose name starts with ``prefix``; see ``StorageProvider.list``."""
        self._require_open()
        with _translated("listing", self._root):
            yield from self._walk(self._root, prefix)

    def delete(self, name: str) -> None:
        """Delete the file ``name`` and the folders it leaves empty; see ``StorageProvider.delete``.

        The deletion is not forced to the disk: one that a crash undoes costs a duplicate, which readers recognise.
        """
        self._require_open()
        require_safe(name)
        path = self._root / name
        with _translated("deleting", path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._require_no_links(path)
            path.unlink()
            folder.remove_empty(path.parent, below=self._root)

    @contextlib.contextmanager
    def lock(self, name: str, *, owner: str, seconds: float) -> Iterator[Lock]:  # noqa: ARG002 - it ends with its holder
        """Try to lock ``name`` by a file lock, which the system frees the moment its holder dies.

        ``seconds`` has no meaning here. A forked child does not inherit the lock.
        """
        self._require_open()
        require_name(name)
        path = self._locks / f"{name.replace('/', '@')}.lock"
        file_lock = FileLock(path, owner=owner)
        with _translated("locking", path):
            self._prepare(self._locks)
            file_lock.acquire()
        try:
            yield Lock(file_lock)
        finally:
            file_lock.release()

    def check(self) -> None:
        """Create the folder, delete what dead processes left, and write, read and delete a file."""
        self._require_open()
        # A name of its own for each check: processes may start at the same moment.
        name = f"check/{os.getpid()}-{secrets.token_hex(8)}"
        with _translated("preparing", self._root):
            self._prepare(self._temporary)
            self._prepare(self._locks)
            folder.sweep(self._temporary)
        probe = secrets.token_bytes(32)
        self.put(name, probe)
        try:
            if self.get(name) != probe:
                message = f"{str(self._root)!r} does not give back what was written to it; check the disk"
                raise StorageError(message)
        finally:
            self.delete(name)

    def close(self) -> None:
        """Refuse further calls."""
        self._closed = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._root)!r})"

    def _require_open(self) -> None:
        if self._closed:
            message = f"the store {str(self._root)!r} is closed"
            raise LifecycleError(message)

    def _prepare(self, path: Path) -> None:
        if not self._base.is_dir():
            folder.create_base(self._base)
        if not self._is_believed:
            folder.require_believed(self._base)
            self._is_believed = True
        folder.create_folders(path, below=self._base)

    def _publish(self, temporary: Path, path: Path, data: bytes) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self._prepare(path.parent)
                self._link_or_compare(temporary, path, data)
            except FileNotFoundError:
                # A delete in another process removed the folder, which was empty, between our mkdir and our link.
                continue
            with contextlib.suppress(FileNotFoundError):  # another process has replayed and deleted it already
                self._sync_up(path.parent)
            return
        message = (
            f"writing {str(path)!r} failed: its folder is deleted again and again; keep other programs from deleting it"
        )
        raise StorageError(message)

    def _link_or_compare(self, temporary: Path, path: Path, data: bytes) -> None:
        try:
            link_new(temporary, path, guard=self._temporary / "create.lock")
        except FileExistsError:
            self._require_same(path, data)

    def _require_same(self, path: Path, data: bytes) -> None:
        try:
            is_same = folder.read(path) == data
        except StorageError:
            is_same = False
        if not is_same:
            message = f"{str(path)!r} exists with other content and was left as it is"
            raise StorageConflictError(message)
        sync(path)  # its first writer may have been killed before it did

    def _sync_up(self, path: Path) -> None:
        # Another process may have created one of the folders and not yet forced it to the disk.
        for current in (path, *path.parents):
            sync(current)
            if current == self._base:
                return

    def _require_no_links(self, path: Path) -> None:
        # Folder by folder: opening the whole path would follow a link in the middle of it.
        current = self._base
        for part in path.parent.relative_to(self._base).parts:
            current /= part
            try:
                folder.require_folder(current)
            except NotADirectoryError as exc:
                raise FileNotFoundError(exc.errno, exc.strerror, str(current)) from exc

    def _walk(self, current: Path, prefix: str) -> Iterator[StoredObject]:
        for entry in folder.entries(current):
            name = entry.path.relative_to(self._root).as_posix()
            if entry.size is not None and name.startswith(prefix):
                yield StoredObject(name, entry.size)
            elif entry.size is None and _may_hold_objects(name) and _overlaps(f"{name}/", prefix):
                yield from self._walk(entry.path, prefix)


def _may_hold_objects(folder_name: str) -> bool:
    return folder_name != _INTERNAL and len(folder_name) < MAX_NAME_BYTES


def _overlaps(folder_name: str, prefix: str) -> bool:
    return folder_name.startswith(prefix) or prefix.startswith(folder_name)


@contextlib.contextmanager
def _translated(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        message = f"{doing} {str(path)!r} failed: there is no such file"
        raise StorageNotFoundError(message) from exc
    except OSError as exc:
        raise storage_error(exc, doing=doing, path=path, place="base_path") from exc
