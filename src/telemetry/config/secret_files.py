"""Reads secrets from files: those of systemd, Kubernetes and Docker, and any other that nobody else may write."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.file_trust import FileFault, find_fault, is_readable_by_all, read_believed

logger = logging.getLogger("telemetry.config")

_MAX_FILE_BYTES = 64 << 10
_MAX_SECRET_BYTES = 4_096
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Folder of a unit's credentials, as systemd names it (systemd.exec, LoadCredential=)."""

SecretFiles = Mapping[str, str]
"""Field that names a file -> field of the secret."""


def read_secret(path: Path) -> SecretStr:
    """Return the first line of a file, without the end of the line.

    ``~`` and a leading ``$CREDENTIALS_DIRECTORY`` are expanded. A file that every user of the machine may read is
    accepted, because Docker and Kubernetes mount secrets so, and warned about.

    Raises:
        ConfigurationError: Another user could have written it, it cannot be read, or its first line is empty or too long.
    """
    path = _expanded(path)
    try:
        data = read_believed(path, max_bytes=_MAX_FILE_BYTES)
        is_open = is_readable_by_all(path)
    except OSError as exc:
        raise ConfigurationError(Problem("", f"{path} cannot be read: {exc.strerror}", "check path and owner")) from exc
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem("", str(data), data.remedy))
    if is_open:
        logger.warning("%s has a secret and may be read by every user of this machine; chmod o-r %s", path, path)
    found = first_line(data, path)
    del data  # a traceback with local variables must not show it
    if isinstance(found, Problem):
        raise ConfigurationError(found)
    return found


def first_line(data: bytes, path: Path) -> SecretStr | Problem:
    """Return the first line of a file's content as a secret, or the problem with it: empty, too long, or not UTF-8."""
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    try:
        secret = line.decode("utf-8")
    except UnicodeDecodeError:
        secret = None
    if secret and len(line) <= _MAX_SECRET_BYTES:
        return SecretStr(secret)
    fault = "cannot be read as UTF-8" if secret is None else "is too long" if secret else "is empty"
    return Problem("", f"the first line of {path} {fault}", "write the secret into its first line")


def require_unchangeable(path: Path, *, field: str) -> None:
    """Check that nobody else could have written a file; one that is absent is left to its reader.

    Raises:
        ConfigurationError: Another user could change the file, or a folder or link that leads to it.
    """
    try:
        fault = find_fault(path.expanduser())
    except OSError:
        return
    if fault is not None:
        raise ConfigurationError(Problem(field, str(fault), fault.remedy))


def with_secrets(values: Mapping[str, Any], files: SecretFiles) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values of a model with the secrets that their files have, and the problems of those files.

    Args:
        values: What the model is created from.
        files: The fields that name files, and those of their secrets.
    """
    filled, problems = dict(values), []
    for field, target in files.items():
        given = values.get(field)
        if given in (None, ""):
            continue
        try:
            filled[target] = _agreed(values.get(target), read_secret(Path(given)), target)
        except ConfigurationError as exc:
            problems += [Problem(field, problem.reason, problem.remedy) for problem in exc.problems]
        except (TypeError, ValueError):
            problems.append(Problem(field, "is not a path", "name a file"))
    return filled, problems


def _agreed(given: Any, read: SecretStr, target: str) -> SecretStr:
    """Return the secret, which may be given as well if it is the same: a configuration can be created from its values."""
    if given is None or _are_equal(given, read):
        return read
    raise ConfigurationError(Problem("", f"has another secret than {target}", "keep one of the two"))


def _are_equal(given: Any, read: SecretStr) -> bool:
    text = given.get_secret_value() if isinstance(given, SecretStr) else given
    return isinstance(text, str) and hmac.compare_digest(text.encode(), read.get_secret_value().encode())


def _expanded(path: Path) -> Path:
    if path.parts and path.parts[0] in (f"${_CREDENTIALS}", f"${{{_CREDENTIALS}}}"):
        folder = os.environ.get(_CREDENTIALS)
        if not folder:
            reason = f"names {path.parts[0]}, which is not set"
            raise ConfigurationError(Problem("", reason, "start the process as a unit with LoadCredential="))
        return Path(folder, *path.parts[1:])
    return path.expanduser()
