"""The commands that read an archive: what they show of it, and that what they open is recorded in the trail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption import EncryptionProviderFactory
from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from tests.support.archived_trail import ARCHIVER
from tests.support.in_process import Ended, run
from tests.support.searchable_archive import SearchableArchive
from tests.support.written_trail import Signer


@pytest.fixture
def archive(tmp_path: Path) -> SearchableArchive:
    archive = SearchableArchive(tmp_path)
    archive.fill()
    lines = ["version = 1"]
    for key, role in ((Signer().public, "service"), (ARCHIVER.public, "archiver")):
        lines += ["[[key]]", f'public = "{key}"', f'roles = ["{role}"]', 'sources = ["/*/*"]']
    (tmp_path / "trust.toml").touch(mode=0o600)
    (tmp_path / "trust.toml").write_text("\n".join(lines))
    return archive


def _run(archive: SearchableArchive, command: str, *words: str) -> Ended:
    return run(command, *words, "-c", str(archive.file))


def _lines(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


def _trust(archive: SearchableArchive) -> tuple[str, str]:
    return "--trust", str(archive.folder / "trust.toml")


def test_search_needs_no_key(archive: SearchableArchive) -> None:
    (archive.folder / "key.json").unlink()
    ended = _run(archive, "search", "--user", "wanted", "--json", *_trust(archive))

    assert ended.code == 0, ended.err
    found = _lines(ended)
    assert len(found) == 6
    assert {each["proven"] for each in found} == {"yes"}
    assert not any("wanted" in json.dumps(each) for each in found)
    assert "6 found" in ended.err


def test_search_prints_lines_counts_and_columns(archive: SearchableArchive) -> None:
    lines = _run(archive, "search", "--type", "user_*", "--in", "production", "--limit", "2").out.decode().splitlines()
    counted = _lines(_run(archive, "search", "--count-by", "outcome", "--json"))
    columns = _run(archive, "search", "--user", "wanted", "--service", "shop", "--columns", "service,sequence")

    assert len(lines) == 2
    assert all("user_login" in line for line in lines)
    assert counted == [{"outcome": "denied", "events": 60}, {"outcome": "success", "events": 60}]
    assert columns.out.decode().splitlines() == ["shop  0"] * 3


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--columns", "user"), "there is no column"),
        (("--count-by", "type", "--open"), "--count-by"),
        (("--ip", "10.0.0.0/8"), "names a network"),
        (("--sensitive",), "--sensitive"),
        (("--archive", "ftp://host/x"), "--archive"),
        (("--archive", "/nowhere/at/all"), "is not a folder"),
    ],
)
def test_search_refuses(archive: SearchableArchive, words: tuple[str, ...], problem: str) -> None:
    ended = _run(archive, "search", *words)

    assert ended.code == 2
    assert problem in ended.err


def test_search_says_why_nothing_can_be_found(archive: SearchableArchive) -> None:
    ended = _run(archive, "search", "--tenant", "acme")

    assert (ended.code, ended.out) == (0, b"")
    assert "tenantid" in ended.err


def test_search_opens_few_keys(archive: SearchableArchive) -> None:
    ended = _run(archive, "search", "--user", "wanted", "--open", "--most-keys", "5")

    assert ended.code == 2
    assert "6 data keys" in ended.err


def test_opened_hits_are_recorded_in_the_trail(archive: SearchableArchive) -> None:
    with EmbeddedKafka() as kafka:
        archive.configure(kafka_brokers=kafka.bootstrap_servers, read_audit="required")
        words = ("--user", "wanted", "--service", "shop", "--open", "--json", "--reason", "ticket 4711")
        ended = _run(archive, "search", *words, *_trust(archive))
        config = archive.config().audit_config
        assert config.encryption_config is not None
        with KafkaSource(config) as source, EncryptionProviderFactory.create(config.encryption_config) as provider:
            entries = list(TrailReader(source, provider=provider))

    assert ended.code == 0, ended.err
    assert [each["user_id"] for each in _lines(ended)] == ["wanted"] * 3
    assert "3 events under 3 data keys" in ended.err
    (read,) = [entry.event for entry in entries if isinstance(entry, OpenedEvent)]
    assert (read.event_type, read.payload["reason"]) == ("telemetry.read", "ticket 4711")
    assert read.payload["filters"] == {"users": ["wanted"]}
    (source_,) = read.payload["sources"]
    assert (source_["kind"], source_["seal"], source_["found"]) == ("archive", 2, 3)
    assert source_["searched"]["services"] == ["shop"]


def test_unrecorded_read_opens_nothing(archive: SearchableArchive) -> None:
    archive.configure(read_audit="required", kafka_timeout_ms=1_000)
    ended = _run(archive, "search", "--user", "wanted", "--open")

    assert (ended.code, ended.out) == (7, b"")


def test_altered_columns_are_named(archive: SearchableArchive) -> None:
    table = archive.trail.table()
    at = table.schema.get_field_index("outcome")
    swapped = table.column("outcome").to_pylist()
    swapped = [{"denied": "success", "success": "denied"}.get(each, each) for each in swapped]
    import pyarrow as pa  # noqa: PLC0415

    from telemetry.format.archive.seal import SealKind  # noqa: PLC0415

    archive.trail.replace(
        SealKind.COMPACT, table.set_column(at, table.schema.field(at), pa.array(swapped, pa.string()))
    )
    ended = _run(archive, "search", "--outcome", "denied", "--limit", "1000")

    assert (ended.code, ended.out) == (3, b"")
    assert "outcome" in ended.err


def test_export_reads_the_archive(archive: SearchableArchive) -> None:
    words = ("--from", "archive", "--user", "wanted", "--since", "2026-01-03", "--json")
    ended = _run(archive, "export", *words, *_trust(archive))

    assert ended.code == 0, ended.err
    assert [each["user_id"] for each in _lines(ended)] == ["wanted"] * 4
    read = json.loads(ended.err.splitlines()[-1])["read"]
    assert (read["proven"], read["pending"], read["damaged"]) == (4, 0, 0)


def test_sealed_export_is_verified_from_its_file(archive: SearchableArchive) -> None:
    copy = archive.folder / "copy.jsonl"
    # No broker and no key is named.
    assert (
        run(
            "export", "--from", "archive", "--archive", str(archive.folder / "archive"), "--sealed", "-o", str(copy)
        ).code
        == 0
    )
    ended = run("verify", "--file", str(copy), "--trust", str(archive.folder / "trust.toml"), "--json")

    assert json.loads(ended.out)["verdict"] == "complete", ended.err


def test_tail_reads_the_archive(archive: SearchableArchive) -> None:
    ended = _run(archive, "tail", "--from", "archive", "--last", "3", "--json")

    assert len(_lines(ended)) == 3
    assert _run(archive, "tail", "--from", "archive", "--follow").code == 2
    assert _run(archive, "tail", "--archive", str(archive.folder)).code == 2


def test_altered_file_makes_an_export_fail(archive: SearchableArchive) -> None:
    with StorageProviderFactory.create(archive.trail.storage) as store:
        first, second = sorted(archive.trail.live)[:2]
        content = store.get(second)
        store.delete(first)
        store.put(first, content)
    ended = _run(archive, "export", "--from", "archive", *_trust(archive))

    assert ended.code == 3
    assert first in ended.err


def test_event_is_followed_opened_and_proven(archive: SearchableArchive, tmp_path: Path) -> None:
    (found, *_) = _lines(_run(archive, "search", "--user", "wanted", "--json"))
    where = ("--from", "archive", *_trust(archive))
    lineage = _run(archive, "lineage", found["id"], *where, "--open", "--json")
    proof = tmp_path / "event.proof.json"
    proven = _run(archive, "prove", found["id"], *where, "-o", str(proof))

    (record,) = json.loads(lineage.out)["records"]
    assert (lineage.code, record["event"]["user_id"], record["proven"]) == (0, "wanted", "yes")
    assert proven.code == 0, proven.err
    assert run("verify-proof", str(proof), "--public-key", str(Signer().public)).code == 0


def test_evidence_is_taken_from_the_archive(archive: SearchableArchive, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    words = ("--from", "archive", "--user", "wanted", *_trust(archive))
    ended = _run(archive, "evidence", *words, "-o", str(pack), "--json")

    assert ended.code == 0, ended.err
    (summary,) = _lines(ended)
    assert (summary["events"], summary["proven"], summary["verdict"]) == (6, 6, "complete")
    assert run("verify-evidence", str(pack), *_trust(archive), "--json").out


@pytest.mark.parametrize(
    ("command", "package"), [(("search",), "duckdb"), (("export", "--from", "archive", "--sealed"), "pyarrow")]
)
def test_missing_extra_is_named(archive: SearchableArchive, command: tuple[str, ...], package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from telemetry.cli import main; main()"
    words = [sys.executable, "-c", program, *command, "-c", str(archive.file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2, done.stderr
    assert "telemetry-audit[archive]" in done.stderr
