from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from telemetry.cli.output.parquet import row_groups
from telemetry.cli.output.parquet.table import ParquetEventWriter
from telemetry.reader.mappings import SCHEMAS
from tests.support.some_events import opened


class Pipe(io.RawIOBase):
    """A stream that cannot tell its position."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        raise io.UnsupportedOperation

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


@pytest.mark.parametrize(("bound", "value"), [("ROWS", 2), ("TEXT_BYTES", 1)])
def test_row_groups_are_bounded(bound: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, bound, value)
    pipe = Pipe()
    writer = ParquetEventWriter(pipe, SCHEMAS["event"])  # type: ignore[arg-type]
    for number in range(5):
        writer.write(opened(user_id=f"user-{number}"))
    writer.close()

    file = pq.ParquetFile(io.BytesIO(pipe.written))
    assert file.num_row_groups == -(-5 // value)
    assert file.read().column("user_id").to_pylist() == [f"user-{number}" for number in range(5)]


def test_same_events_are_the_same_bytes() -> None:
    written = []
    for _ in range(2):
        pipe = Pipe()
        writer = ParquetEventWriter(pipe, SCHEMAS["event"])  # type: ignore[arg-type]
        writer.write(opened())
        writer.close()
        written.append(pipe.written)

    assert written[0] == written[1]


def test_discarded_table_gets_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "ROWS", 1)
    pipe = Pipe()
    writer = ParquetEventWriter(pipe, SCHEMAS["event"])  # type: ignore[arg-type]
    writer.write(opened())
    before = pipe.written

    writer.discard()

    assert before
    assert pipe.written == before
