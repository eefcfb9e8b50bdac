"""Judges whether a file can be believed: whether another user of this machine could have written or replaced it.

A file is only as safe as everything that the system looks at to find it: each folder on its path, and each link. So all of
them must belong to this user or to root, and nobody else may write to them. A folder with the sticky bit, such as ``/tmp``,
is fine, because there nobody can replace what belongs to others.

Windows has no such modes: there only the type of a file is checked, and its access control list is the operator's task.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = 0

_MAX_LINKS = 40
"""Limit of Linux itself: path_resolution(7)."""
_READ_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))


@dataclass(frozen=True, slots=True)
class FileFault:
    """A reason why a file cannot be believed.

    Attributes:
        place: The file, or the folder or link that leads to it.
        reason: What is wrong with the place, as the rest of a sentence.
        remedy: What to do about it.
    """

    place: Path
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place} {self.reason}"


def find_fault(path: Path) -> FileFault | None:
    """Return the first thing on the way to a file or folder that another user could change, or None.

    Links are followed, and each is checked with its own folders.

    Args:
        path: File or folder; both are checked alike.

    Raises:
        OSError: The path leads to nothing, or to more than 40 links.
    """
    if os.name != "posix":
        path.stat()
        return None
    steps = list(_steps(path))
    *way, (place, status) = steps
    faults = (_fault_on_the_way(folder, found) for folder, found in way)
    return next((fault for fault in faults if fault is not None), None) or _fault_of(place, status)


def is_readable_by_all(path: Path) -> bool:
    """Return whether every user of this machine may read a file; always false on Windows.

    Raises:
        OSError: There is no such file.
    """
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)


def read_believed(path: Path, *, max_bytes: int) -> bytes | FileFault:
    """Return the bytes of a regular file that nobody else could change, or the reason against it.

    Args:
        path: The file; links are followed.
        max_bytes: Largest size that is accepted.

    Raises:
        OSError: It cannot be read.
    """
    fault = find_fault(path)
    if fault is not None:
        return fault
    # Nobody else can change the path any more; without O_NONBLOCK, opening a FIFO waits until somebody writes into it.
    descriptor = os.open(path, _READ_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return FileFault(path, "is not a regular file", "name a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        return FileFault(path, f"is larger than {max_bytes} bytes", "name the right file")
    return data


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield every folder and link that the system passes when it opens a path, and at last what it finds there."""
    whole = Path.cwd() / path
    here, pending = Path(whole.anchor), list(reversed(whole.parts[1:]))
    yield here, here.lstat()
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            here = here.parent  # it has no links, so its parent is the one that the name says
            continue
        place = here / name
        status = place.lstat()
        yield place, status
        if not stat.S_ISLNK(status.st_mode):
            here = place
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = place.readlink()
        here = Path(target.anchor) if target.is_absolute() else here
        pending.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))


def _fault_on_the_way(place: Path, status: os.stat_result) -> FileFault | None:
    if stat.S_ISLNK(status.st_mode):
        return _fault_of_owner(place, status, "is a link of another user")
    if not status.st_mode & stat.S_ISVTX and _others_write(status) and not _has_a_group_of_choice(status):
        return FileFault(place, "is a folder that others may write to", f"chmod go-w {place}")
    return _fault_of_owner(place, status, "is a folder of another user")


def _fault_of(place: Path, status: os.stat_result) -> FileFault | None:
    if _others_write(status):
        return FileFault(place, "may be written by others", f"chmod go-w {place}")
    return _fault_of_owner(place, status, "belongs to another user")


def _fault_of_owner(place: Path, status: os.stat_result, reason: str) -> FileFault | None:
    user = os.geteuid()
    if status.st_uid in (user, ROOT):
        return None
    return FileFault(place, f"{reason} (uid {status.st_uid})", f"chown it to the user {user} or to root")


def _others_write(status: os.stat_result) -> bool:
    # Members of root's group have root's rights on every system that gives them files.
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != ROOT
    return bool(by_group or status.st_mode & stat.S_IWOTH)


def _has_a_group_of_choice(status: os.stat_result) -> bool:
    """Whether a folder is open only to a group that root chose for it, or to the private group of this user.

    The first is how Debian and macOS install ``/usr/local``, the second how Ubuntu creates the folders of a home.
    """
    if status.st_mode & stat.S_IWOTH:
        return False
    if status.st_uid == ROOT:
        return True
    import grp  # noqa: PLC0415 - not on every system
    import pwd  # noqa: PLC0415

    try:
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return group.gr_name == user and not set(group.gr_mem) - {user}
