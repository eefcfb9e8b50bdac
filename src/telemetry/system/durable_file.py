"""A file that is there whole or not at all: written beside its name, moved there at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from telemetry.exceptions import ConfigurationError, Problem

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_BUFFER = 1 << 20


@contextmanager
def new_file(target: Path, *, replace: bool, option: str = "--out") -> Iterator[BinaryIO]:
    """Yield a stream whose bytes are at ``target``, mode 0600, once the block has ended without an error.

    Args:
        target: Name of the file.
        replace: Take the place of a file of that name; without it nothing may be there, before or in between.
        option: Named in errors.

    Raises:
        ConfigurationError: Something is there already, or the folder cannot be written.
    """
    _require_free(target, replace=replace, option=option)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        stream = os.fdopen(os.open(temporary, _CREATE, 0o600), "wb", _BUFFER)
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            _publish(temporary, target, replace=replace)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    except FileExistsError as exc:
        raise _taken(target, option) from exc
    except OSError as exc:
        problem = Problem(option, f"{target} cannot be written: {exc.strerror}", "choose another place")
        raise ConfigurationError(problem) from exc


def _require_free(target: Path, *, replace: bool, option: str) -> None:
    if not os.path.lexists(target):
        return
    if not replace:
        raise _taken(target, option)
    if not target.is_file() and not target.is_symlink():
        problem = Problem(option, f"{target} is not a file", "leave the option out to write to standard output")
        raise ConfigurationError(problem)
    if target.is_symlink():
        raise ConfigurationError(Problem(option, f"{target} is a symbolic link", "name the file that it leads to"))


def _taken(target: Path, option: str) -> ConfigurationError:
    return ConfigurationError(Problem(option, f"{target} exists already", "choose another name, or add --force"))


def _publish(temporary: Path, target: Path, *, replace: bool) -> None:
    if replace:
        temporary.replace(target)
    else:
        try:
            # A link, unlike a rename, never takes the place of what came in between.
            os.link(temporary, target, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            # A file system without links: claim the name, then take its place.
            os.close(os.open(target, _CREATE, 0o600))
            temporary.replace(target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # the bytes are safe; some systems cannot synchronise a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
