"""The subject stores: a SQLite file and a database of a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.subjects.store.store import SubjectStore
from tests.support.subject_stores import SubjectSite, local_provider


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> SubjectSite:
    if request.param == "sqlite":
        return SubjectSite.in_sqlite(tmp_path)
    return SubjectSite.in_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def store(site: SubjectSite) -> Iterator[SubjectStore]:
    with site.open() as found:
        yield found


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncryptionProvider]:
    with local_provider(tmp_path_factory.mktemp("kek")) as found:
        yield found
