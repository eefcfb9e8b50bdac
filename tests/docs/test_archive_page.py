"""The commands and examples of docs/archive.md about reading, searching and restoring run as they are written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.place import archive_name, archive_store_config
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.config import TelemetryConfig
from telemetry.storage import StorageProviderFactory
from tests.support.archived_trail import ARCHIVER
from tests.support.in_process import Ended, run
from tests.support.searchable_archive import SearchableArchive
from tests.support.written_trail import Signer

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"


def _blocks(section: str, language: str) -> list[str]:
    text = PAGE.read_text("utf-8")
    part = text[text.index(f"\n## {section}\n") + 1 :].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", part, re.MULTILINE | re.DOTALL)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchableArchive:
    """An archive in the folder ``archive``, a trust file and a configuration, in the current folder."""
    archive = SearchableArchive(tmp_path)
    archive.fill()
    lines = ["version = 1"]
    for key, role in ((Signer().public, "service"), (ARCHIVER.public, "archiver")):
        lines += ["[[key]]", f'public = "{key}"', f'roles = ["{role}"]', 'sources = ["/*/*"]']
    (tmp_path / "trust.toml").touch(mode=0o600)
    (tmp_path / "trust.toml").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    return archive


def _run_all(block: str, **names: str) -> list[Ended]:
    done = []
    for line in block.splitlines():
        words = [names.get(word, word) for word in shlex.split(line)]
        assert words[0] == "telemetry"
        ended = run(*words[1:])
        assert ended.code == 0, (line, ended.err)
        done.append(ended)
    return done


def test_reading_runs_as_written(archive: SearchableArchive) -> None:
    (archive.folder / "copy").symlink_to(archive.folder / "archive")
    (block,) = _blocks("Reading", "sh")

    exported, tail, _ = _run_all(block)
    assert exported.out == b""
    assert len(tail.out.splitlines()) == 20
    assert len((archive.folder / "everything.jsonl").read_text().splitlines()) == 126


def test_search_runs_as_written(archive: SearchableArchive) -> None:
    (block,) = _blocks("Search", "sh")

    found, counted, opened = _run_all(block)
    assert len(found.out.splitlines()) == 3
    assert len(counted.out.splitlines()) == 3
    assert {json.loads(line)["user_id"] for line in opened.out.splitlines()} == {"wanted"}


def test_restore_drill_needs_the_copy_alone(archive: SearchableArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    drill = archive.folder / "drill"
    drill.mkdir(mode=0o700)
    (archive.folder / "archive").rename(drill / "copy")
    for name in ("trust.toml", "key.json"):
        (archive.folder / name).rename(drill / name)
    monkeypatch.chdir(drill)
    (settings,) = _blocks("Restore drill", "toml")
    Path("drill.toml").touch(mode=0o600)
    Path("drill.toml").write_text(settings)
    (block,) = _blocks("Restore drill", "sh")
    verify, search, rest = block.split("\n", 2)

    _, found = _run_all(f"{verify}\n{search}")
    event_id = found.out.decode().split()[-2]
    *_, opened = _run_all(rest, EVENT_ID=event_id)
    assert "note of wanted" in opened.out.decode()


def test_duckdb_reads_folder_and_table(archive: SearchableArchive) -> None:
    with StorageProviderFactory.create(archive.trail.storage) as store:
        reader = ArchiveReader(store, name="the archive")
        table = ArchiveTable.open(store)
        for number in range(reader.number + 1):
            table.register(reader.seals.read(number).seal)
        table.close()
    names: dict[str, object] = {"print": lambda found: shown.append(str(found))}
    shown: list[str] = []
    for example in _blocks("With DuckDB", "python"):
        exec(compile(example, "archive.md", "exec"), names)  # noqa: S102

    assert "order_created" in shown[0]
    assert shown[1] == "[('clinic', 40), ('shop', 40)]"


def test_archiver_of_the_page_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [each for each in _blocks("Running the archiver", "toml") if each.startswith("# archiver.toml")]
    monkeypatch.chdir(tmp_path)
    for name, content in (("archiver.toml", block), ("archiver-passphrase", "correct horse battery\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)

    config = TelemetryConfig.load("archiver.toml")

    assert config.archive_config is not None
    assert archive_name(archive_store_config(None, config)) == "s3://audit-archive/payments"
    assert config.archive_config.signing_config is not None


def test_commands_of_the_archiver_exist() -> None:
    lines = [line for block in _blocks("Running the archiver", "sh") for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        words = shlex.split(line)
        options = [word for word in words if word.startswith("--")]
        shown = run(
            *[word for word in words[1:3] if not word.startswith("-")], "--help", environment={"COLUMNS": "200"}
        )
        assert shown.code == 0
        assert all(option in shown.out.decode() for option in options), line
