"""Errors of a file system become errors of a store, each with a remedy that names what to move."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageError,
    StorageFullError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from telemetry.system.file_errors import _ERRORS, storage_error

PATH = Path("/audit/verify.state")


def error_of(number: int) -> StorageError:
    return storage_error(OSError(number, os.strerror(number)), doing="writing", path=PATH, place="the state file")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EROFS, StorageAccessDeniedError),
        (errno.EACCES, StorageAccessDeniedError),
        (errno.ELOOP, StorageAccessDeniedError),
        (errno.ENOENT, StorageNotFoundError),
        (errno.ENAMETOOLONG, StorageLimitError),
        (errno.ESTALE, StorageUnreachableError),
        (errno.EIO, StorageError),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_kind_follows_the_number(number: int, expected: type[StorageError]) -> None:
    assert type(error_of(number)) is expected


@pytest.mark.parametrize("number", [*_ERRORS, errno.EIO], ids=lambda number: errno.errorcode[number])
def test_message_names_path_reason_and_remedy(number: int) -> None:
    message = str(error_of(number))
    assert message.startswith(f"writing {str(PATH)!r} failed: {os.strerror(number)} (")
    assert "{" not in message
    assert "base_path" not in message


def test_error_without_a_number() -> None:
    message = str(storage_error(OSError("odd"), doing="writing", path=PATH, place="the state file"))
    assert "failed: OSError (look at the system log" in message
