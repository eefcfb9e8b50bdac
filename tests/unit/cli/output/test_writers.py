from __future__ import annotations

import pytest

from telemetry.cli.output.writers import writer_of
from telemetry.reader.mappings.writers import CsvWriter, JsonLinesWriter


@pytest.mark.parametrize(("name", "kind"), [("jsonl", JsonLinesWriter), ("csv", CsvWriter)])
def test_writer_of_a_format(name: str, kind: type[object]) -> None:
    assert writer_of(name) is kind
