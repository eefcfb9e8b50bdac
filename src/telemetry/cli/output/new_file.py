"""Writes the file that an option names: whole or not at all, and never over a file by accident."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.durable_file import durable_file

_REMEDIES = {
    errno.ELOOP: "name the file that it leads to",
    errno.EINVAL: "name a regular file; standard output needs no option",
    errno.ENOSPC: "free space on its disk, or choose another place",
}


@contextmanager
def new_file(target: Path, *, replace: bool, option: str = "--out", has_force: bool = False) -> Iterator[BinaryIO]:
    """Yield a stream whose bytes are at ``target``, mode 0600, once the block has ended without an exception.

    Args:
        target: Name of the file.
        replace: Replace a file of that name; without it the name must be free, before and in between.
        option: Name of the option, for errors.
        has_force: Whether the command has an option ``--force`` that replaces the file.

    Raises:
        ConfigurationError: The name is taken, or the file cannot be written.
    """
    try:
        with durable_file(target, replace=replace) as stream:
            yield stream
    except FileExistsError as exc:
        remedy = "choose another name, or add --force" if has_force else "choose another name"
        problem = Problem(option, f"{target} exists already", remedy)
        raise ConfigurationError(problem) from exc
    except OSError as exc:
        remedy = _REMEDIES.get(exc.errno or 0, "choose another place")
        raise ConfigurationError(Problem(option, f"{target} cannot be written: {exc.strerror}", remedy)) from exc
