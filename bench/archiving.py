"""Measure what archiving costs beside the work that any writer of Parquet has: microseconds of CPU an event.

The same records are archived (rows, sorted table, Parquet) and, in turn, written by plain pyarrow from rows that were
made before: a table of the same columns, sorted, as zstd 1. ``make bench-archive``; docs/archive.md has the results.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import uuid_utils

from telemetry.archive.files.parquet_form import GROUP_ROWS, writer_of
from telemetry.archive.rows.columns import SCHEMA, SORT_COLUMNS, Row
from telemetry.archive.rows.merging import merged_table
from telemetry.archive.rows.records import records_of
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.format.value import jwe
from telemetry.format.value.message import BATCH_HEADER, CONTENT_TYPE
from telemetry.format.value.render import key_hash, render_head, render_middle
from telemetry.reader.entry import Place, RawRecord

PARTITIONS = 8
BATCH = 100
CHUNK = 20_000
USERS = 20_000
START = datetime(2026, 1, 2, tzinfo=UTC)
MOST = 1.3
"""Bound of ``--check``: CPU of archiving by that of plain pyarrow."""


class Process:
    """One producer: its head and JWE header are the same in all of its records."""

    def __init__(self, number: int) -> None:
        self.producer = f"0198c0de-0000-7000-8000-{number:012x}"
        self.sequence = 0
        wrapped = hashlib.sha256(b"%d" % number).digest() * 4
        uri = "local-key://" + "0" * 32
        self.head = render_head("/production/payments", self.producer, key_uri=uri, wrapped_key=wrapped)
        self.protected = jwe.protected_header(jwe.key_id(bytes(32), key_uri=uri, wrapped=wrapped))


def made_records(count: int, *, producers: int, payload: int, with_fields: bool) -> Iterator[RawRecord]:
    """Yield records as they come from a topic: batches of many processes in turn."""
    order = random.Random(1)  # noqa: S311 - an order
    processes = [Process(number) for number in range(producers)]
    noise = base64.urlsafe_b64encode(secrets.token_bytes(6 << 20))
    made = 0
    while made < count:
        process = order.choice(processes)
        headers = (("content-type", CONTENT_TYPE), (BATCH_HEADER, f"{process.producer}-{made}".encode()))
        for _ in range(min(BATCH, count - made)):
            moment = START + timedelta(milliseconds=made)
            user = b"user-%d:payments" % order.randrange(USERS)
            fields = (
                b',"entity":"order","entityid":"%d","action":"read","outcome":"success"' % made if with_fields else b""
            )
            tail = b',"id":"%b","time":"%b","type":"order_read"%b,"data":' % (
                str(uuid_utils.uuid7()).encode(),
                moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode(),
                fields,
            )
            start = order.randrange(len(noise) - payload - 100)
            iv, text = noise[start : start + 16], noise[start : start + payload // 3 * 4]
            data = b'"%b..%b.%b.%bA"}' % (process.protected, iv, text, noise[start : start + 21])
            value = process.head + render_middle(process.sequence, hashed=key_hash(user), tail=tail) + data
            place = Place("audit-events", made // BATCH % PARTITIONS, made)
            yield RawRecord(user, value, place, moment.timestamp(), headers)
            process.sequence += 1
            made += 1


class Cost(NamedTuple):
    """Microseconds of CPU an event."""

    rows: float
    table: float
    parquet: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self)


def archive(records: list[RawRecord]) -> tuple[Cost, bytes]:
    """Archive records as the library does, in memory: tables of some rows each, merged, and written."""
    maker = RowMaker(now=time.time)
    spent = [0.0, 0.0, 0.0]
    tables = []
    for start in range(0, len(records), CHUNK):
        rows, seconds = timed(partial(rows_of, maker, records[start : start + CHUNK]))
        spent[0] += seconds
        table, seconds = timed(partial(table_of, rows))
        spent[1] += seconds
        tables.append(table)
    table, seconds = timed(partial(merged_table, tables))
    spent[1] += seconds
    data, spent[2] = timed(lambda: write(table, writer_of))
    return Cost(*(seconds / len(records) * 1e6 for seconds in spent)), data


def rows_of(maker: RowMaker, records: list[RawRecord]) -> list[Row]:
    """Return the rows of records."""
    return [maker.row_of(record) for record in records]


def write_plainly(records: list[RawRecord], rows: list[Row]) -> Cost:
    """Write rows that were made before, with nothing but pyarrow."""
    _, first = timed(lambda: [record.value for record in records])
    table, second = timed(lambda: plain_table(rows))
    _, third = timed(lambda: write(table, lambda sink, rows: pq.ParquetWriter(sink, SCHEMA, **PLAIN)))  # noqa: ARG005
    return Cost(*(seconds / len(records) * 1e6 for seconds in (first, second, third)))


PLAIN: dict[str, Any] = {"compression": "zstd", "compression_level": 1}


def plain_table(rows: list[Row]) -> pa.Table:
    """Return a sorted table of rows."""
    arrays = []
    for values, field in zip(zip(*rows, strict=True), SCHEMA, strict=True):
        number = {pa.date32(): pa.int32(), pa.timestamp("us", tz="UTC"): pa.int64()}.get(field.type)
        arrays.append(pa.array(values, field.type) if number is None else pa.array(values, number).cast(field.type))
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    return table.sort_by([(name, "ascending") for name in ("day", *SORT_COLUMNS)])


def write(table: pa.Table, writer: Callable[..., Any]) -> bytes:
    """Return a table as Parquet."""
    sink = io.BytesIO()
    opened = writer(sink, rows=len(table))
    opened.write_table(table, row_group_size=GROUP_ROWS)
    opened.close()
    return sink.getvalue()


def read_back(data: bytes) -> float:
    """Return what it costs to get the records of a file: microseconds of CPU an event."""
    count, seconds = timed(lambda: sum(1 for _ in records_in(data)))
    return seconds / count * 1e6


def records_in(data: bytes) -> Iterable[object]:
    """Yield the records of a file."""
    for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(4_096):
        yield from records_of(batch, store_name="store")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work gives, and its seconds of CPU."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def main() -> None:
    """Measure, print, and check the bound if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--producers", type=int, default=20)
    parser.add_argument("--payload", type=int, default=750, help="bytes of the sealed event")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    missed = False
    for with_fields in (False, True):
        made = made_records(
            options.events, producers=options.producers, payload=options.payload, with_fields=with_fields
        )
        records = list(made)
        maker = RowMaker(now=time.time)
        rows = [maker.row_of(record) for record in records]
        ours, plain, back = [], [], []
        for _ in range(options.rounds):  # in turn: another load on the machine then meets both
            cost, data = archive(records)
            ours.append(cost)
            plain.append(write_plainly(records, rows))
            back.append(read_back(data))
        own, other = (min(costs, key=lambda cost: cost.total) for costs in (ours, plain))
        ratio = own.total / other.total
        size = sum(len(record.value or b"") for record in records) / len(records)
        name = "four projected fields" if with_fields else "no projected fields"
        print(f"{name}: value {size:.0f} B, file {len(data) / len(records):.0f} B an event")
        print(
            f"  archive      rows {own.rows:.1f} + table {own.table:.1f} + Parquet {own.parquet:.1f} = {own.total:.1f} us"
        )
        print(f"  plain        table, sorted {other.table:.1f} + Parquet {other.parquet:.1f} = {other.total:.1f} us")
        print(f"  ratio {ratio:.2f}; records of a file {min(back):.1f} us")
        missed = missed or (ratio > MOST and not with_fields)
    if options.check and missed:
        sys.exit(f"archiving costs more than {MOST} times what plain pyarrow does")


if __name__ == "__main__":
    main()
