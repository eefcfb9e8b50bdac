"""A data file that waited too long for its seal is not sealed: a clean-up may be deleting it."""

from __future__ import annotations

import pytest

from telemetry.archive.committing.young_files import MAX_AGE_SECONDS, require_young
from telemetry.exceptions import ArchiveStateError
from telemetry.format.archive.seal import SealedFile

CREATED = 0x0198C0DE0000 / 1_000
NAME = "events/data/day=2026-01-31/0198c0de-0000-7000-8000-000000000001-0.parquet"


def file(name: str = NAME) -> SealedFile:
    return SealedFile(name=name, sha256="0" * 64, size=1, rows=1, day="2026-01-31")


def test_old_file_is_refused() -> None:
    require_young([file()], now=CREATED + MAX_AGE_SECONDS - 1)
    with pytest.raises(ArchiveStateError, match="Begin the commit again"):
        require_young([file()], now=CREATED + MAX_AGE_SECONDS + 1)


def test_name_without_a_time_says_nothing() -> None:
    require_young([file("events/data/day=2026-01-31/part-0001.parquet")], now=CREATED + 10**9)
