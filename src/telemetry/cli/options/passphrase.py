"""Reads a passphrase from the first line of a file."""

from __future__ import annotations

from pathlib import Path

from telemetry.exceptions import ConfigurationError, Problem

_MAX_PASSPHRASE_BYTES = 4_096


def read_passphrase(path: Path) -> str:
    """Return the first line of a passphrase file.

    Raises:
        ConfigurationError: It cannot be read, or its first line is empty or too long.
    """
    try:
        with path.open("rb") as file:  # a pipe is fine, as of a shell's <(...)
            line = file.readline(_MAX_PASSPHRASE_BYTES + 1)
        passphrase = line.decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as exc:
        problem = Problem("passphrase_file", f"{path} cannot be read as UTF-8 text", "check its path and its mode")
        raise ConfigurationError(problem) from exc
    if not passphrase or len(line) > _MAX_PASSPHRASE_BYTES:
        reason = f"the first line of {path} is {'too long' if passphrase else 'empty'}"
        raise ConfigurationError(Problem("passphrase_file", reason, "write the passphrase into its first line"))
    return passphrase
