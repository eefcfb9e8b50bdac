"""Reads, writes, links and lists files for the local store: durably, create-only, never through a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageLimitError,
)
from telemetry.storage.provider import MAX_OBJECT_BYTES
from telemetry.system.durable_file import create_private, sync
from telemetry.system.file_trust import find_fault

if sys.platform != "win32":
    import fcntl

_PAGE = 10_000
_PART_BYTES = 1 << 20
_READ_FLAGS = (
    os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
) | getattr(os, "O_BINARY", 0)


class Entry(NamedTuple):
    """One name in a folder: a file's size, or None for a folder."""

    path: Path
    size: int | None


def create_folders(folder: Path, *, below: Path) -> None:
    """Create ``folder`` and what is missing between it and ``below``, each with mode 0700 under any umask.

    Raises:
        OSError: One cannot be created, or a symbolic link or a file is in its place.
    """
    current = below
    for part in folder.relative_to(below).parts:
        current /= part
        try:
            require_folder(current)
        except FileNotFoundError:
            _create_folder(current)


def create_base(base: Path) -> None:
    """Create the configured folder and its parents; those that exist keep their mode, and may be symbolic links."""
    missing = [folder for folder in (base, *base.parents) if not folder.exists()]
    for folder in reversed(missing):
        _create_folder(folder)
    os.scandir(base).close()


def require_believed(base: Path) -> None:
    """Check that nobody else could replace what is stored in the configured folder.

    Raises:
        StorageAccessDeniedError: It, or a folder or link on its path, belongs to another user, or others may write to it.
        OSError: It is absent.
    """
    fault = find_fault(base)
    if fault is not None:
        message = f"storing in {str(base)!r} is refused: {fault}; {fault.remedy}"
        raise StorageAccessDeniedError(message)


def require_folder(path: Path) -> None:
    """Check that ``path`` is a folder and not a symbolic link to one.

    Raises:
        OSError: It is absent (``FileNotFoundError``), a link (``ELOOP``) or a file (``NotADirectoryError``).
    """
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def write_temporary(folder: Path, data: bytes) -> tuple[Path, int]:
    """Write ``data`` to a new file of mode 0600 in ``folder`` and force it to the disk.

    Returns:
        The path, and the open descriptor, whose lock shows other processes that the file's owner is alive.
    """
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}.tmp"
        descriptor = create_private(path)
        try:
            if not _claim(descriptor):
                os.close(descriptor)
                continue
            _fill(descriptor, data)
        except BaseException:
            os.close(descriptor)
            remove(path)
            raise
        return path, descriptor


def sweep(folder: Path) -> None:
    """Delete the temporary files of dead processes."""
    with os.scandir(folder) as entries:
        paths = [Path(entry.path) for entry in entries if entry.name.endswith(".tmp")]
    for path in paths:
        _remove_if_orphan(path)


def read(path: Path) -> bytes:
    """Return a regular file's bytes.

    Raises:
        StorageLimitError: It is larger than anything this library stores.
        StorageAccessDeniedError: It is not a regular file.
    """
    return b"".join(read_parts(path))


def read_parts(path: Path) -> Iterator[bytes]:
    """Yield a regular file's bytes in parts of at most a MiB; raises as :func:`read` does."""
    with _opened(path) as (descriptor, size):
        left = size
        while left > 0 and (part := os.read(descriptor, min(left, _PART_BYTES))):
            yield part
            left -= len(part)


def read_part(path: Path, *, start: int, length: int) -> bytes:
    """Return a part of a regular file, shorter where the file ends before; raises as :func:`read` does."""
    with _opened(path) as (descriptor, size):
        parts, left = [], min(length, size - start)
        if left > 0:
            os.lseek(descriptor, start, os.SEEK_SET)
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def size_of(path: Path) -> int:
    """Return the size of a regular file; raises as :func:`read` does."""
    with _opened(path) as (_, found):
        return found


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the descriptor and the size of a regular file."""
    descriptor = os.open(path, _READ_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            message = f"reading {str(path)!r} is refused: it is not a regular file; remove it"
            raise StorageAccessDeniedError(message)
        if status.st_size > MAX_OBJECT_BYTES:
            message = f"reading {str(path)!r} is refused: it is larger than {MAX_OBJECT_BYTES} bytes"
            raise StorageLimitError(message)
        yield descriptor, status.st_size
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file; one that is absent is no error."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def remove_empty(folder: Path, *, below: Path) -> None:
    """Delete ``folder`` and its parents up to ``below`` as long as they are empty."""
    while folder != below and below in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return  # not empty, or just filled by another process, or not ours to delete
        folder = folder.parent


def entries(folder: Path) -> Iterator[Entry]:
    """Yield files and folders in the order of their full names, links and special files left out.

    Only ``_PAGE`` names are in memory at a time; a larger folder is read again for each page.
    """
    after = ""
    while True:
        page = heapq.nsmallest(_PAGE, _names_after(folder, after))
        for key, name in page:
            after = key
            entry = _entry(folder / name)
            if entry is not None:
                yield entry
        if len(page) < _PAGE:
            return


def _names_after(folder: Path, after: str) -> Iterator[tuple[str, str]]:
    try:
        scan = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return  # deleted since it was listed
    with scan:
        for entry in scan:
            # A folder's names all begin with its own and a slash, which decides their place among the files.
            key = entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
            if key > after:
                yield key, entry.name


def _entry(path: Path) -> Entry | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, None)
    return Entry(path, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _create_folder(path: Path) -> None:
    try:
        # The umask may take bits away, so the mode is set again below.
        path.mkdir(mode=0o700)
    except FileExistsError:
        return  # another process was faster
    path.chmod(0o700)
    sync(path.parent)


def _claim(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True  # an open file cannot be deleted there
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # A sweeper came between our open and our lock, and is about to delete the file.
        return False
    return os.fstat(descriptor).st_nlink > 0


def _remove_if_orphan(path: Path) -> None:
    with contextlib.suppress(OSError):  # in use (Windows), gone, or not ours: the next sweep sees it again
        if sys.platform == "win32":
            path.unlink()
            return
        descriptor = os.open(path, _READ_FLAGS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


def _fill(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)
