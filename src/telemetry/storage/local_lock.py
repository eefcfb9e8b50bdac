"""Locks a file: the lock is free the moment its holder dies, also if children that it forked live on."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from pathlib import Path
from typing import ClassVar

from telemetry.system.durable_file import open_private

FileIdentity = tuple[int, int]
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    def _lock_range(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_range(descriptor: int) -> None:
        # A record lock belongs to the process. flock() belongs to the open file, which forked children share:
        # a child that survives a dead holder would keep it for ever.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Excludes other processes by a record lock and other holders in this process by a table.

    A process loses a record lock when it closes any descriptor of the file, so a file held here is never opened twice.

    Args:
        path: The lock file; created with mode 0600, never deleted. Its folder must exist.
        owner: Name of this process, written into the file for the operator who looks at it.
    """

    _holders: ClassVar[dict[FileIdentity, int]] = {}
    _guards: ClassVar[dict[int, threading.Lock]] = {}

    def __init__(self, path: Path, *, owner: str) -> None:
        self._path = path
        self._owner = owner
        self._descriptor: int | None = None
        self._identity: FileIdentity | None = None

    def acquire(self) -> bool:
        """Try to acquire the lock, without waiting.

        Returns:
            Whether it is held now.

        Raises:
            OSError: The file cannot be created or locked.
        """
        with self._guard():
            # Before the file is opened: closing the descriptor of a failed attempt would free the other holder's lock.
            if self._is_held_here():
                return False
            descriptor = open_private(self._path)
            try:
                is_acquired = self._lock(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if not is_acquired:
                os.close(descriptor)
            return is_acquired

    def release(self) -> None:
        """Give the lock back. In a forked child, which never held it, only the descriptor is closed."""
        with self._guard():
            if self._descriptor is None:
                return
            os.close(self._descriptor)
            if self._identity is not None and self._holders.get(self._identity) == os.getpid():
                del self._holders[self._identity]
            self._descriptor = self._identity = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock and the file is still under its name."""
        identity = self._identity
        if identity is None or self._holders.get(identity) != os.getpid():
            return False
        return self._identity_of_path() == identity

    def _guard(self) -> threading.Lock:
        # One per process: a thread of the parent may have held its guard at the moment of the fork.
        return self._guards.setdefault(os.getpid(), threading.Lock())

    def _is_held_here(self) -> bool:
        identity = self._identity_of_path()
        return identity is not None and self._holders.get(identity) == os.getpid()

    def _identity_of_path(self) -> FileIdentity | None:
        try:
            status = self._path.lstat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _lock(self, descriptor: int) -> bool:
        try:
            _lock_range(descriptor)
        except OSError as exc:
            if exc.errno in _BUSY:
                return False
            raise
        status = os.fstat(descriptor)
        identity = (status.st_dev, status.st_ino)
        if self._identity_of_path() != identity:
            # Deleted between our open and our lock: the next process creates, and locks, another file.
            return False
        self._write_owner(descriptor)
        self._descriptor, self._identity = descriptor, identity
        self._holders[identity] = os.getpid()
        return True

    def _write_owner(self, descriptor: int) -> None:
        # A full disk must not deny the lock to the replay, which frees space.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {self._owner}\n".encode())
