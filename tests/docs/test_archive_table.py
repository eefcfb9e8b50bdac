"""The page of the archive names the columns and kinds that the table has, and its example reads a table."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from telemetry.archive.files.writing import write_data_files
from telemetry.archive.rows.columns import SCHEMA, Kind, row
from telemetry.archive.rows.tables import table_of
from telemetry.archive.table.archive_table import ArchiveTable
from tests.unit.archive.table.test_archive_table import open_store, seal

PAGE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text("utf-8")
TYPES = {
    "date": pa.date32(),
    "string": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
    "fixed(32)": pa.binary(32),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "struct": SCHEMA.field("redacted").type,
}


def lines_of_table(header: str) -> list[list[str]]:
    _, _, rest = PAGE.partition(f"{header}\n")
    table = rest.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def test_columns_and_types() -> None:
    documented = {
        name: TYPES[type_]
        for names, type_, _ in lines_of_table("| column | type | content |")
        for name in re.findall(r"`([a-z_]+)`", names)
    }

    assert documented == {field.name: field.type for field in SCHEMA}


def test_kinds() -> None:
    documented = [name for names, _ in lines_of_table("| kind | is |") for name in re.findall(r"`([a-z]+)`", names)]

    assert sorted(documented) == sorted(Kind)


def test_example_reads_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?load_catalog.*?)```", PAGE, re.DOTALL)
    assert example is not None
    late, early = (20_800, 20_500)
    rows = [row(day=day, kind=kind, type="t") for day in (late, early) for kind in ("event", "event", "checkpoint")]
    with open_store(tmp_path / "archive") as store, ArchiveTable.open(store) as table:
        table.register(seal(0, write_data_files(store, table_of(rows))))
    code = example[1].replace("/srv/archive", str(tmp_path / "archive"))
    exec(compile(code, "docs/archive.md", "exec"), {})  # noqa: S102 - the example of our own page

    assert capsys.readouterr().out == "2\n"
