"""A lake has one class a file, in the folders of Security Lake, and all files or none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from telemetry.cli.output.parquet import lake
from telemetry.cli.output.parquet.lake import LakePlace, LakeWriter
from telemetry.exceptions import ConfigurationError
from telemetry.reader.mappings import OCSF
from telemetry.reader.mappings.ocsf import OcsfMapping
from tests.support.some_events import opened

EVENTS: tuple[dict[str, Any], ...] = (
    {"event_type": "user_login"},
    {"event_type": "order_updated"},
    {"event_type": "order_updated", "occurred_at": "2021-03-04T23:59:59.999Z"},
    {"event_type": "order_updated", "occurred_at": "2021-03-05T00:00:00Z"},
    {"event_type": "order_updated", "occurred_at": "0001-01-01T00:00:00Z"},
)
PLACE = {"source": "telemetry", "region": "eu-central-1", "account": "123456789012"}


def _writer(folder: Path) -> LakeWriter:
    assert isinstance(OCSF.record, OcsfMapping)
    return LakeWriter(LakePlace(folder=folder, **PLACE), OCSF, OCSF.record)


def _write(folder: Path, events: Any = EVENTS) -> LakeWriter:
    writer = _writer(folder)
    for fields in events:
        writer.write(opened(**fields))
    writer.close()
    return writer


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _rows(file: Path) -> list[dict[str, Any]]:
    # The file alone: the names of its folders would become columns.
    found: list[dict[str, Any]] = pq.ParquetFile(file).read().to_pylist()
    return found


def test_files_are_where_security_lake_looks(tmp_path: Path) -> None:
    _write(tmp_path)

    below = "1.0/region=eu-central-1/accountId=123456789012"
    assert [str(file.parent.relative_to(tmp_path)) for file in _files(tmp_path)] == [
        f"ext/telemetry-3002/{below}/eventDay=20260131",
        f"ext/telemetry-6003/{below}/eventDay=00010101",
        f"ext/telemetry-6003/{below}/eventDay=20210304",
        f"ext/telemetry-6003/{below}/eventDay=20210305",
        f"ext/telemetry-6003/{below}/eventDay=20260131",
    ]
    assert all({row["class_uid"] for row in _rows(file)} == {int(file.parts[-6][-4:])} for file in _files(tmp_path))
    assert {file.stat().st_mode & 0o777 for file in _files(tmp_path)} == {0o600}
    assert (tmp_path / "ext").stat().st_mode & 0o777 == 0o700


def test_name_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    _write(tmp_path)

    for file in _files(tmp_path):
        assert file.name == f"{hashlib.sha256(file.read_bytes()).hexdigest()[:32]}.parquet"


def test_second_export_gives_the_same_files(tmp_path: Path) -> None:
    _write(tmp_path)
    before = _files(tmp_path)

    _write(tmp_path)

    assert _files(tmp_path) == before


def test_discarded_lake_leaves_nothing(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    writer.write(opened())

    writer.discard()
    writer.discard()

    assert list(tmp_path.iterdir()) == []


def test_nothing_appears_before_the_end(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    for fields in EVENTS:
        writer.write(opened(**fields))

    assert not (tmp_path / "ext").exists()
    writer.discard()


def test_more_days_than_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake, "MAX_OPEN", 2)
    days = [f"2021-03-{day:02}T00:00:00Z" for day in (*range(1, 8), *range(1, 8))]

    writer = _write(tmp_path, [{"occurred_at": day, "entity_id": str(at)} for at, day in enumerate(days)])

    rows = [row for file in _files(tmp_path) for row in _rows(file)]
    assert sorted(row["metadata"]["original_time"] for row in rows) == sorted(days)
    assert list(writer.remarks()) == [f"14 files below {tmp_path / 'ext'}"]


def test_large_file_is_continued_in_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake, "MAX_BYTES", 1)

    _write(tmp_path, [{"entity_id": str(number)} for number in range(3)])

    assert len(_files(tmp_path)) == 3


def test_memory_of_all_files_together_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake, "TEXT_BYTES", 1)
    writer = _writer(tmp_path)

    for fields in EVENTS:
        writer.write(opened(**fields))

    assert sum(file.groups.size for file in writer._open.values()) == 0
    writer.discard()


def test_link_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "first", EVENTS[:1])
    (file,) = _files(tmp_path / "first")
    target = tmp_path / "second" / file.relative_to(tmp_path / "first")
    target.parent.mkdir(parents=True)
    (tmp_path / "precious").write_text("mine")
    target.symlink_to(tmp_path / "precious")

    writer = _writer(tmp_path / "second")
    for fields in EVENTS:
        writer.write(opened(**fields))
    with pytest.raises(ConfigurationError, match="symbolic link"):
        writer.close()
    writer.discard()

    assert _files(tmp_path / "second") == [target]
    assert (tmp_path / "precious").read_text() == "mine"


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for folder in (tmp_path / "file", tmp_path / "absent" / "folder"):
        with pytest.raises(ConfigurationError, match="--lake"):
            _writer(folder)
