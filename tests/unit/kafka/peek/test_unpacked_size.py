"""The size that records unpack to is compared to the byte, and no hostile bytes make that a labour."""

from __future__ import annotations

import random
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator

import pytest

from telemetry.kafka.peek.batch_header import HEADER_BYTES, Codec, parse_batch_header
from telemetry.kafka.peek.batches import BatchPeek
from telemetry.kafka.peek.lz4_size import lz4_exceeds
from telemetry.kafka.peek.unpacked_size import exceeds
from telemetry.testing import EmbeddedKafka
from tests.support.batches import clear_config, write_batch
from tests.unit.kafka.peek.test_batches import Leader

CODECS = (Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD)
_RANDOM = random.Random(18)  # noqa: S311 - the same noise each time
CONTENTS = {
    "zeros": [bytes(300_000)] * 3,
    "noise": [_RANDOM.randbytes(900), _RANDOM.randbytes(70_000)],
    "events": [b'{"type": "user_login", "data": "%s"}' % b64encode(_RANDOM.randbytes(90)) for _ in range(3_000)],
    "few": [b"x"],
}
_LZ4_HEAD = b"\x04\x22\x4d\x18\x60\x70\x73"


@pytest.fixture(scope="module")
def batches() -> Iterator[dict[tuple[str, Codec], memoryview]]:
    """What librdkafka makes of the contents, by codec."""
    with EmbeddedKafka(topic="events", partitions=1) as kafka:
        brokers, found = kafka.bootstrap_servers, {}
        with BatchPeek(clear_config(brokers), "events", leaders=Leader(brokers), timeout=30.0) as peek:
            offset = 0
            for name, values in CONTENTS.items():
                for codec in (Codec.NONE, *CODECS):
                    write_batch(brokers, "events", values, codec=str(codec))
                    window = peek.window(0, offset)
                    header = parse_batch_header(window)
                    assert header is not None
                    # A batch that would not become smaller is stored as it is.
                    found[name, codec] = (
                        memoryview(window)[HEADER_BYTES : header.size] if header.codec is codec else None
                    )
                    offset += len(values)
        yield {key: packed for key, packed in found.items() if packed is not None}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("content", CONTENTS)
def test_size_is_compared_to_the_byte(batches: dict[tuple[str, Codec], memoryview], codec: Codec, content: str) -> None:
    size = len(batches[content, Codec.NONE])
    packed = batches.get((content, codec))
    if packed is None:
        assert content in ("noise", "few")
        return

    assert not exceeds(codec, packed, size, is_whole=True)
    # librdkafka packs Zstandard without stating the size, and bounds it by itself when it unpacks.
    assert exceeds(codec, packed, size - 1, is_whole=True) is (codec is not Codec.ZSTD)


def test_beginning_of_gzip_is_enough() -> None:
    packed = memoryview(zlib.compress(bytes(50_000_000), 9, wbits=31))

    assert exceeds(Codec.GZIP, packed[:20_000], 10_000_000, is_whole=False)
    assert not exceeds(Codec.GZIP, packed[:20_000], 40_000_000, is_whole=False)


def test_gzip_that_states_less_is_unpacked() -> None:
    packed = zlib.compress(bytes(50_000_000), 9, wbits=31)

    assert exceeds(Codec.GZIP, memoryview(packed + b"\0\0\0\0"), 10_000_000, is_whole=True)
    assert exceeds(Codec.GZIP, memoryview(packed[:-4] + struct.pack("<I", 7)), 10_000_000, is_whole=True)


def _lz4(*blocks: bytes) -> memoryview:
    return memoryview(_LZ4_HEAD + b"".join(struct.pack("<I", len(block)) + block for block in blocks) + bytes(4))


