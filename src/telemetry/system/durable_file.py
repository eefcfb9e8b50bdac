"""Writes files that are there whole or not at all, even if the process is killed in between.

The steps, each of which leaves the old file or the new one under the name:

1. The bytes go to a temporary file beside the target, created with mode 0600.
2. They are forced to the disk.
3. The file is moved to its name: a link where the name must be free, a rename where it replaces a file.
4. The folder, which holds the name, is forced to the disk.

A process that is killed before step 3 leaves a hidden temporary file with a random name, which nobody reads.
Functions raise ``OSError``; callers translate it, because only they know what the file is for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

PRIVATE = 0o600
"""Mode of every file that is written here."""

_CREATE_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_BUFFER = 1 << 20
_SHOWN_NAME = 40
"""Characters of the target's name in the temporary one: at most 160 bytes in UTF-8, and names end at 255."""
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP)


@contextmanager
def durable_file(target: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Yield a stream; its bytes are at ``target``, mode 0600, once the block has ended without an exception.

    An exception inside the block leaves everything as it was, and no temporary file.

    Args:
        target: Name of the file; its folder must exist.
        replace: Replace a regular file of that name. Without it the name must be free, before and in between.

    Raises:
        FileExistsError: The name is taken, and ``replace`` is false.
        OSError: The name belongs to a link (``ELOOP``), a folder or a device (``EINVAL``), or writing failed.
    """
    require_target(target, replace=replace)
    temporary = target.with_name(f".{target.name[:_SHOWN_NAME]}.{secrets.token_hex(8)}.part")
    descriptor = create_private(temporary)
    try:
        with os.fdopen(descriptor, "wb", _BUFFER) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            temporary.replace(target)
        else:
            link_new(temporary, target)
        sync_folder(target.parent)
    finally:
        # After a rename there is none left; after a link or an exception there is.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_durably(target: Path, data: bytes, *, replace: bool) -> None:
    """Write a whole file; see :func:`durable_file`."""
    with durable_file(target, replace=replace) as stream:
        stream.write(data)


def require_target(target: Path, *, replace: bool) -> None:
    """Check that a file may be written under this name; raises as :func:`durable_file` does."""
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    if not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    # A rename would replace the link itself, and the file that it leads to would keep its old content unnoticed.
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "it is a symbolic link", str(target))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(target))


def create_private(path: Path) -> int:
    """Create a file with mode 0600 under any umask, never through a link; return its descriptor for writing.

    Raises:
        FileExistsError: The name is taken.
        OSError: It cannot be created.
    """
    descriptor = os.open(path, _CREATE_FLAGS, PRIVATE)
    try:
        _make_private(descriptor)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return descriptor


def open_private(path: Path) -> int:
    """Open a file, such as a lock, for reading and writing; it is created with mode 0600 if it is absent."""
    descriptor = os.open(path, _LOCK_FLAGS, PRIVATE)
    try:
        _make_private(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def link_new(source: Path, target: Path, *, guard: Path | None = None) -> None:
    """Give a file its name, which must be free; a rename would replace a file that appeared in between.

    Where the file system has no hard links, the file is renamed under a lock that all of this library's writers acquire.

    Args:
        source: The temporary file; its name may remain.
        target: The new name.
        guard: Lock file for the case without hard links; None locks the target's folder.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be moved.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NO_HARD_LINKS:
            raise
        _rename_if_free(source, target, guard)


def sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk.

    Raises:
        OSError: The disk does not accept it.
    """
    if sys.platform == "win32" and path.is_dir():
        return  # Folders cannot be opened there; NTFS journals their entries.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, as far as the system can do that.

    Raises:
        OSError: The disk does not accept it.
    """
    try:
        sync(folder)
    except PermissionError:
        return  # We may write into this folder but not read it, and only a readable folder can be opened.
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC:
            raise


def _make_private(descriptor: int) -> None:
    # The umask may have taken bits away that the owner needs. Windows has no such modes.
    if sys.platform != "win32" and stat.S_IMODE(os.fstat(descriptor).st_mode) != PRIVATE:
        os.fchmod(descriptor, PRIVATE)


def _rename_if_free(source: Path, target: Path, guard: Path | None) -> None:
    if sys.platform == "win32":
        source.rename(target)  # Refused there if the name is taken.
        return
    descriptor = open_private(guard) if guard is not None else os.open(target.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Between the question and the rename no other writer of ours may take the name.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)
    finally:
        os.close(descriptor)
