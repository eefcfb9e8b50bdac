"""A batch is a bomb if no genuine records can be in it, and never for its size alone."""

from __future__ import annotations

import random
import zlib

import pytest

from telemetry.kafka.peek.batch_header import BatchHeader, Codec, parse_batch_header
from telemetry.kafka.peek.bomb import bomb_reason
from tests.support.batches import raw_batch

_LARGEST = 1_000_000
_LIMIT = 2 * _LARGEST
_GZIP = 1


def reason(batch: bytes) -> str | None:
    header = parse_batch_header(batch)
    assert header is not None
    return bomb_reason(header, memoryview(batch), largest=_LARGEST)


def gzipped(content: bytes, *, records: int = 2) -> bytes:
    return raw_batch(zlib.compress(content, 9, wbits=31), attributes=_GZIP, count=records)


def test_zeros_beyond_the_limit_are_a_bomb() -> None:
    assert reason(gzipped(bytes(_LIMIT + 1))) is not None
    assert reason(gzipped(bytes(_LIMIT))) is None


def test_single_record_that_is_too_large_is_a_bomb() -> None:
    beside = 1 << 20

    assert reason(gzipped(bytes(_LARGEST + beside + 1), records=1)) is not None
    assert reason(gzipped(bytes(_LARGEST + beside), records=1)) is None


def test_large_batch_that_hardly_packs_is_none() -> None:
    # Half as large when it is packed, as base64 would be three quarters.
    content = random.Random(1).randbytes(_LIMIT).hex().encode()  # noqa: S311 - the same noise each time

    assert reason(gzipped(content)) is None


def test_uncompressed_batch_is_none() -> None:
    assert reason(raw_batch(bytes(3 * _LIMIT))) is None


@pytest.mark.parametrize(
    ("records", "size", "expected"),
    [
        (3_000_000, 50_000, True),
        (100_001, 900_000, True),
        (100_001, 20_000_000, False),
        (100_000, 5_000, False),
        (-1, 5_000, False),
    ],
)
def test_more_records_than_bytes_are_a_bomb(records: int, size: int, expected: bool) -> None:
    header = BatchHeader(0, size, Codec.ZSTD, after=records, records=records)

    assert (bomb_reason(header, memoryview(b""), largest=_LARGEST) is not None) is expected


def test_former_message_set_is_left_to_the_client() -> None:
    assert bomb_reason(BatchHeader(0, 100, Codec.GZIP), memoryview(b""), largest=1) is None
