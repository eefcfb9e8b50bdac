"""Reads a passphrase from the first line of a file, or of a pipe such as a shell's ``<(...)``."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import typer

from telemetry.exceptions import ConfigurationError, Problem

_MAX_PASSPHRASE_BYTES = 4_096
_FIELD = "passphrase_file"


def read_passphrase(path: Path) -> str:
    """Return the first line of a passphrase file.

    Raises:
        ConfigurationError: Another user could have written it, it cannot be read, or its first line is empty or too long.
    """
    # Imported here: a help text needs no configuration.
    from telemetry.config.secret_files import first_line, read_secret  # noqa: PLC0415

    try:
        found = first_line(_line_of_pipe(path), path) if _is_own_pipe(path) else read_secret(path)
    except ConfigurationError as exc:
        raise ConfigurationError(*(Problem(_FIELD, item.reason, item.remedy) for item in exc.problems)) from None
    except (OSError, ValueError) as exc:
        reason = f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'it is not a path'}"
        raise ConfigurationError(Problem(_FIELD, reason, "check its path and its mode")) from exc
    if isinstance(found, Problem):
        raise ConfigurationError(Problem(_FIELD, found.reason, found.remedy))
    return found.get_secret_value()


def ask_passphrase(file: Path | None, variable: str, *, confirm: bool, label: str = "Passphrase") -> str:
    """Return a passphrase from a file, an environment variable, or a prompt.

    Args:
        file: File whose first line it is; None for the other two.
        variable: The environment variable.
        confirm: Whether a prompt asks for it twice.
        label: Text of the prompt.

    Raises:
        ConfigurationError: It is empty, or the file cannot be used.
    """
    if file is not None:
        return read_passphrase(file)
    passphrase = os.environ.get(variable)
    if passphrase is None:
        # The prompt goes to standard error, because standard output may be redirected to a file.
        passphrase = str(typer.prompt(label, hide_input=True, confirmation_prompt=confirm, err=True))
    if not passphrase:
        raise ConfigurationError(Problem(variable, "is empty", "choose a long passphrase"))
    return passphrase


def _is_own_pipe(path: Path) -> bool:
    """Whether it is a pipe that this user or root opened; everybody else could write into their own."""
    status = path.stat()
    return stat.S_ISFIFO(status.st_mode) and (os.name != "posix" or status.st_uid in (os.geteuid(), 0))


def _line_of_pipe(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(_MAX_PASSPHRASE_BYTES + 1)
