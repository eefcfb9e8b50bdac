from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import run
from tests.support.readable_trail import EVENTS, ReadableTrail

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path_factory.mktemp("trail"))


@pytest.fixture
def own_trail(tmp_path: Path) -> Iterator[ReadableTrail]:
    """A trail that a test adds to."""
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path)


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def test_json_lines_lose_nothing(trail: ReadableTrail) -> None:
    ended = trail.run("export")

    assert ended.code == 0, ended.err
    assert "8 written" in ended.err
    assert sorted(_lines(ended.out), key=str) == sorted(trail.tail(), key=str)
    assert not set(ended.out) & set(range(0x20)) - {0x0A}


def test_file_is_complete_private_and_not_replaced(trail: ReadableTrail, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    before = os.umask(0)

    first = trail.run("export", "-o", str(file))
    again = trail.run("export", "-o", str(file))
    forced = trail.run("export", "-o", str(file), "--force", "--user", "bob")

    os.umask(before)
    assert (first.code, again.code, forced.code) == (0, 2, 0)
    assert "exists already" in again.err
    assert len(_lines(file.read_bytes())) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def test_failed_run_leaves_no_file(trail: ReadableTrail, tmp_path: Path) -> None:
    ended = trail.run("export", "-o", str(tmp_path / "out.parquet"), "--format", "parquet", "--brokers", "127.0.0.1:1")

    assert ended.code == 6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["", "absent/out.jsonl"])
def test_unwritable_place_is_reported(trail: ReadableTrail, tmp_path: Path, target: str) -> None:
    ended = trail.run("export", "--force", "-o", str(tmp_path / target))

    assert ended.code == 2
    assert "--out" in ended.err


