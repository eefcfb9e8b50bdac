from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from telemetry.gateway.body_room import BodyRoom
from telemetry.gateway.request.body import read_body
from telemetry.gateway.request.refused_request import RefusedRequestError
from tests.support.gateway.requests import Bounds, request_of

GZIP = {"Content-Encoding": "gzip"}


async def _body(
    *pieces: bytes, headers: dict[str, str] | None = None, room: int = 100_000, is_cut: bool = False
) -> bytes:
    bodies = BodyRoom(room)
    with bodies.share("payments") as share:
        return await read_body(request_of(pieces, headers or {}, is_cut=is_cut), limits=Bounds(), share=share)


async def _refused(
    *pieces: bytes, headers: dict[str, str] | None = None, room: int = 100_000, is_cut: bool = False
) -> RefusedRequestError:
    with pytest.raises(RefusedRequestError) as caught:
        await _body(*pieces, headers=headers, room=room, is_cut=is_cut)
    return caught.value


async def test_body_comes_in_pieces() -> None:
    assert await _body(b"ab", b"", b"cd") == b"abcd"


async def test_declared_length_is_refused_before_a_byte_is_read() -> None:
    bodies = BodyRoom(0)  # any byte would be refused with 429
    request = request_of([b"x" * 10], {"Content-Length": "1001"})
    with bodies.share("payments") as share, pytest.raises(RefusedRequestError) as caught:
        await read_body(request, limits=Bounds(), share=share)
    assert caught.value.status == 413


async def test_body_without_a_length_is_bounded_while_it_comes() -> None:
    assert (await _refused(*[b"x" * 100] * 11)).status == 413
    assert len(await _body(*[b"x" * 100] * 10)) == 1_000


async def test_full_room_is_429_with_a_time() -> None:
    refused = await _refused(b"x" * 100, room=99)
    assert (refused.status, refused.retry_after) == (429, 1)


async def test_connection_that_ends_before_the_body() -> None:
    assert (await _refused(b"half", is_cut=True)).status == 400


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
async def test_gzip_is_decompressed(coding: str) -> None:
    packed = gzip.compress(b"content" * 100)
    assert await _body(packed[:7], packed[7:], headers={"Content-Encoding": coding}) == b"content" * 100


async def test_members_one_after_the_other() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    assert await _body(packed, headers=GZIP) == b"one two"


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br"])
async def test_other_codings_are_415_and_say_what_is_read(coding: str) -> None:
    refused = await _refused(b"x", headers={"Content-Encoding": coding})
    assert (refused.status, refused.headers["accept-encoding"]) == (415, "gzip, identity")


async def test_bomb_ends_at_the_bound() -> None:
    # 100 MB would take seconds and show in the memory.
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(b"0" * 600_000) + packer.flush()
    assert len(packed) < 1_000
    refused = await _refused(packed, headers=GZIP)
    assert (refused.status, "4000 bytes after" in refused.detail) == (413, True)


async def test_bomb_in_members_ends_at_the_bound() -> None:
    assert (await _refused(gzip.compress(b"0" * 1_000) * 5, headers=GZIP)).status == 413


async def test_decompressed_bytes_take_room_too() -> None:
    assert (await _refused(gzip.compress(b"0" * 3_000), headers=GZIP, room=3_000)).status == 429


async def test_many_empty_members_are_refused() -> None:
    packed = gzip.compress(b"") * 1_001
    with BodyRoom(10**6).share("payments") as share, pytest.raises(RefusedRequestError, match="members") as caught:
        await read_body(request_of([packed], GZIP), limits=Bounds(10**6, 10**6), share=share)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "packed",
    [b"no gzip", gzip.compress(b"abc")[:-1], gzip.compress(b"abc")[:9], gzip.compress(b"abc") + b"\0"],
    ids=["rubbish", "cut in the trailer", "cut in the header", "trailing byte"],
)
async def test_damaged_gzip_is_400(packed: bytes) -> None:
    assert (await _refused(packed, headers=GZIP)).status == 400


async def test_wrong_checksum_is_400() -> None:
    packed = bytearray(gzip.compress(b"abc"))
    packed[-6] ^= 1
    assert (await _refused(bytes(packed), headers=GZIP)).status == 400


async def test_loop_has_its_turn_while_a_body_is_decompressed() -> None:
    packed = gzip.compress(b"0" * (8 << 20))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    with BodyRoom(1 << 30).share("payments") as share:
        body = await read_body(request_of([packed], GZIP), limits=Bounds(1 << 20, 16 << 20), share=share)
    counter.cancel()
    assert len(body) == 8 << 20
    assert turns > 20
