"""Each live file is what its seal says; what is beside them is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.format.archive.live_files import LiveFile
from telemetry.reader.seals.files import FileDigest, OtherFiles, count_others, judge_file
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.sealed_archive import SealedArchive, data_name


@pytest.fixture
def store(tmp_path: Path) -> StorageProvider:
    return StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=tmp_path / "archive"))


@pytest.fixture
def live(store: StorageProvider) -> LiveFile:
    archive = SealedArchive(store)
    archive.append()
    assert archive.state is not None
    return archive.state.live[data_name(1)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda _: b"rows of file 1", []),
        (lambda _: b"rows of file 2", ["tampered digest"]),
        (lambda data: data + b"x", ["tampered size"]),
        (lambda data: data[:-1], ["tampered size"]),
        (lambda _: b"", ["tampered size"]),
        (None, ["missing "]),
    ],
    ids=["as sealed", "other bytes", "longer", "shorter", "empty", "absent"],
)
def test_file_is_compared_with_its_seal(
    store: StorageProvider, live: LiveFile, change: Callable[[bytes], bytes] | None, found: list[str]
) -> None:
    name = live.file.name
    data = store.get(name)
    store.delete(name)
    if change is not None:
        store.put(name, change(data))

    findings = judge_file(store, live)

    assert [f"{finding.verdict} {finding.field}" for finding in findings] == found
    assert all(finding.place == name for finding in findings)


def test_counted_rows_are_compared(store: StorageProvider, live: LiveFile) -> None:
    digest = FileDigest(live)
    digest.update(store.get(live.file.name))

    assert list(digest.findings(10)) == []
    assert [finding.field for finding in digest.findings(11)] == ["rows"]


def test_files_of_no_seal_are_counted(store: StorageProvider) -> None:
    archive = SealedArchive(store)
    archive.append()
    archive.file()
    assert archive.state is not None

    assert count_others(store, archive.state.live) == OtherFiles(1, 14)
