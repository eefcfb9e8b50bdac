"""Checks that the spool folder and the files in it are this user's own, before any of them is opened.

A folder that others may write to is no place for a spool: what lies in it is sent and signed in this service's name. Inside
a folder of our own a file may still be something else, because of a bug, a backup or a link. SQLite follows links, waits
at a FIFO, and turns any database that it is told to into its own form, so names are looked at first.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from telemetry.exceptions import SpoolError
from telemetry.system.file_trust import find_fault

_BESIDE = ("-wal", "-journal", "-shm")
"""What SQLite may open beside a database file (https://sqlite.org/tempfiles.html)."""


class ForeignFileError(SpoolError):
    """A file in the spool folder is not one that this library wrote; it is left as it is."""

    retriable = False


def open_folder(folder: Path) -> None:
    """Create the spool folder with mode 0700, or check that it is our own; check that it can be written.

    Raises:
        SpoolError: It cannot be created or written, or others may write to it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fault = find_fault(folder)
        if fault is not None:
            message = (
                f"the spool folder {folder} is refused, because others could change what is sent from it: {fault}; "
                f"{fault.remedy}, or name a folder that only this user may write to"
            )
            raise SpoolError(message)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        message = f"the spool folder {folder} cannot be written: {exc.strerror}; check its owner and mode"
        raise SpoolError(message) from exc


def require_own(path: Path) -> os.stat_result:
    """Return what the system knows of a segment's file, once it and what SQLite opens beside it are our own.

    Nothing is opened: closing a second descriptor of a file would release the lock that SQLite has in this process (POSIX).

    Raises:
        ForeignFileError: One of them is a link, has a second name, is no regular file, or is or was another user's.
        FileNotFoundError: There is no such segment.
    """
    status = _own(path)
    for suffix in _BESIDE:
        try:
            _own(path.with_name(path.name + suffix))
        except FileNotFoundError:
            continue
    return status


def free_name(path: Path, suffix: str) -> Path:
    """Return under which name a segment is set apart: that of an earlier file is not taken from it."""
    name, number = path.with_suffix(suffix), 1
    while os.path.lexists(name):
        number += 1
        name = path.with_suffix(f".{number}{suffix}")
    return name


def rename_segment(path: Path, suffix: str) -> Path:
    """Rename a segment and its log so that nobody adopts them again; return the segment's new name.

    A segment that was set apart before may have had the same name, such as another copy of the file.
    """
    renamed = free_name(path, suffix)
    for beside in ("", "-wal"):
        name, target = (each.with_name(each.name + beside) for each in (path, renamed))
        with contextlib.suppress(FileNotFoundError):
            if name.stat().st_size:
                name.rename(target)
            else:
                name.unlink()
    return renamed


def is_same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Return whether two results are of one file."""
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def has_content(path: Path) -> bool:
    """Return whether there is a file of this name that is not empty."""
    try:
        return path.lstat().st_size > 0
    except FileNotFoundError:
        return False


def _own(path: Path) -> os.stat_result:
    status = path.lstat()
    reason = _reason_against(status)
    if reason:
        message = f"{path} {reason}, so it is not a spool segment of this process's user; look at it, then move it away"
        raise ForeignFileError(message)
    return status


def _reason_against(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    # There are no such modes on Windows: there the access control list of the folder decides.
    return _reason_of_owner(status) if os.name == "posix" else ""


def _reason_of_owner(status: os.stat_result) -> str:
    if status.st_nlink != 1:
        return "has more than one name (hard links)"
    if status.st_uid != os.geteuid():
        return f"belongs to another user (uid {status.st_uid})"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "may be written by others"
    return ""