def test_symbolic_link_is_not_followed(trail: ReadableTrail, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")

    ended = trail.run("export", "--force", "-o", str(tmp_path / "link"))

    assert ended.code == 2
    assert (tmp_path / "precious").read_text() == "mine"


def test_csv_cells_are_reversible_and_no_formulas(trail: ReadableTrail) -> None:
    ended = trail.run("export", "--format", "csv")

    assert ended.code == 0, ended.err
    rows = list(csv.DictReader(io.StringIO(ended.out.decode(), newline="")))
    cells = [cell for row in rows for cell in row.values() if cell]
    assert not [cell for cell in cells if cell.startswith(_FORMULA)]
    by_user = {row["user_id"].removeprefix("'"): row for row in rows}
    row = by_user["-bob"]
    assert (row["event_type"], row["user_id"]) == ("'=HYPERLINK(A1)", "'-bob")
    assert (row["user_agent"], row["entity"], row["source"]) == ("'@sum", "''quoted", "a;b")
    assert json.loads(row["payload"]) == "+cmd"
    for event_type, payload, user, _ in EVENTS:
        assert [
            row
            for row in rows
            if row["event_type"].removeprefix("'") == event_type
            and row["user_id"].removeprefix("'") == user
            and json.loads(row["payload"] or "null") == payload
        ]


def test_parquet_has_typed_columns(trail: ReadableTrail, tmp_path: Path) -> None:
    file = tmp_path / "out.parquet"

    ended = trail.run("export", "--format", "parquet", "-o", str(file))

    assert ended.code == 0, ended.err
    table = pq.read_table(file)
    assert table.num_rows == len(EVENTS)
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["time"], types["sequence"], types["payload"]) == ("timestamp[us, tz=UTC]", "int64", "string")
    rows = {(row["event_type"], row["user_id"]): row for row in table.to_pylist()}
    for event_type, payload, user, fields in EVENTS:
        row = rows[event_type, user]
        assert json.loads(row["payload"] or "null") == payload
        assert row["outcome"] == fields.get("outcome")
        assert json.loads(row["kafka"])["topic"] == "audit-events"
    assert table.schema.metadata[b"schema"].startswith(b"event ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("schema", ["event", "cloudevents", "ocsf", "cadf", "ecs"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_schema_in_every_format(trail: ReadableTrail, tmp_path: Path, schema: str, form: str) -> None:
    file = tmp_path / "out"

    ended = trail.run("export", "--schema", schema, "--format", form, "-o", str(file))

    assert ended.code == 0, ended.err
    content = file.read_bytes()
    if form == "jsonl":
        assert len(_lines(content)) == len(EVENTS)
    elif form == "csv":
        assert len(list(csv.DictReader(io.StringIO(content.decode(), newline="")))) == len(EVENTS)
    else:
        assert pq.read_table(file).num_rows == len(EVENTS)


def test_lake_has_one_class_a_file(trail: ReadableTrail, tmp_path: Path) -> None:
    form = ("--schema", "ocsf", "--format", "parquet", "--lake", str(tmp_path / "lake"))
    names = ("--lake-region", "eu-central-1", "--lake-account", "123456789012")

    ended = [trail.run("export", *form, *names) for _ in range(2)]
    beside = trail.run("export", *form, *names, "-o", str(tmp_path / "out"))

    assert [each.code for each in (*ended, beside)] == [0, 0, 2], ended[0].err
    assert "files below" in ended[0].err
    files = [path for path in (tmp_path / "lake").rglob("*") if path.is_file()]
    assert sum(pq.ParquetFile(file).metadata.num_rows for file in files) == len(EVENTS)
    assert {file.relative_to(tmp_path / "lake").parts[1] for file in files} == {"telemetry-3002", "telemetry-6003"}


def test_layout_writes_what_the_lake_has(trail: ReadableTrail, tmp_path: Path) -> None:
    names = ("--schema", "ocsf", "--lake-region", "eu-central-1", "--lake-account", "123456789012")

    ended = trail.run("export", *names, "--layout", "security-lake", "-o", str(tmp_path / "a"))
    same = trail.run("export", *names, "--format", "parquet", "--lake", str(tmp_path / "b"))

    assert (ended.code, same.code) == (0, 0), ended.err
    a, b = (sorted(file.relative_to(tmp_path / each) for file in (tmp_path / each).rglob("*.parquet")) for each in "ab")
    assert a == b != []


def test_lake_without_kafka_leaves_nothing(trail: ReadableTrail, tmp_path: Path) -> None:
    form = ("--schema", "ocsf", "--format", "parquet", "--lake", str(tmp_path))
    names = ("--lake-region", "eu-central-1", "--lake-account", "123456789012")

    ended = trail.run("export", *form, *names, "--brokers", "127.0.0.1:1")

    assert ended.code == 6
    assert list(tmp_path.iterdir()) == []


def test_columns_and_rules_of_the_command(trail: ReadableTrail, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\ntype = "order_*"\nclass_uid = 3006\nactivity_id = 3\n')
    arguments = ("--schema", "ocsf", "--ocsf-rules", str(rules), "--columns", "class_uid,unmapped.payload.order")

    ended = trail.run("export", *arguments, "--type", "order_deleted")
    as_json = trail.run("export", *arguments, "--type", "order_deleted", "--json")
    refused = trail.run("export", *arguments, "--sealed")

    assert _lines(ended.out) == [{"class_uid": 6003, "unmapped.payload.order": 9_876_543_210}]
    assert "1 events are API Activity and not Group Management (3006)" in ended.err
    (remark,) = json.loads(as_json.err.splitlines()[0])["read"]["remarks"]
    assert remark.startswith("1 events are API Activity")
    assert (refused.code, "leave out --schema" in refused.err) == (2, True)


def test_parquet_through_a_pipe(trail: ReadableTrail) -> None:
    ended = trail.run("export", "--format", "parquet")

    assert pq.read_table(io.BytesIO(ended.out)).num_rows == len(EVENTS)


def test_parquet_without_its_extra(trail: ReadableTrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name
        for name in sys.modules
        if name.split(".")[0] == "pyarrow"
        or name.startswith(("telemetry.cli.output.parquet", "telemetry.reader.mappings.arrow"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    ended = trail.run("export", "--format", "parquet", "-o", str(tmp_path / "out"))

    assert ended.code == 2
    assert "telemetry-audit[parquet]" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_empty_topic(trail: ReadableTrail, form: str, tmp_path: Path) -> None:
    file = tmp_path / "out"
    trail.kafka.create_topic(f"nothing-{form}")

    ended = trail.run("export", "--topic", f"nothing-{form}", "--format", form, "-o", str(file))

    assert ended.code == 0
    assert "0 written" in ended.err
    assert file.exists()


def test_damaged_records_and_duplicates_are_counted(trail: ReadableTrail, tmp_path: Path) -> None:
    records = trail.records()
    altered = (records[0].value or b"").replace(b'"type":"', b'"type":"not ')
    trail.put("spoiled", [records[1], records[0]._replace(value=altered), records[1], records[2]])
    file = tmp_path / "out.jsonl"

    ended = trail.run("export", "--topic", "spoiled", "-o", str(file))

    assert ended.code == 3
    assert len(_lines(file.read_bytes())) == 2
    assert "2 written" in ended.err
    assert "1 copies" in ended.err
    assert "1 damaged" in ended.err
    assert "spoiled[0]@1: TamperedError" in ended.err


def test_sealed_copy_opens_later_with_the_key(trail: ReadableTrail, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    no_key = ("--brokers", trail.kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT")

    ended = run("export", "--sealed", *no_key, "-o", str(copy))

    assert ended.code == 0, ended.err
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert b"passkey" not in copy.read_bytes()
    assert sorted(event["id"] for event in trail.tail("--file", str(copy))) == sorted(
        event["id"] for event in trail.tail()
    )


@pytest.mark.parametrize(
    "options", [("--user", "alice"), ("--text", "x"), ("--format", "csv"), ("--schema", "ocsf")], ids=" ".join
)
def test_sealed_copy_cannot_be_filtered(trail: ReadableTrail, options: tuple[str, ...]) -> None:
    ended = trail.run("export", "--sealed", *options)

    assert ended.code == 2
    assert "--sealed" in ended.err


def test_closed_pipe_is_not_an_error(trail: ReadableTrail) -> None:
    command = f"{sys.executable} -m telemetry export -c {trail.file} | head -c 10; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_end_offset_bounds_what_is_read(trail: ReadableTrail) -> None:
    whole = _lines(trail.run("export").out)
    part = _lines(trail.run("export", "--offset", "1", "--end-offset", "2").out)

    assert part
    assert sorted(part, key=str) == sorted([event for event in whole if event["kafka"]["offset"] == 1], key=str)


def test_end_is_written_for_the_next_export(own_trail: ReadableTrail, tmp_path: Path) -> None:
    end = tmp_path / "end"

    first = own_trail.run("export", "--ends", str(end))
    with Telemetry(own_trail.config()) as telemetry:
        telemetry.audit.log("later", {}, "alice")
    again = own_trail.run("export", "--end", f"@{end}")
    copied = own_trail.run("export", "--sealed", "--end", f"@{end}", "--ends", str(tmp_path / "copied"))

    assert (first.code, again.code, copied.code) == (0, 0, 0), copied.err
    assert f"--end @{end}" in first.err
    assert stat.S_IMODE(end.stat().st_mode) == 0o600
    assert first.out == again.out
    assert len(copied.out.splitlines()) == len(EVENTS)
    assert (tmp_path / "copied").read_text() == end.read_text()
    assert len(_lines(own_trail.run("export").out)) == len(EVENTS) + 1


def test_end_is_not_written_where_it_cannot_be(trail: ReadableTrail, tmp_path: Path) -> None:
    end = tmp_path / "end"
    end.write_text("mine")

    taken = trail.run("export", "--ends", str(end))
    stored = trail.run("export", "--ends", str(tmp_path / "other"), "--from", "all")
    same = trail.run("export", "--ends", str(tmp_path / "out"), "-o", str(tmp_path / "out"))
    failed = trail.run("export", "--ends", str(tmp_path / "other"), "--brokers", "127.0.0.1:1")

    assert [each.code for each in (taken, stored, same, failed)] == [2, 2, 2, 6]
    assert end.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["end"]
