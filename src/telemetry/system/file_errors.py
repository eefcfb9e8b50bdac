"""Translates errors of a file system: the kind of failure, and what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path

from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageError,
    StorageFullError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)

_ERRORS: dict[int, tuple[type[StorageError], str]] = {
    errno.ENOSPC: (StorageFullError, "free some space, or move {place} to a larger disk"),
    errno.EDQUOT: (StorageFullError, "raise the quota of this user, or move {place}"),
    errno.EFBIG: (StorageFullError, "the file system accepts no file of this size"),
    errno.EROFS: (StorageAccessDeniedError, "the file system is read-only: remount it writable, or move {place}"),
    errno.EACCES: (StorageAccessDeniedError, "give this process's user read, write and search permission on it"),
    errno.EPERM: (StorageAccessDeniedError, "give this process's user read, write and search permission on it"),
    errno.ELOOP: (StorageAccessDeniedError, "it is a symbolic link, and those are not followed: remove it"),
    errno.ENOTDIR: (StorageAccessDeniedError, "a file is in the place of a folder: remove it, or move {place}"),
    errno.ENOENT: (StorageNotFoundError, "there is no such file or folder"),
    errno.ENAMETOOLONG: (StorageLimitError, "use shorter names of folders and files"),
    errno.ETIMEDOUT: (StorageUnreachableError, "the file server does not answer"),
    errno.ESTALE: (StorageUnreachableError, "the file server has forgotten the folder: mount it again"),
    errno.ENOTCONN: (StorageUnreachableError, "the file server is not connected"),
    errno.EHOSTDOWN: (StorageUnreachableError, "the file server is down"),
}
_UNKNOWN = (StorageError, "look at the system log for the disk's state")


def storage_error(exc: OSError, *, doing: str, path: Path, place: str) -> StorageError:
    """Return our own error for one of the system: what failed, on which path, why, and what to do.

    Args:
        exc: The system's error.
        doing: The action, such as ``writing``.
        path: File or folder it was done to.
        place: What the user can move elsewhere, such as ``base_path``.
    """
    kind, remedy = _ERRORS.get(exc.errno or 0, _UNKNOWN)
    reason = exc.strerror or type(exc).__name__
    return kind(f"{doing} {str(path)!r} failed: {reason} ({remedy.format(place=place)})")
