from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from telemetry.reader.mappings import SCHEMAS
from telemetry.reader.mappings.writers import CsvWriter, JsonLinesWriter
from tests.support.some_events import opened


def _csv_row(**fields: Any) -> dict[str, str]:
    target = io.BytesIO()
    writer = CsvWriter(target, SCHEMAS["event"])
    writer.write(opened(**fields))
    writer.close()
    (row,) = csv.DictReader(io.StringIO(target.getvalue().decode(), newline=""))
    return row


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'"])
def test_spreadsheet_formula_gets_an_apostrophe(start: str) -> None:
    text = f"{start}HYPERLINK(A1)"

    assert _csv_row(user_id=text)["user_id"] == f"'{text}"


@pytest.mark.parametrize(
    "start",
    [
        " =",
        "\u3000=",
        "\u00a0+",
        " \t-",
        "\ufeff=",
        "\u200b@",
        "\0=",
        "\u202e=",
        *"\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b",
        " \uff1d",
    ],
    ids=ascii,
)
def test_disguised_formula_gets_an_apostrophe(start: str) -> None:
    text = f"{start}HYPERLINK(A1)"

    assert _csv_row(user_id=text)["user_id"] == f"'{text}"


@pytest.mark.parametrize(
    "text", ["plain", 'a;b,"c"', "two\nlines", "Größe 日本", "", " plain", "\u3000日本", "a=b", " '="]
)
def test_other_text_returns_unchanged(text: str) -> None:
    assert _csv_row(session_id=text)["session_id"] == text


def test_nested_values_are_json_in_a_cell() -> None:
    assert json.loads(_csv_row(payload={"deep": [1, None]})["payload"]) == {"deep": [1, None]}


def test_json_line_is_one_object() -> None:
    target = io.BytesIO()
    writer = JsonLinesWriter(target, SCHEMAS["event"])

    writer.write(opened(user_id="a\nb"))

    assert target.getvalue().count(b"\n") == 1
    assert json.loads(target.getvalue())["user_id"] == "a\nb"


@pytest.mark.parametrize(
    ("text", "count"), [("x" * 32_767, 0), ("x" * 32_768, 1), ("\U0001f600" * 16_383, 0), ("\U0001f600" * 16_384, 1)]
)
def test_cell_too_long_for_excel_is_counted(text: str, count: int) -> None:
    target = io.BytesIO()
    writer = CsvWriter(target, SCHEMAS["event"])

    writer.write(opened(user_agent=text))

    assert [remark.split()[0] for remark in writer.remarks()] == ["1"] * count
    assert text.encode() in target.getvalue()