def test_lz4_run_of_any_length_is_added_up() -> None:
    # One literal, then a match of 15 + 4 + 255 * 1,000 + 7 bytes; the last sequence has a literal only.
    block = b"\x1f\0\x01\0" + b"\xff" * 1_000 + b"\x07" + b"\x10\0"
    size = 1 + 19 + 255_000 + 7
    assert lz4_exceeds(_lz4(block), size)
    assert not lz4_exceeds(_lz4(block), size + 1)


def test_lz4_stored_blocks_have_their_size() -> None:
    stored = struct.pack("<I", 1 << 31 | 5_000) + bytes(5_000)
    frame = memoryview(_LZ4_HEAD + stored * 3 + bytes(4))

    assert lz4_exceeds(frame, 14_999)
    assert not lz4_exceeds(frame, 15_000)


def test_lz4_block_yields_its_largest_size_at_most() -> None:
    # 64 KiB blocks: what one states beyond that is refused by every client.
    head = b"\x04\x22\x4d\x18\x60\x40\x82"
    block = b"\x1f\0\x01\0" + b"\xff" * 100_000 + b"\x07"
    frame = memoryview(head + struct.pack("<I", len(block)) + block + bytes(4))

    assert not lz4_exceeds(frame, 65_536)


def test_lz4_stated_size_is_enough() -> None:
    frame = memoryview(b"\x04\x22\x4d\x18\x68\x70" + struct.pack("<Q", 1 << 40) + bytes(1_000))

    assert lz4_exceeds(frame, 100_000)
    # It cannot be more than 255 times as large.
    assert not lz4_exceeds(frame, 1 << 30)


@pytest.mark.parametrize("block", [b"\x0e\x01\0" * 40_000, b"\x0f\1\0\1"])
def test_lz4_that_is_a_labour_is_too_large(block: bytes) -> None:
    assert lz4_exceeds(_lz4(*[block] * (1_000_000 // len(block))), 20_000_000)


def test_snappy_chunks_of_java_are_added_up() -> None:
    chunk = b"\xff\xff\x03" + bytes(10)
    head = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    packed = memoryview(head + (struct.pack(">I", len(chunk)) + chunk) * 5)

    assert exceeds(Codec.SNAPPY, packed, 5 * 65_535 - 1, is_whole=True)
    assert not exceeds(Codec.SNAPPY, packed, 5 * 65_535, is_whole=True)


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        (b"\x20\xfe", 254),
        (b"\x60\xff\xff", 65_535 + 256),
        (b"\xa0\xff\xff\xff\x7f", 0x7FFFFFFF),
        (b"\x80\x70\xff\xff\xff\x7f", 0x7FFFFFFF),
        (b"\xe1\x07" + b"\xff" * 7 + b"\x7f", (1 << 63) - 1),
        (b"\x00\x70", 0),
    ],
)
def test_zstd_states_its_size(frame: bytes, size: int) -> None:
    packed = memoryview(b"\x28\xb5\x2f\xfd" + frame)

    assert not exceeds(Codec.ZSTD, packed, max(size, 1), is_whole=True)
    assert size == 0 or exceeds(Codec.ZSTD, packed, size - 1, is_whole=True)


@pytest.mark.parametrize("codec", [*CODECS, Codec.NONE, Codec.UNKNOWN])
def test_any_bytes_have_an_answer(codec: Codec) -> None:
    starts = (b"", b"\x1f\x8b\x08", b"\x04\x22\x4d\x18", _LZ4_HEAD, b"\x82SNAPPY\0", b"\x28\xb5\x2f\xfd")
    for number in range(2_000):
        junk = starts[number % len(starts)] + _RANDOM.randbytes(_RANDOM.randrange(60))
        assert exceeds(codec, memoryview(junk), 1 << 40, is_whole=True) in (False, True)


def test_prefixes_of_every_batch_have_an_answer(batches: dict[tuple[str, Codec], memoryview]) -> None:
    for (content, codec), packed in batches.items():
        size = len(batches[content, Codec.NONE])
        for end in (*range(40), *range(40, len(packed), 997)):
            assert not exceeds(codec, packed[:end], size, is_whole=False)
